"""What a checkpoint costs training: the time until saving returns, until it is on disk, and what training loses.

python -m benchmarks.checkpoints
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import jax

from benchmarks.harness.our_training import Training, images_of, training
from benchmarks.harness.page import Table, alone
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
    rows, sentences = [], []
    for name, (config, steps) in (QUICK_CASES if effort == QUICK else CASES).items():
        between, *_ = evaluation_steps(images_of(config), 1, config)
        title = f"{name}, saved every {between} steps"
        with tempfile.TemporaryDirectory() as folder, open_checkpoints(Path(folder), keep=1) as checkpoints:
            run = training(config, devices=1)
            plain = spread([1000 * plain_write(size_of(run), Path(folder)) for _ in range(effort.rounds)])
            costs = costs_of(run, checkpoints, between, steps, effort)
            rows.append((title, digits(size_of(run) / 2**20), *map(spread, costs), plain))
            each, share = median([a / b for a, b in zip(costs[3], costs[2], strict=True)]), median(costs[4])
            sentences.append(f"{title}: a save costs {digits(each)} steps, {digits(share)} % of training.")
    text = (
        f"{' '.join(sentences)} "
        "Saves are asynchronous: the state is copied, and written while training goes on. Lost is what a stretch of "
        "training with a save at its beginning takes longer than one without, in turns; its share is of all the steps "
        "between two saves. The noise of a stretch is in it, and may be more than the loss: then it is negative. The "
        "limit is measured just before."
    )
    columns = (
        *("", "MiB", "save returns after ms", "on disk after ms", "step, ms", "lost, ms", "share of training, %"),
        "the limit: as many bytes written and synced, ms",
    )
    return [Table("Checkpoints", columns, rows, text)]


def costs_of(run: Training, checkpoints: Checkpoints, between: int, steps: int, effort: Effort) -> list[list[float]]:
    """Train with and without a save, in turns; return the numbers of the columns."""
    returned, written, step, lost = [], [], [], []
    run(1)
    save(run, checkpoints, 0)
    for index in range(effort.rounds):
        start = time.perf_counter()
        run(steps)
        plain = time.perf_counter() - start
        start = time.perf_counter()
        save(run, checkpoints, index + 1)
        returned.append(1000 * (time.perf_counter() - start))
        run(steps)
        lost.append(1000 * (time.perf_counter() - start - plain))
        checkpoints.wait()
        written.append(1000 * alone_on_disk(run, checkpoints, 1000 + index))
        step.append(1000 * plain / steps)
    share = [100 * loss / (each * between) for loss, each in zip(lost, step, strict=True)]
    return [returned, written, step, lost, share]


def size_of(run: Training) -> int:
    """Return the bytes that a checkpoint of this run holds; keys of random numbers do not count."""
    leaves = [
        leaf for leaf in jax.tree.leaves(carry(run)) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
    return sum(leaf.nbytes for leaf in leaves)


def plain_write(size: int, folder: Path) -> float:
    """Return the seconds in which a file of that size is on disk: no save can take less."""
    content, path = bytes(size), folder / "plain"
    start = time.perf_counter()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


def carry(run: Training) -> Any:
    """Return what a checkpoint of this run holds."""
    return run.run.snapshot(run.carry)


def save(run: Training, checkpoints: Checkpoints, step: int) -> None:
    """Begin to save, as the loop does after an evaluation."""
    checkpoints.save(carry(run), step, 50.0)


def alone_on_disk(run: Training, checkpoints: Checkpoints, step: int) -> float:
    """Return the seconds of a save that is waited for."""
    start = time.perf_counter()
    save(run, checkpoints, step)
    checkpoints.wait()
    return time.perf_counter() - start


if __name__ == "__main__":
    alone(measure)
