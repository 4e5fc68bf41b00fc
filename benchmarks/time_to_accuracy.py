"""Seconds of training until a test error is reached: the small preset on Fashion-MNIST, ours and in PyTorch.

It needs the data: MIXUP_JAX_DATA, or they are downloaded before. The same network, images, batch size, schedule and
optimiser; other random numbers, so several seeds of each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import jax
import numpy as np
from rich.progress import track

from benchmarks.harness.our_training import Training
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, STDERR, Effort, import_torch, spread
from experiments.cifar import SMALL
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.sources import load, prepare
from mixup_jax.training.measurements import error_of

CONFIG = replace(SMALL, epochs=15.0, seeds=1)
QUICK_CONFIG = replace(
    CONFIG,
    data=replace(CONFIG.data, dataset="digits", train_examples=512),
    model=replace(CONFIG.model, width=4, blocks=(1,)),
    batch_size=64,
    epochs=3.0,
)
TARGET, SEEDS, OURS = 17.0, 3, "ours"
"""Test error in per cent: what the preset comes to after about two thirds of 15 epochs."""


@dataclass(frozen=True)
class Reached:
    """What one seed came to: seconds of setting up and of training, epochs, and the test error after them."""

    setup: float
    seconds: float
    epochs: int
    error: float


class Ours(Training):
    """Our training of one seed."""

    def test_error(self) -> float:
        """Return the test error in per cent."""
        return error_of(self.run.score(self.carry[0], self.run.test))[0]


def train(make: Callable[[], Any], steps: list[int], target: float) -> Reached:
    """Train epoch by epoch until the error is reached, looked at with the clock stopped."""
    start = time.perf_counter()
    trainer = make()
    jax.block_until_ready(getattr(trainer, "carry", None))
    setup, seconds, epochs, error = time.perf_counter() - start, 0.0, 0, 100.0
    for count in steps:
        start = time.perf_counter()
        trainer(count)
        seconds, epochs = seconds + time.perf_counter() - start, epochs + 1
        error = trainer.test_error()
        if error <= target:
            break
    return Reached(setup, seconds, epochs, error)


def measure(effort: Effort) -> list[Table]:
    """Train every contestant with every seed, in turns."""
    config, target, seeds = (QUICK_CONFIG, 60.0, 1) if effort == QUICK else (CONFIG, TARGET, SEEDS)
    title = "Time to accuracy: the small preset"
    try:
        data, *_ = prepare(load(config.data.dataset), config.data)
    except FileNotFoundError:
        return [Table(title, ("",), [(f"{config.data.dataset} is not here and cannot be downloaded: not measured",)])]
    assert isinstance(data, Dataset)
    marks = np.ceil(np.arange(1, config.epochs + 1) * len(data.train_label) / config.batch_size).astype(int)
    steps = np.diff(marks, prepend=0).tolist()
    makers: dict[str, Callable[[Config], Any]] = {OURS: lambda config: Ours(config, data)}
    if import_torch():
        from benchmarks.peers.torch_training import TorchTraining

        makers["PyTorch, eager"] = lambda config: TorchTraining(config, data, seed=config.seed)
    found: dict[str, list[Reached]] = {name: [] for name in makers}
    for seed in track(range(seeds), description="training", transient=True, console=STDERR):
        for name, make in makers.items():
            found[name].append(train(partial(make, replace(config, seed=seed)), steps, target))
    ours, model = median(each.seconds for each in found[OURS]), vars(config.model)
    rows = [(name, *row(reached, ours, target)) for name, reached in found.items()]
    text = (
        f"{data.name} ({data.mark}), {len(data.train_label):,} images, PreAct ResNet of width {model['width']}, "
        f"blocks {model['blocks']}, mixup (alpha 1), cosine schedule over {config.epochs:g} epochs (the preset's "
        f"has {SMALL.epochs:g}). Seconds of training until the test error, looked at after every epoch with the clock "
        f"stopped, is at most {target:g} %; who never gets there trains to the end. {seeds} seeds each, in turns. Ours "
        "sets up and compiles its training before, told beside it: later runs find the program in a cache (the table "
        "of first steps has what is left). Over ours: the ratio of the medians, as no seed has the random numbers of "
        "another's." + ("" if import_torch() else " PyTorch is not installed.")
    )
    columns = ("", "seconds", "with setting up", "over ours", "epochs", "error then, %", "got there")
    return [Table(title, columns, rows, text)]


def row(reached: list[Reached], ours: float, target: float) -> tuple[str, ...]:
    """Sum up the seeds of one contestant."""
    seconds, whole = [each.seconds for each in reached], [each.setup + each.seconds for each in reached]
    epochs, errors = [each.epochs for each in reached], [each.error for each in reached]
    there = f"{sum(error <= target for error in errors)} of {len(errors)}"
    middle = f"{median(epochs):g} ({min(epochs)}-{max(epochs)})"
    return spread(seconds), spread(whole), f"{median(seconds) / ours:.2f}", middle, spread(errors), there
