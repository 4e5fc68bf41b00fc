"""Data sets by name, decoded once and memory-mapped; augmentation and batches as pure functions."""

import difflib
import logging
from functools import partial
from pathlib import Path

from mixup_jax.data.cifar import CIFAR10, CIFAR100, load_cifar
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.digits import load_digits
from mixup_jax.data.fashion_mnist import load_fashion_mnist
from mixup_jax.data.image_folder import load_folder
from mixup_jax.data.locations import default_data_dir

log = logging.getLogger(__name__)

__all__ = ["SOURCES", "Dataset", "check_name", "load"]

SOURCES = {
    "digits": lambda data_dir: load_digits(),
    "fashion_mnist": load_fashion_mnist,
    "cifar10": partial(load_cifar, CIFAR10),
    "cifar100": partial(load_cifar, CIFAR100),
}


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """Load a data set: digits, fashion_mnist, cifar10, cifar100, or "folder:PATH".

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
    if name.startswith("folder:"):
        dataset = load_folder(Path(name.removeprefix("folder:")))
    else:
        dataset = SOURCES[name](Path(data_dir).expanduser() if data_dir is not None else default_data_dir())
    sizes = len(dataset.train_label), len(dataset.test_label)
    log.info("%s: %s, %d + %d images, %d classes", dataset.name, dataset.mark, *sizes, len(dataset.classes))
    return dataset


def check_name(name: str) -> None:
    """Raise ValueError for what is not the name of a data set."""
    if not name.startswith("folder:") and name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"dataset is {name!r}; it must be one of {', '.join(SOURCES)}, folder:PATH{hint}")
