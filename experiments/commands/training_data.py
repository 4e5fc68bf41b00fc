"""The data of a run: loaded, and made what its configuration says."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from experiments.commands.early_checks import check_padding
from mixup_jax.choices import GROUP, IMAGE_SIZE, Augment, Data, Mixed, NoAugment
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.sources import open_data
from mixup_jax.data.speech.recordings import Speech
from mixup_jax.runtime.mesh import is_writer

D = TypeVar("D", bound=Any)
DEVICES = 8
"""A batch that is made smaller can be split over as many devices, where it is not smaller than that."""
FOR_STREAMS = ("color_jitter", "crop", "flip", "interpolation", "repeats", "test_crop", "test_size")
"""Options of the data that streamed ones carry out."""


def load_data(config: Config, data_dir: Path | None) -> Dataset | StreamedDataset:
    """Load the data of a run and hold a validation set out; raises what `open_data` and `hold_out` raise."""
    data = config.data
    speech = Speech(data.mix == "waveform", data.nyquist)
    pictures = Pictures(data.split, data.image_size, data.skip_bad) if data.is_folder else None
    return hold_out(open_data(data.dataset, data_dir, speech, pictures), data.validation)


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


def prepare(data: D, config: Data, augment: Augment = NoAugment()) -> tuple[D, float]:  # noqa: B008
    """Keep a subset or the first of the training examples and corrupt labels, as the configuration says.

    Subsets are consecutive runs of the training set, of streamed photographs of their fixed order. Streamed ones are
    also told how they are cut and augmented. Returns also the share of the labels that are wrong now: less than was
    drawn at random, as a draw may be the truth.
    Raises ValueError for more parts or images than there are, and for options that do not go with the data.
    """
    found: Any = data
    part = subset_of(config, data)
    if config.train_examples is not None:
        if not 1 <= config.train_examples <= len(part):
            raise ValueError(
                f"train_examples must be between 1 and {len(part)}, got {config.train_examples}; "
                "--train-examples None takes all."
            )
        part = part[: config.train_examples]
    if isinstance(data, StreamedDataset):
        check_padding(config, data.name)
        options = {name: getattr(config, name) for name in FOR_STREAMS}
        size, chosen = config.image_size or IMAGE_SIZE, {"train_start": part.start, "train_count": len(part)}
        found = replace(data, size=size, augment=augment, **chosen, **options)
        if not config.label_noise:  # the labels may be in files that nobody needs to read now
            return found, 0.0
        label = found.labels_of_files()
    else:
        label = np.asarray(data.train_label[part.start : part.stop])
        found = replace(found, train_image=data.train_image[part.start : part.stop], train_label=label)
    given, mask = corrupt_labels(label, config.label_noise, len(data.classes))
    found = replace(found, train_label=given, corrupted=mask if config.label_noise else None)
    return found, float(np.mean(given != label))


def subset_of(config: Data, data: Dataset | StreamedDataset) -> range:
    """Return which of the training examples are those of --train-subset: all without one.

    Raises ValueError for more parts than there are examples.
    """
    index, parts = config.train_subset or (0, 1)
    count = data.train_count
    if parts > count:
        raise ValueError(f"train_subset asks for {parts} parts; {data.name} has {count} training images.")
    return range(index * count // parts, (index + 1) * count // parts)


def say(line: str) -> None:
    """Print a line, once for all processes."""
    if is_writer():
        print(line)
