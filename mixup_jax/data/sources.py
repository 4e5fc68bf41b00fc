"""Data sets by name."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mixup_jax.choices import Data
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import data_folder
from mixup_jax.data.imagenet.source import load_imagenet
from mixup_jax.data.images.cifar import CIFAR10, CIFAR100, load_cifar
from mixup_jax.data.images.digits import load_digits
from mixup_jax.data.images.fashion_mnist import load_fashion_mnist
from mixup_jax.data.images.folder import load_folder
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.speech.chirps import load_chirps
from mixup_jax.data.speech.commands import load_speech_commands, load_words
from mixup_jax.data.speech.fsdd import load_fsdd
from mixup_jax.data.speech.recordings import Speech
from mixup_jax.runtime.errors import did_you_mean

log = logging.getLogger(__name__)

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
STREAMED = {"imagenet": load_imagenet}
PREFIXES = ("folder", "speech", "fsdd")
"""Kinds of data sets whose names continue after a colon."""


def open_data(
    name: str, data_dir: str | Path | None = None, speech: Speech | None = None, pictures: Pictures | None = None
) -> Dataset | StreamedDataset:
    """Load a data set, or open one that stays on disk: imagenet, in ``imagenet/`` of `data_dir` or directly in it, or
    a folder of photographs where `pictures` has a size.
    """
    kind, _, rest = name.partition(":")
    if name in STREAMED:
        stream = STREAMED[name](data_folder(data_dir))
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
    if name in STREAMED or (pictures and pictures.size):
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


def _say(data: Dataset | StreamedDataset) -> None:
    """Log what was understood."""
    log.info("%s: %s", data.name, _summary(data))
    for note in data.notes:
        log.warning("%s: %s", data.name, note)


def _summary(data: Dataset | StreamedDataset) -> str:
    """Describe a data set in one line."""
    sizes = [("training", data.train_count), ("validation", data.valid_count)]
    counts = ", ".join(f"{count:,} {part}" for part, count in [*sizes, ("test", data.test_count)] if count)
    named = ", ".join(data.classes[:10]) + (", ..." if len(data.classes) > 10 else "")
    shape = " x ".join(map(str, data.image_shape))
    return f"{data.mark}, {counts} examples of {shape}; {len(data.classes)} classes: {named}"


def check_name(name: str) -> None:
    """Raise ValueError for a name that is no data set."""
    known = [*SOURCES, *SPEECH, *STREAMED]
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
