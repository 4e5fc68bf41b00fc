"""Train the GANs of figure 5: all networks of a distribution in one program, resumed where it was interrupted."""

import contextlib
import time
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
from mixup_jax.runtime import resumable
from mixup_jax.runtime.claim import claimed
from mixup_jax.runtime.identity import jax_settings
from mixup_jax.runtime.provenance import origin
from mixup_jax.runtime.resumable import NEVER
from mixup_jax.steps.many_seeds import over_seeds

POINTS = 1000
SAVE_SECONDS = 60.0
"""Between two checkpoints."""
NAME = "gan.json"


@dataclass(frozen=True)
class GanConfig:
    """What is trained."""

    distributions: tuple[str, ...] = ("ring", "grid")
    """Of real points: a ring of 8 Gaussians, a grid of 25."""
    objective: Objective = "paper"
    """The paper's (real with generated points, Beta) or the first author's demo's (shuffled batches, Uniform)."""
    alphas: tuple[float, ...] = (0.2,)
    """Of mixup; ERM is always there."""
    seed: int = 0
    """The first seed."""
    seeds: int = 5
    """Networks a row of the table: seed, seed + 1, ...; the picture shows the first."""
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
        if not 0 <= self.seed <= 2**32 - self.seeds:
            raise ValueError(f"seed must be at least 0 and at most {2**32 - self.seeds:,}, got {self.seed}.")
        if not self.distributions:
            raise ValueError("distributions must name ring, grid or both, got none.")


@dataclass(frozen=True)
class GanRun:
    """Generators over time, all with the same noise: `points` (times, alphas, seeds, points, 2), ERM first."""

    real: np.ndarray
    means: np.ndarray
    points: np.ndarray
    iterations_per_second: float
    """Of all networks together, without compiling and saving."""


def claimed_by(job: GanConfig, workdir: Path) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """Keep the folder for a game; yield the content of its gan.json, as first written.

    Raises ValueError, naming what differs, where a game of other settings was begun.
    """
    here = {"settings": settings(job), "jax": jax_settings(), **origin()}
    defaults = settings(GanConfig())
    if job.objective == "demo":  # until version 1.0 a batch was mixed with a permutation of itself
        here["settings"] |= {"mixed_with": "a second batch"}
        defaults |= {"mixed_with": "its permutation"}
    return claimed(workdir / NAME, here, defaults=defaults, done=lambda first: "quality" in first)


def train_gan(config: GanConfig, distribution: str, times: list[int], folder: Path) -> GanRun:
    """Train all networks on a distribution; keep what their generators make of the same noise at `times`.

    Goes on from the newest checkpoint in `folder`, to the same bits. Raises `Stopped` after a signal, `NotFinite`, and
    `CheckpointError` where no checkpoint can be used or one cannot be written.
    """
    generator, discriminator = (MLP(classes=outputs, width=config.width, depth=3) for outputs in (2, 1))
    hparams = Gan(
        generator, discriminator, config.objective, config.latent, config.batch_size, config.discriminator_steps
    )
    means = jnp.asarray(centres(distribution))
    rng_real, rng_latent = jax.random.split(jax.random.key(0))
    z = jax.random.normal(rng_latent, (POINTS, config.latent))
    seeds = jnp.tile(np.arange(config.seed, config.seed + config.seeds, dtype=np.uint32), 1 + len(config.alphas))
    alphas = jnp.repeat(jnp.array([0.0, *config.alphas]), config.seeds)

    def advance(state: GanState, alpha: Array, count: Array) -> tuple[GanState, Array]:
        state = jax.lax.fori_loop(0, count, lambda _, state: gan_step(state, means, alpha, hparams), state)
        finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((state.generator, state.discriminator))]
        return state, jnp.where(jnp.all(jnp.stack(finite)), NEVER, state.step)

    start = {
        "state": jax.jit(jax.vmap(lambda seed: hparams.init(jax.random.key(seed))))(seeds),
        "points": jnp.zeros((len(times), len(alphas), POINTS, 2)),
        "seconds": jnp.zeros(()),
    }
    run = _Run(
        eval_steps=tuple(times),
        program=jax.jit(over_seeds(advance, (0, 0, None)), donate_argnums=0),
        generate=jax.jit(jax.vmap(lambda params: hparams.generate(params, z))),
        alphas=alphas,
        seeds=range(config.seed, config.seed + config.seeds),
    )
    title = f"gan {distribution}"
    (_, points), _ = resumable.train(run, start, folder, keep=2, title=title, unit="iterations")
    return GanRun(
        real=np.asarray(draw_points(rng_real, means, POINTS)),
        means=np.asarray(means),
        points=np.asarray(points).reshape(len(times), 1 + len(config.alphas), config.seeds, POINTS, 2),
        iterations_per_second=len(alphas) * times[-1] / run.seconds(),
    )


class _Run:
    """A `resumable.Resumable`; the state is that of all networks, and the points seen so far."""

    examples_per_step = 1
    save_seconds = SAVE_SECONDS

    def __init__(self, eval_steps: tuple[int, ...], program: Any, generate: Any, alphas: Array, seeds: range):
        self.eval_steps, self.max_steps_per_call = eval_steps, eval_steps[-1]
        self._program, self._generate, self._alphas, self._seeds = program, generate, alphas, seeds
        self._before, self._started = 0.0, 0.0

    def restored(self, snapshot: Any) -> tuple[tuple[GanState, Array], int]:
        """Compile before the clock starts."""
        state, step = snapshot["state"], int(snapshot["state"].step[0])
        self._before = float(snapshot["seconds"])
        if step < self.eval_steps[-1]:
            state, _ = jax.block_until_ready(self._program(state, self._alphas, 0))
            self._started = time.perf_counter()
        return (state, snapshot["points"]), step

    def advance(self, state: tuple[GanState, Array], step: int, count: int) -> tuple[tuple[GanState, Array], Array]:
        """Call the training program."""
        gan_state, bad_step = self._program(state[0], self._alphas, count)
        return (gan_state, state[1]), bad_step

    def evaluate(
        self, state: tuple[GanState, Array], step: int, examples_per_second: float
    ) -> tuple[tuple[GanState, Array], None, str]:
        """Keep the points that the generators make of the noise; after the last step the clock stops."""
        if step == self.eval_steps[-1]:
            self._before, self._started = float(np.float32(self.seconds())), 0.0
        points = state[1].at[self.eval_steps.index(step)].set(self._generate(state[0].generator.params))
        return (state[0], points), None, ""

    def snapshot(self, state: tuple[GanState, Array]) -> Any:
        """Return what a checkpoint holds."""
        return {"state": state[0], "points": state[1], "seconds": jnp.float32(self.seconds())}

    def network(self, index: int) -> str:
        """Name a pair of networks by its seed and alpha."""
        return f"seed {self._seeds[index % len(self._seeds)]}, alpha {float(self._alphas[index]):g}"

    def seconds(self) -> float:
        """Return the seconds spent on the iterations so far, by this process and those before it."""
        return self._before + (time.perf_counter() - self._started if self._started else 0.0)
