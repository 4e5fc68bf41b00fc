"""Play the games of figure 5: all networks of a distribution in one program, resumed where it was interrupted."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array

from experiments.commands.settings import check_alphas, check_counts, settings
from experiments.gan.points import centres, draw_points
from experiments.gan.step import Gan, GanState, Objective, gan_step
from mixup_jax.config_checks import SEEDS, WIDEST
from mixup_jax.models import MLP
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.claim import claimed
from mixup_jax.runtime.identity import jax_settings
from mixup_jax.runtime.provenance import origin
from mixup_jax.runtime.signals import stop_on_signals
from mixup_jax.steps.many_seeds import over_seeds

POINTS = 1000
CHUNK = 50
"""Iterations between two moves of the progress bar."""
SAVE_SECONDS = 60.0
"""Between two checkpoints, but for a chunk; there is one at each time that is looked at, too."""
NAME = "gan.json"


@dataclass(frozen=True)
class Game:
    """What is trained."""

    distributions: tuple[str, ...] = ("ring", "grid")
    """Of real points: a ring of 8 Gaussians, a grid of 25."""
    objective: Objective = "paper"
    """The paper's (real with generated points, Beta) or the first author's demo's (shuffled batches, Uniform)."""
    alphas: tuple[float, ...] = (0.2,)
    """Of mixup; ERM is always there."""
    seeds: int = 5
    """Networks a row of the table; the picture shows the first."""
    iterations: int = 20_000
    """Of the generator."""
    discriminator_steps: int = 5
    """Before each step of the generator."""
    batch_size: int = 128
    """Real points a step, and as many generated ones."""
    width: int = 512
    """Units of each of the three hidden layers, of both networks."""
    latent: int = 2
    """Dimensions of the noise."""
    workdir: Path | None = None
    """Folder of the results; if left out, runs/gan/PRESET with what is changed of the preset."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """20 iterations of tiny nets on the ring, two seeds: does everything work here?"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        for name in self.distributions:
            centres(name)
        check_alphas(self.alphas)
        if self.objective == "demo" and any(alpha > 1 for alpha in self.alphas):
            raise ValueError(f"alphas of the demo's objective are shares, at most 1, got {self.alphas}.")
        most = {"iterations": 10**8, "discriminator_steps": 1000, "batch_size": 10**6, "width": WIDEST, "latent": 1000}
        check_counts({name: (getattr(self, name), most) for name, most in ({"seeds": SEEDS} | most).items()})
        if not self.distributions:
            raise ValueError("distributions must name ring, grid or both, got none.")


@dataclass(frozen=True)
class Played:
    """Generators over time, all with the same noise: `points` (times, alphas, seeds, points, 2), ERM first."""

    real: np.ndarray
    means: np.ndarray
    points: np.ndarray
    iterations_per_second: float
    """Of all networks together, without compiling and saving."""


def claimed_by(job: Game, workdir: Path) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """Keep the folder for a game; yield the content of its gan.json, as first written.

    Raises ValueError, naming what differs, where a game of other settings was begun.
    """
    here = {"settings": settings(job), "jax": jax_settings(), **origin()}
    return claimed(workdir / NAME, here, defaults=settings(Game()), done=lambda first: "quality" in first)


def play(job: Game, distribution: str, times: list[int], folder: Path, update: Callable[..., Any]) -> Played:
    """Train all networks on a distribution; keep what their generators make of the same noise at `times`.

    Goes on from the newest checkpoint in `folder`, to the same bits. `update` is told how many iterations are
    `completed`. Raises what `follow` raises.
    """
    generator, discriminator = (MLP(classes=outputs, width=job.width, depth=3) for outputs in (2, 1))
    hparams = Gan(generator, discriminator, job.objective, job.latent, job.batch_size, job.discriminator_steps)
    means = jnp.asarray(centres(distribution))
    rng_real, rng_latent = jax.random.split(jax.random.key(0))
    z = jax.random.normal(rng_latent, (POINTS, job.latent))
    seeds = jnp.tile(jnp.arange(job.seeds), 1 + len(job.alphas))
    alphas = jnp.repeat(jnp.array([0.0, *job.alphas]), job.seeds)

    def advance(state: GanState, alpha: Array, count: Array) -> GanState:
        return jax.lax.fori_loop(0, count, lambda _, state: gan_step(state, means, alpha, hparams), state)

    program = jax.jit(over_seeds(advance, (0, 0, None)), donate_argnums=0)
    look = jax.jit(jax.vmap(lambda params: hparams.generate(params, z)))
    carry = {
        "state": jax.jit(jax.vmap(lambda seed: hparams.init(jax.random.key(seed))))(seeds),
        "points": jnp.zeros((len(times), len(alphas), POINTS, 2)),
        "seconds": jnp.zeros(()),
    }
    carry = follow(carry, lambda state, count: program(state, alphas, count), look, times, folder, update)
    return Played(
        real=np.asarray(draw_points(rng_real, means, POINTS)),
        means=np.asarray(means),
        points=np.asarray(carry["points"]).reshape(len(times), 1 + len(job.alphas), job.seeds, POINTS, 2),
        iterations_per_second=len(alphas) * times[-1] / float(carry["seconds"]),
    )


def follow(
    carry: dict[str, Any],
    advance: Callable[[GanState, int], GanState],
    look: Callable[[Any], Array],
    times: list[int],
    folder: Path,
    update: Callable[..., Any],
) -> dict[str, Any]:
    """Play from `carry`, or from the newest checkpoint, to the last of `times`; return the carry of the end.

    A carry: the `state` of all networks, the `points` seen so far, and the `seconds` that the iterations took. Raises
    `Stopped` after a signal, and CheckpointError where no checkpoint can be used or one cannot be written.
    """
    with stop_on_signals() as stop, open_checkpoints(folder.absolute(), keep=2) as checkpoints:
        carry = checkpoints.restore(carry) or carry
        state, points, seconds = carry["state"], carry["points"], carry["seconds"]
        done = int(state.step[0])
        update(completed=done)
        if done < times[-1]:
            state = jax.block_until_ready(advance(state, 0))  # compiles
        saved = time.perf_counter()
        for count, snapshot in chunks(times, done):
            started = time.perf_counter()
            state = jax.block_until_ready(advance(state, count))
            seconds += time.perf_counter() - started
            done += count
            if snapshot:
                points = points.at[times.index(done)].set(look(state.generator.params))
            if snapshot or stop.requested() or time.perf_counter() - saved > SAVE_SECONDS:
                checkpoints.save({"state": state, "points": points, "seconds": seconds}, done, None)
                saved = time.perf_counter()
            update(completed=done)
            if stop.requested():  # also after the last iteration: another distribution may follow
                checkpoints.wait()
                raise stop.stopped(f"at iteration {done} of {times[-1]}; the same command goes on from there.")
    return {"state": state, "points": points, "seconds": seconds}


def chunks(times: list[int], done: int = 0) -> Iterator[tuple[int, bool]]:
    """Cut what is left after `done` iterations into pieces of at most `CHUNK`; each says whether it ends at a time.

    >>> list(chunks([10, 70])), list(chunks([10, 70], 10))
    ([(10, True), (50, False), (10, True)], [(50, False), (10, True)])
    """
    for end in times:
        while done < end:
            count = min(CHUNK, end - done)
            done += count
            yield count, done == end
