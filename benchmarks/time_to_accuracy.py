"""Seconds of training until a test error is reached: the small preset on Fashion-MNIST, ours and in PyTorch.

    python -m benchmarks.time_to_accuracy            # needs the data: MIXUP_JAX_DATA, or they are downloaded before

The same network, images, batch size, schedule and optimiser; other random numbers, so several seeds of each.
"""

import time
from dataclasses import replace
from statistics import median
from typing import Any

import jax
import numpy as np
from rich.progress import track

from benchmarks.harness.our_training import Training, gigaflop
from benchmarks.harness.page import Table, alone
from benchmarks.harness.turns import NO_TORCH, QUICK, STDERR, Effort, digits, import_torch, spread
from benchmarks.limits import beside_product, the_product
from benchmarks.training_step import LAYOUTS
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
TARGET, SEEDS = 17.0, 3
"""Test error in per cent: what the preset comes to after about two thirds of 15 epochs."""


class Ours:
    """Our training of one seed; `compiled` is how long that took."""

    def __init__(self, config: Config, data: Dataset):
        start = time.perf_counter()
        self.training = Training(config, data)
        jax.block_until_ready(self.training.carry)
        self.compiled = time.perf_counter() - start

    def __call__(self, count: int) -> None:
        """Take that many steps."""
        self.training(count)

    def test_error(self) -> float:
        """Return the test error in per cent."""
        run = self.training.run
        return error_of(run.score(self.training.carry[0], run.test))[0]


def dataset(config: Config) -> Dataset | None:
    """Return the data, None where they are absent."""
    try:
        return prepare(load(config.data.dataset), config.data)[0]
    except FileNotFoundError:
        return None


def epochs_to(trainer: Any, steps: list[int], target: float) -> tuple[list[float], list[float]]:
    """Train epoch by epoch until the error is reached; return the seconds of each epoch and the error after it."""
    seconds, errors = [], []
    for count in steps:
        start = time.perf_counter()
        trainer(count)
        seconds.append(time.perf_counter() - start)
        errors.append(trainer.test_error())
        if errors[-1] <= target:
            break
    return seconds, errors


def measure(effort: Effort) -> list[Table]:
    """Train every contestant with every seed, in turns."""
    config, target = (QUICK_CONFIG, 60.0) if effort == QUICK else (CONFIG, TARGET)
    data, title = dataset(config), "Time to accuracy: the small preset"
    if data is None:
        return [Table(title, ("",), [("Fashion-MNIST is not here and cannot be downloaded: not measured",)])]
    marks = np.ceil(np.arange(1, config.epochs + 1) * len(data.train_label) / config.batch_size).astype(int)
    steps = np.diff(marks, prepend=0).tolist()
    torch, runs, limit = import_torch(), {}, median(beside_product({}, effort)[1])
    work = gigaflop(config)
    for seed in track(range(1 if effort == QUICK else SEEDS), description="training", transient=True, console=STDERR):
        makers: dict[str, Any] = {"ours": lambda seed=seed: Ours(replace(config, seed=seed), data)}
        if torch:
            from benchmarks.peers.torch_training import TorchTraining

            for name, last in LAYOUTS.items():
                makers[name] = lambda seed=seed, last=last: TorchTraining(config, data, channels_last=last, seed=seed)
        for name, make in makers.items():
            trainer = make()
            seconds, errors = epochs_to(trainer, steps, target)
            share = 100 * work * sum(steps[: len(seconds)]) / sum(seconds) / limit
            result = sum(seconds), len(seconds), errors[-1], getattr(trainer, "compiled", 0), share
            runs.setdefault(name, []).append(result)
    text = (
        f"{' '.join([*(sentence(name, runs[name], target) for name in runs), ''])}"
        f"{data.name} ({data.mark}), {len(data.train_label):,} images, PreAct ResNet of width {config.model.width}, "
        f"blocks {config.model.blocks}, mixup (alpha 1), cosine schedule over {config.epochs:g} epochs (the preset's "
        f"has {SMALL.epochs:g}). Seconds of training until the test error, looked at after every epoch with the clock "
        f"stopped, is at most {target:g} %; who never gets there trains to the end. {len(runs['ours'])} seeds each, "
        "in turns; the first step is in it. PyTorch is eager; ours sets up and compiles its training before, told "
        "beside it: later runs find the program in a cache (the table of first steps has what is left). Over ours: "
        "the ratio of the medians, as no seed has the random numbers of another's. "
        f"The limit is {the_product(effort)} by XLA, just before." + ("" if torch else f" {NO_TORCH}")
    )
    columns = ("", "seconds", "with compiling", "over ours", "epochs", "error then, %", "got there", "% of the limit")
    return [Table(title, columns, [row(name, runs, target) for name in runs], text)]


def row(name: str, runs: dict[str, list], target: float) -> tuple[str, ...]:
    """Sum up the seeds of one contestant; the ratio is of medians, as no seed has the random numbers of another's."""
    seconds, epochs, errors, compiled, shares = zip(*runs[name], strict=True)
    ratio = median(seconds) / median([each[0] for each in runs["ours"]])
    there = f"{sum(error <= target for error in errors)} of {len(errors)}"
    with_compiling = spread([a + b for a, b in zip(seconds, compiled, strict=True)]) if compiled[0] else ""
    middle = f"{median(epochs):g} ({min(epochs)}-{max(epochs)})"
    return name, spread(seconds), with_compiling, f"{ratio:.2f}", middle, spread(errors), there, spread(shares)


def sentence(name: str, results: list, target: float) -> str:
    """Say how long one contestant took, and with how many seeds it got there."""
    seconds, there = f"{digits(median([each[0] for each in results]))} s", sum(each[2] <= target for each in results)
    if results[0][3]:
        seconds += f", {digits(median([each[0] + each[3] for each in results]))} with compiling"
    return f"{name[0].upper()}{name[1:]}: {seconds}, {there} of {len(results)} seeds at {target:g} % or less."


if __name__ == "__main__":
    alone(measure)
