"""What a checkpoint costs training: the time until saving returns, until it is on disk, and what training loses."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax

from benchmarks.harness.our_training import Training, images_of
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, digits, spread
from experiments.cifar import PAPER, SMALL
from experiments.quickstart import CLEAN
from mixup_jax.runtime.checkpoint import Checkpoints, open_checkpoints
from mixup_jax.training.loop import evaluation_steps

CASES = {
    "small preset, 3 seeds": (SMALL, 12),
    "PreAct ResNet-18 on CIFAR-10, batch 32": (replace(PAPER, batch_size=32), 3),
}
QUICK_CASES = {"quick start's perceptron": (CLEAN, 2)}
"""Name -> configuration, saved after each evaluation, and how many steps are timed with and without a save."""


def measure(effort: Effort) -> list[Table]:
    """Measure the states of the presets."""
    rows = []
    for name, (config, steps) in (QUICK_CASES if effort == QUICK else CASES).items():
        between, *_ = evaluation_steps(images_of(config), 1, config)
        with tempfile.TemporaryDirectory() as folder, open_checkpoints(Path(folder), keep=1) as checkpoints:
            run = Training(config, devices=1)
            costs = costs_of(run, checkpoints, between, steps, effort)
        rows.append((f"{name}, saved every {between} steps", digits(size_of(run) / 2**20), *map(spread, costs)))
    text = (
        "Saves are asynchronous: the state is copied, and written while training goes on. Lost is what a stretch of "
        "training with a save at its beginning takes longer than one without, in turns; its share is of all the steps "
        "between two saves. The noise of a stretch is in it, and may be more than the loss: then it is negative."
    )
    columns = ("", "MiB", "save returns after ms", "on disk after ms", "step, ms", "lost, ms", "share of training, %")
    return [Table("Checkpoints", columns, rows, text)]


def costs_of(run: Training, checkpoints: Checkpoints, between: int, steps: int, effort: Effort) -> list[list[float]]:
    """Train with and without a save, in turns; return the numbers of the columns."""

    def save(step: int) -> None:
        checkpoints.save(run.run.snapshot(run.carry), step, 50.0)

    def ms_since(start: float) -> float:
        return 1000 * (time.perf_counter() - start)

    returned, written, step, lost = [], [], [], []
    run(1)
    save(0)
    for index in range(effort.rounds):
        start = time.perf_counter()
        run(steps)
        plain = ms_since(start)
        start = time.perf_counter()
        save(index + 1)
        returned.append(ms_since(start))
        run(steps)
        lost.append(ms_since(start) - plain)
        checkpoints.wait()
        start = time.perf_counter()
        save(1000 + index)
        checkpoints.wait()
        written.append(ms_since(start))
        step.append(plain / steps)
    share = [100 * loss / (each * between) for loss, each in zip(lost, step, strict=True)]
    return [returned, written, step, lost, share]


def size_of(run: Training) -> int:
    """Return the bytes that a checkpoint of this run holds; keys of random numbers do not count."""
    leaves = jax.tree.leaves(run.run.snapshot(run.carry))
    return sum(leaf.nbytes for leaf in leaves if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key))
