"""Figure 5: a generative adversarial network on toy points, ERM against mixup in the discriminator's task.

Paper: pictures, no number. ERM's generator leaves the frame within 1,000 iterations, mixup's (alpha = 0.2) stays and
hits most modes by 10,000 to 20,000; three hidden layers of 512 ReLU each, 5 steps of the discriminator before each of
the generator, 128 points a step, 20,000 iterations. The first author's demo has another objective, and alpha in 0.1,
0.2, 0.5, 1. The full presets are for an accelerator; `small` is for two CPU cores.

    python -m experiments.gan             # the paper's objective, alpha 0.2
    python -m experiments.gan demo        # the demo's, four alphas
    python -m experiments.gan small       # 128 units, 64 points, minutes on two CPU cores

The same command goes on where it was interrupted.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.commands.paper_table import write_table
from experiments.commands.settings import run_settings
from experiments.gan.modes import FRAME, quality
from experiments.gan.train import NAME, POINTS, GanConfig, GanRun, claimed_by, train_gan
from mixup_jax.report.tables import Row, Table
from mixup_jax.runtime.atomic import write_json

SNAPSHOTS = (10, 100, 1000, 10_000, 20_000)
COLUMNS = ("modes covered", "of high quality, %", "inside the frame, %")

SMALL = GanConfig(width=128, batch_size=64, iterations=1000)
DEMO = GanConfig(objective="demo", alphas=(0.1, 0.2, 0.5, 1.0))
PRESETS = {
    "paper": ("The paper's objective, alpha 0.2.", GanConfig()),
    "demo": ("The first author's demo: its objective and alphas.", DEMO),
    "small": ("128 units, 64 points, 1,000 iterations: for two CPU cores.", SMALL),
    "small-demo": ("The same with the demo's objective.", replace(SMALL, objective="demo")),
}


def run(job: GanConfig, workdir: Path) -> Table:
    """Train on each distribution, a program for each, or go on with it; write the results, and return their table.

    Raises what `train_gan` raises, and ValueError for a folder that holds a run of other settings.
    """
    if job.smoke:
        job = replace(job, distributions=job.distributions[:1], seeds=2, iterations=20, batch_size=16, width=8)
    times = [time for time in SNAPSHOTS if time < job.iterations] + [job.iterations]
    with claimed_by(job, workdir) as first:
        played = {name: train_gan(job, name, times, workdir / "checkpoints" / name) for name in job.distributions}
        speeds = ", ".join(f"{name} {each.iterations_per_second:,.1f}" for name, each in played.items())
        print(f"iterations/s, {(1 + len(job.alphas)) * job.seeds} pairs of networks together: {speeds}")
        write_json(workdir / NAME, first | content(played, times, job))
        draw(played, times, job, workdir)
        return write_table(workdir, table(played, job))


def methods(job: GanConfig) -> list[str]:
    """Name the rows."""
    return ["ERM", *(f"mixup, alpha = {alpha:g}" for alpha in job.alphas)]


def content(played: dict[str, GanRun], times: list[int], job: GanConfig) -> dict[str, Any]:
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


def draw(played: dict[str, GanRun], times: list[int], job: GanConfig, workdir: Path) -> None:
    """Draw figure 5 of the first seed."""
    from experiments.gan.plot import snapshots
    from mixup_jax.report.plots.drawing import save_png

    rows = {
        f"{name}\n{method}": (each.real, each.points[:, i, 0])
        for name, each in played.items()
        for i, method in enumerate(methods(job))
    }
    save_png(snapshots(rows, times, FRAME), workdir / "figures" / "points.png")


def table(played: dict[str, GanRun], job: GanConfig) -> Table:
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
        seeds=tuple(range(job.seed, job.seed + job.seeds)),
        figures=(("figures/points.png", "Figure 5: real points blue, generated orange, by iteration; first seed."),),
    )


if __name__ == "__main__":
    leaves = "table.json, gan.json, figures/points.png"
    run_settings("gan", __doc__ or "", PRESETS, run, default="paper", leaves=leaves)
