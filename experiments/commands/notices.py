"""What a run says of its data, weights and devices; and its configuration, made to fit the data."""

import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from mixup_jax.choices import GROUP, BigVisionRandAugment, Mixed
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.photographs.streamed import StreamedDataset, labels_of
from mixup_jax.data.sources import subset_of
from mixup_jax.mixing import PARTNERS
from mixup_jax.runtime.console import Fitted, console
from mixup_jax.runtime.devices.distributed import no_gpus
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.speed import in_words
from mixup_jax.weights.initial import InitialWeights

DEVICES = 8
"""A batch that is made smaller can be split over as many devices, where it is not smaller than that."""
BLOCK = 32
"""Images of a block that is recommended, where a device holds whole ones."""
FEW_STEPS = 500
"""As many as fine-tuning takes: from random weights it is hardly less."""


def say(line: str) -> None:
    """Print a line, once for all processes."""
    if is_writer():
        print(line)


def fit_to(config: Config, data: Dataset | StreamedDataset) -> Config:
    """Let a run that asks for more images than there are take all, and a batch hold no more than them; say so."""
    asked, there = config.data.train_examples, len(subset_of(config.data, data))
    if asked is not None and asked > there:
        say(f"{data.name}: {there:,} training images, fewer than --train-examples {asked:,}: all are taken")
        config = replace(config, data=replace(config.data, train_examples=None))
    elif asked is not None and asked < there and config.data.is_folder:
        say(f"{data.name}: {asked:,} of {there:,} training images are taken; --train-examples None takes all")
    count = min(asked or there, there)
    together = _together(config)
    sizes = [count - count % multiple for multiple in (math.lcm(together, DEVICES), together)]
    largest = sizes[0] or sizes[1]
    if config.batch_size > count and largest:
        say(f"{data.name}: {count:,} training images, fewer than a batch of {config.batch_size}: batches of {largest}")
        config = replace(config, batch_size=largest)
    if isinstance(data, StreamedDataset) and config.seeds > 1:
        say(f"{data.name}: {config.seeds} seeds, each with crops of its own: photographs are decoded for each")
    return config


def _together(config: Config) -> int:
    """Return what must divide a batch."""
    mixing, repeats = config.mixing, 1 if config.data.is_streamed else config.data.repeats
    group = (mixing.group or GROUP) if isinstance(mixing, Mixed) and mixing.partner == "optimal" else 1
    rounds = config.accumulate * (config.norm_block or 1)
    return math.lcm(rounds, getattr(mixing, "block", None) or 1, repeats, group)


def show_weights(weights: InitialWeights, data: Dataset | StreamedDataset) -> None:
    """Print, once for all processes, what becomes of the weights that a run starts from."""
    if not is_writer():
        return
    table = Table(show_header=False, title="initial weights", title_justify="left")
    unknown = "" if weights.mean else ", the file does not say which it is used to: see --normalize"
    numbers = "; ".join(" ".join(f"{each:.3f}" for each in values) for values in (data.mean, data.std))
    for row in (*weights.rows, ("normalised", f"mean and deviation {numbers}{unknown}")):
        table.add_row(*row)
    console().print(Fitted(table))


def say_speed(result: dict[str, Any]) -> None:
    """Print what the run tells of its speed, in a line."""
    if line := in_words(result.get("speed", {})):
        say(line)


def say_no_better(result: dict[str, Any], data: Dataset | StreamedDataset) -> None:
    """Say where no network errs less on the test set than naming its most frequent class for every image does."""
    label = data.test_label if isinstance(data, Dataset) else getattr(data.test, "labels", None)
    if label is None or not is_writer():  # other processes have no errors in their result
        return
    [(name, count)] = Counter(label.tolist()).most_common(1)
    without = 100 * (1 - count / len(label))
    if min(result["test_error"]["last"]) >= without - 1e-3:
        named = f"naming {data.classes[name]} for every one errs in {without:.2f} %"
        say(f"{data.name}: nothing was learned that shows on the {len(label):,} test examples: {named}")


def warn_of_few_steps(config: Config, examples: int) -> None:
    """Say where a training on a user's own images, from random weights, is over after a few steps."""
    steps = max(1, round(config.epochs * examples / config.batch_size))
    if config.data.is_folder and config.init is None and steps < FEW_STEPS:
        many = f"{config.epochs:g} epochs of {examples:,} images are {steps:,} steps of {config.batch_size}"
        say(f"{many}: few from random weights; a smaller --batch-size or more --epochs make more, or start from --init")


def warn_of_finished(workdir: Path, launch: Launch, finished: bool) -> None:
    """Say of a run that is finished that nothing is trained, and which options do nothing for it."""
    names = [name for name, asked in (("--profile", launch.profile), ("--track", launch.trackers)) if asked]
    if finished:
        left = f", no step is left for {' and '.join(names)}" if names else ""
        say(f"{workdir} was finished before, nothing is trained{left}: give another --workdir to train anew")


def warn_of_shifts(config: Config, shape: tuple[int, ...]) -> None:
    """Say where big_vision's RandAugment, whose shifts are pixels of images of 224, leaves nothing of an image."""
    shift = 10 * getattr(config.augment, "magnitude", 0)
    if isinstance(config.augment, BigVisionRandAugment) and shift >= min(shape[:2]):
        size = f"{shape[0]} x {shape[1]}"
        say(f"big_vision_randaugment shifts by {shift:g} pixels: nothing is left of some images of {size}")


def warn_of_classes(data: Dataset | StreamedDataset) -> None:
    """Say of which classes a set has no image, where labels are known without reading every file."""
    if isinstance(data, Dataset):
        parts = {"training": data.train_label, "validation": data.valid_label, "test": data.test_label}
    elif data.measured:  # a folder's photographs
        own = data.labels_of_files() if data.train_label is None else data.train_label
        parts = {"training": own, "validation": data.valid and labels_of(data.valid), "test": labels_of(data.test)}
    else:
        return
    for part, label in parts.items():
        lacking = [] if label is None else sorted({*range(len(data.classes))} - {*np.unique(label).tolist()})
        if lacking:
            named = ", ".join(data.classes[each] for each in lacking[:10]) + ", ..." * (len(lacking) > 10)
            say(f"{data.name}: no {part} image of {len(lacking)} of {len(data.classes)} classes: {named}")


def warn_of_devices(config: Config, platform: str, devices: int) -> None:
    """Say where images cross devices at each step, where a precision changes nothing, and where GPUs are not found."""
    if word := no_gpus(os.environ, platform):
        say(word)
    if platform == "cpu" and config.matmul_precision != "default":
        say(f"matmul_precision {config.matmul_precision}: on a CPU products are float32 whatever it says")
    share = devices // math.gcd(len(config.runs), devices)  # of the mesh, to the batch
    mixing, rows = config.mixing, config.batch_size // share
    if share == 1 or not isinstance(mixing, Mixed) or mixing.among_neighbours:
        return
    if mixing.block is not None and rows % mixing.block == 0:
        return
    whole = f"{'runs' if mixing.block else 'the whole batch'} of {mixing.block or config.batch_size:,}"
    block = BLOCK if rows % BLOCK == 0 else rows
    advice = f"; --block {block} keeps them local (another recipe: partners and results change)"
    kept = block > 1 and mixing.partner in PARTNERS
    say(f"partners come from {whole}: images cross devices at each step{advice if kept else ''}")
