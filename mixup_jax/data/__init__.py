"""Data sets by name, decoded once and memory-mapped; augmentation and batches as pure functions."""

import difflib
import logging
from functools import partial
from pathlib import Path

from mixup_jax.data.chirps import load_chirps
from mixup_jax.data.cifar import CIFAR10, CIFAR100, load_cifar
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.digits import load_digits
from mixup_jax.data.fashion_mnist import load_fashion_mnist
from mixup_jax.data.fsdd import load_fsdd
from mixup_jax.data.image_folder import load_folder
from mixup_jax.data.imagenet import load_imagenet
from mixup_jax.data.locations import default_data_dir
from mixup_jax.data.speech import Speech
from mixup_jax.data.speech_commands import load_speech_commands, load_words
from mixup_jax.data.streamed import Streamed

log = logging.getLogger(__name__)

__all__ = [
    "SOURCES",
    "SPEECH",
    "STREAMED",
    "Dataset",
    "Speech",
    "Streamed",
    "check_name",
    "is_speech",
    "load",
    "open_data",
]

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


def open_data(name: str, data_dir: str | Path | None = None, speech: Speech | None = None) -> Dataset | Streamed:
    """Load a data set, or open one that stays on disk: imagenet, in ``imagenet/`` of `data_dir` or directly in it."""
    if name in STREAMED:
        return STREAMED[name](Path(data_dir).expanduser() if data_dir is not None else default_data_dir())
    return load(name, data_dir, speech)


def load(name: str, data_dir: str | Path | None = None, speech: Speech | None = None) -> Dataset:
    """Load a data set: digits, fashion_mnist, cifar10, cifar100, or "folder:PATH"; or speech, as `speech` says:
    speech_commands, fsdd, "fsdd:SPEAKER" (tested on that one), chirps, or "speech:PATH".

    `data_dir` is where the data is looked for: a prepared TFDS data set (array_record) in ``tfds/`` or directly in it,
    or the original archive in ``downloads/`` or directly in it; what is in neither place is downloaded into
    ``downloads/``. It may be read-only if it holds the data. Default: $MIXUP_JAX_DATA, else ``mixup_jax/data`` in the
    user's cache folder. Decoded images are kept in ``mixup_jax/decoded`` there and memory-mapped the next time.

    Raises ValueError for an unknown name or damaged data, FileNotFoundError for data that is neither there nor can be
    downloaded; the message says what to put where.

    >>> data = load("digits")
    >>> data.train_image.shape, data.train_image.dtype, data.classes[:3]
    ((1442, 8, 8, 1), dtype('uint8'), ('0', '1', '2'))
    """
    check_name(name)
    if name in STREAMED:
        raise ValueError(
            f"{name} does not fit into memory, where this experiment needs its data; choose another dataset"
        )
    folder = Path(data_dir).expanduser() if data_dir is not None else default_data_dir()
    kind, _, rest = name.partition(":")
    if kind == "folder":
        dataset = load_folder(Path(rest))
    elif kind == "speech":
        dataset = load_words(Path(rest), speech or Speech())
    elif is_speech(name):
        dataset = SPEECH[kind](folder, speech or Speech(), *([rest] if rest else []))
    else:
        dataset = SOURCES[name](folder)
    sizes = len(dataset.train_label), len(dataset.test_label)
    log.info("%s: %s, %d + %d images, %d classes", dataset.name, dataset.mark, *sizes, len(dataset.classes))
    return dataset


def check_name(name: str) -> None:
    """Raise ValueError for what is not the name of a data set."""
    known = [*SOURCES, *SPEECH, *STREAMED]
    if not name.startswith("folder:") and name not in known and not is_speech(name):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"dataset is {name!r}; it must be one of {', '.join(known)}, folder:PATH, speech:PATH, fsdd:SPEAKER{hint}"
        )


def is_speech(name: str) -> bool:
    """Return whether a data set of this name is speech.

    >>> [is_speech(name) for name in ("fsdd", "fsdd:theo", "speech:words", "cifar10", "chirps:theo")]
    [True, True, True, False, False]
    """
    return name in SPEECH or name.startswith(("speech:", "fsdd:"))
