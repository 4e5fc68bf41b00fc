"""Data sets by name, and what a configuration makes of them: the training set that a run sees."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mixup_jax.choices import IMAGE_SIZE, Augment, Data, NoAugment
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import data_folder
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.imagenet.source import NAME as IMAGENET
from mixup_jax.data.imagenet.source import load_imagenet
from mixup_jax.data.images.cifar import CIFAR10, CIFAR100, load_cifar
from mixup_jax.data.images.digits import load_digits
from mixup_jax.data.images.fashion_mnist import load_fashion_mnist
from mixup_jax.data.images.folder import load_folder
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.speech.chirps import load_chirps
from mixup_jax.data.speech.commands import load_speech_commands, load_words
from mixup_jax.data.speech.fsdd import load_fsdd
from mixup_jax.data.speech.recordings import Speech
from mixup_jax.runtime.errors import did_you_mean

log = logging.getLogger(__name__)
D = TypeVar("D", bound=Any)

SOURCES = {
    "digits": lambda data_dir: load_digits(),
    "fashion_mnist": load_fashion_mnist,
    "cifar10": partial(load_cifar, CIFAR10),
    "cifar100": partial(load_cifar, CIFAR100),
}
SPEECH = {
    "speech_commands": load_speech_commands,
    "fsdd": load_fsdd,
    "chirps": lambda data_dir, speech: load_chirps(speech),
}
PREFIXES = ("folder", "speech", "fsdd")
"""Kinds of data sets whose names continue after a colon."""
FOR_STREAMS = ("color_jitter", "crop", "flip", "interpolation", "repeats", "test_crop", "test_size")
"""Options of the data that streamed ones carry out."""


def load_data(data: Data, data_dir: Path | None) -> Dataset | StreamedDataset:
    """Load the data of a run and hold a validation set out; raises what `open_data` and `hold_out` raise."""
    speech = Speech(data.mix == "waveform", data.nyquist)
    pictures = Pictures(data.split, data.image_size, data.skip_bad) if data.is_folder else None
    return hold_out(open_data(data.dataset, data_dir, speech, pictures), data.validation)


def open_data(
    name: str, data_dir: str | Path | None = None, speech: Speech | None = None, pictures: Pictures | None = None
) -> Dataset | StreamedDataset:
    """Load a data set, or open one that stays on disk: imagenet, in ``imagenet/`` of `data_dir` or directly in it, or
    a folder of photographs where `pictures` has a size.
    """
    kind, _, rest = name.partition(":")
    if name == IMAGENET:
        stream = load_imagenet(data_folder(data_dir))
    elif kind == "folder" and rest and pictures and pictures.size:
        stream = load_photographs(Path(rest), pictures)
    else:
        return load(name, data_dir, speech, pictures)
    _say(stream)
    return stream


def load(
    name: str, data_dir: str | Path | None = None, speech: Speech | None = None, pictures: Pictures | None = None
) -> Dataset:
    """Load a data set by name.

    Images: digits, fashion_mnist, cifar10, cifar100, or "folder:PATH", split as `pictures` says. Speech, in the form
    that `speech` describes: speech_commands, fsdd, "fsdd:SPEAKER" (tested on this speaker), chirps, or "speech:PATH".

    `data_dir` holds a prepared TFDS data set (array_record) in ``tfds/`` or directly, or the original archive in
    ``downloads/`` or directly; missing archives are downloaded into ``downloads/``. The folder may be read-only if it
    holds the data. Default: $MIXUP_JAX_DATA, else ``mixup_jax/data`` in the user's cache folder. Decoded images are
    kept in ``mixup_jax/decoded`` of the cache folder and memory-mapped the next time.

    Raises ValueError for an unknown name or damaged data; FileNotFoundError, which says what to put where, for data
    that is missing and cannot be downloaded.

    >>> data = load("digits")
    >>> data.train_image.shape, data.train_image.dtype, data.classes[:3]
    ((1442, 8, 8, 1), dtype('uint8'), ('0', '1', '2'))
    """
    check_name(name)
    if name == IMAGENET or (pictures and pictures.size):
        raise ValueError(
            f"{name} does not fit into memory, where this experiment needs its data; choose another dataset"
        )
    folder = data_folder(data_dir)
    kind, _, rest = name.partition(":")
    if kind == "folder":
        dataset = load_folder(Path(rest), pictures)
    elif kind == "speech":
        dataset = load_words(Path(rest), speech or Speech())
    elif Data(name).is_speech:
        dataset = SPEECH[kind](folder, speech or Speech(), *([rest] if rest else []))
    else:
        dataset = SOURCES[name](folder)
    _say(dataset)
    return dataset


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


def check_padding(config: Data, name: str) -> None:
    """Raise ValueError for photographs of any size that would be padded."""
    if config.is_streamed and config.pad_crop:
        raise ValueError(f"pad_crop does not go with {name}, which is cropped from its photographs: --pad-crop 0.")


def _say(data: Dataset | StreamedDataset) -> None:
    """Log a data set in one line, and a line for each of its notes."""
    sizes = [("training", data.train_count), ("validation", data.valid_count)]
    counts = ", ".join(f"{count:,} {part}" for part, count in [*sizes, ("test", data.test_count)] if count)
    named = ", ".join(data.classes[:10]) + (", ..." if len(data.classes) > 10 else "")
    shape = " x ".join(map(str, data.image_shape))
    log.info(
        "%s: %s, %s examples of %s; %d classes: %s", *(data.name, data.mark, counts, shape, len(data.classes), named)
    )
    for note in data.notes:
        log.warning("%s: %s", data.name, note)


def check_name(name: str) -> None:
    """Raise ValueError for a name that is no data set."""
    known = [*SOURCES, *SPEECH, IMAGENET]
    kind, _, rest = name.partition(":")
    if name in known or (kind in PREFIXES and rest):
        return
    raise ValueError(
        f"dataset is {name!r}; it must be one of {', '.join(known)}, folder:PATH, speech:PATH, fsdd:SPEAKER"
        + _hint(name, known)
    )


def _hint(name: str, known: Sequence[str]) -> str:
    """Suggest what an unknown name may mean: a data set in another spelling, or a folder."""
    kind, colon, rest = name.partition(":")
    if colon and kind.lower() in PREFIXES:
        return f"; did you mean {kind.lower()}:{rest or 'PATH'}?"
    near = did_you_mean(name, known)
    if os.sep in name or name.startswith(("~", ".")) or (not near and os.path.exists(name)):
        return f"; a folder of images is folder:{name}, one of recordings speech:{name}"
    return near
