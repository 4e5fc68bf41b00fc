"""Figure 5: a generative adversarial network on toy points, ERM against mixup in the discriminator's task.

Paper: pictures, no number. ERM's generator leaves the frame within 1,000 iterations, mixup's (alpha = 0.2) stays and
hits most modes by 10,000 to 20,000; three hidden layers of 512 ReLU each, 5 steps of the discriminator before each of
the generator, 128 points a step, 20,000 iterations. The first author's demo has another objective, and alpha in 0.1,
0.2, 0.5, 1. The full presets are for an accelerator; `small` is for two CPU cores.

    python -m experiments.gan             # the paper's objective, alpha 0.2
    python -m experiments.gan demo        # the demo's, four alphas
    python -m experiments.gan small       # 128 units, 64 points, minutes on two CPU cores
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from rich.console import Console
from rich.progress import Progress

from experiments.command_line import parse
from experiments.errors import one_line_errors
from experiments.paper_table import write_table
from experiments.running import cache_compilations
from mixup_jax.data.gaussians import centres, draw_points
from mixup_jax.evaluation.modes import FRAME, quality
from mixup_jax.models.mlp import MLP
from mixup_jax.report.tables import Row, Table
from mixup_jax.training.gan import Gan, GanState, Objective, gan_step
from mixup_jax.training.record import write_json
from mixup_jax.training.side_by_side import side_by_side

SNAPSHOTS = (10, 100, 1000, 10_000, 20_000)
POINTS = 1000
CHUNK = 50
"""Iterations between two moves of the progress bar."""
COLUMNS = ("modes covered", "of high quality, %", "inside the frame, %")


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
    """Folder of the results, runs/gan/PRESET if left out."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """20 iterations of tiny nets on the ring, two seeds: does everything work here?"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        for name in self.distributions:
            centres(name)
        positive = all(0 < alpha < float("inf") for alpha in self.alphas)
        if len({*self.alphas}) < len(self.alphas) or not positive:
            raise ValueError(f"alphas must be different positive numbers (ERM is always there), got {self.alphas}.")
        if self.objective == "demo" and any(alpha > 1 for alpha in self.alphas):
            raise ValueError(f"alphas of the demo's objective are shares, at most 1, got {self.alphas}.")
        for name in ("seeds", "iterations", "discriminator_steps", "batch_size", "width", "latent"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.distributions:
            raise ValueError("distributions must name ring, grid or both, got none.")


SMALL = Game(width=128, batch_size=64, iterations=1000)
PRESETS = {
    "paper": ("The paper's objective, alpha 0.2.", Game()),
    "demo": ("The first author's demo: its objective and alphas.", Game(objective="demo", alphas=(0.1, 0.2, 0.5, 1.0))),
    "small": ("128 units, 64 points, 1,000 iterations: for two CPU cores.", SMALL),
    "small-demo": ("The same with the demo's objective.", replace(SMALL, objective="demo")),
}


@dataclass(frozen=True)
class Played:
    """Generators over time, all with the same noise: `points` (times, alphas, seeds, points, 2), ERM first."""

    real: np.ndarray
    means: np.ndarray
    points: np.ndarray
    iterations_per_second: float
    """Of all networks together, without compiling."""


def main() -> None:
    """Read the command line, play, write the results."""
    preset, job = parse("gan", __doc__ or "", PRESETS, "paper", sys.argv[1:])
    cache_compilations()
    workdir = job.workdir or Path("runs") / "gan" / (f"{preset}-smoke" if job.smoke else preset)
    run(job, workdir)
    print(f"\n{workdir}: table.json, gan.json, figures/points.png")


def run(job: Game, workdir: Path) -> Table:
    """Train on each distribution, a program for each; write the results, and return their table."""
    if job.smoke:
        job = replace(job, distributions=job.distributions[:1], seeds=2, iterations=20, batch_size=16, width=8)
    times = [time for time in SNAPSHOTS if time < job.iterations] + [job.iterations]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bars = {name: progress.add_task(name, total=job.iterations) for name in job.distributions}
        played = {name: play(job, name, times, partial(progress.update, bar)) for name, bar in bars.items()}
    speeds = ", ".join(f"{name} {each.iterations_per_second:,.1f}" for name, each in played.items())
    print(f"iterations/s, {(1 + len(job.alphas)) * job.seeds} pairs of networks together: {speeds}")
    write_json(workdir / "gan.json", content(played, times, job))
    draw(played, times, job, workdir)
    return write_table(workdir, table(played, job))


def play(job: Game, distribution: str, times: list[int], update: Callable[..., Any]) -> Played:
    """Train all networks on a distribution; keep what their generators make of the same noise at `times`."""
    generator, discriminator = (MLP(classes=outputs, width=job.width, depth=3) for outputs in (2, 1))
    how = Gan(generator, discriminator, job.objective, job.latent, job.batch_size, job.discriminator_steps)
    means = jnp.asarray(centres(distribution))
    rng_real, rng_latent = jax.random.split(jax.random.key(0))
    z = jax.random.normal(rng_latent, (POINTS, job.latent))
    seeds = jnp.tile(jnp.arange(job.seeds), 1 + len(job.alphas))
    alphas = jnp.repeat(jnp.array([0.0, *job.alphas]), job.seeds)

    def advance(state: GanState, alpha: Array, count: Array) -> GanState:
        return jax.lax.fori_loop(0, count, lambda _, state: gan_step(state, means, alpha, how), state)

    program = jax.jit(side_by_side(advance, (0, 0, None)), donate_argnums=0)
    look = jax.jit(jax.vmap(lambda params: how.generate(params, z)))
    state = jax.jit(jax.vmap(lambda seed: how.init(jax.random.key(seed))))(seeds)
    state = jax.block_until_ready(program(state, alphas, 0))  # compiles
    points, start = [], time.perf_counter()
    for count, snapshot in chunks(times):
        state = jax.block_until_ready(program(state, alphas, count))
        update(advance=count)
        if snapshot:
            points.append(np.asarray(look(state.generator.params)))
    seconds = time.perf_counter() - start
    return Played(
        real=np.asarray(draw_points(rng_real, means, POINTS)),
        means=np.asarray(means),
        points=np.stack(points).reshape(len(times), 1 + len(job.alphas), job.seeds, POINTS, 2),
        iterations_per_second=len(alphas) * times[-1] / seconds,
    )


def chunks(times: list[int]) -> Iterator[tuple[int, bool]]:
    """Cut a training into pieces of at most `CHUNK` iterations; each says whether it ends at one of `times`.

    >>> list(chunks([10, 70]))
    [(10, True), (50, False), (10, True)]
    """
    done = 0
    for end in times:
        while done < end:
            count = min(CHUNK, end - done)
            done += count
            yield count, done == end


def methods(job: Game) -> list[str]:
    """Name the rows."""
    return ["ERM", *(f"mixup, alpha = {alpha:g}" for alpha in job.alphas)]


def content(played: dict[str, Played], times: list[int], job: Game) -> dict[str, Any]:
    """Return the numbers over time: for each distribution and method lists over `times` of lists over seeds."""
    found = {}
    for name, each in played.items():
        numbers = quality(jnp.asarray(each.points), jnp.asarray(each.means))._asdict()
        found[name] = {
            method: {key: np.asarray(value)[:, i].tolist() for key, value in numbers.items()}
            for i, method in enumerate(methods(job))
        }
    speeds = {name: each.iterations_per_second for name, each in played.items()}
    return {"iterations": times, "iterations_per_second": speeds, "quality": found}


def draw(played: dict[str, Played], times: list[int], job: Game, workdir: Path) -> None:
    """Draw figure 5 of the first seed."""
    from mixup_jax.report.drawing import save_png  # matplotlib takes a second to import
    from mixup_jax.report.points import snapshots

    rows = {
        f"{name}\n{method}": (each.real, each.points[:, i, 0])
        for name, each in played.items()
        for i, method in enumerate(methods(job))
    }
    save_png(snapshots(rows, times, FRAME), workdir / "figures" / "points.png")


def table(played: dict[str, Played], job: Game) -> Table:
    """Put the end of figure 5 into numbers."""
    rows = []
    for name, each in played.items():
        numbers = quality(jnp.asarray(each.points[-1]), jnp.asarray(each.means))
        for i, method in enumerate(methods(job)):
            values = tuple(tuple(np.asarray(value)[i].tolist()) for value in numbers)
            rows.append(Row(method, values, (None,) * 3, group=f"{name}, {len(each.means)} modes"))
    return Table(
        experiment="gan",
        title=f"Figure 5: generative adversarial networks, objective of the {job.objective}",
        text=f"{POINTS:,} generated points after {job.iterations:,} iterations: modes with at least 1 % of the points "
        "within 0.1, the share of points within 0.1 of a mode, and the share inside the picture's frame. The paper "
        "shows pictures and no number.",
        mark="SYNTHETIC",
        dataset=" and ".join(f"{name} of {len(each.means)} Gaussians" for name, each in played.items()),
        model=f"MLP 3 x {job.width}, both players",
        columns=COLUMNS,
        rows=tuple(rows),
        seeds=tuple(range(job.seeds)),
        figures=(("figures/points.png", "Figure 5: real points blue, generated orange, by iteration; seed 0."),),
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
