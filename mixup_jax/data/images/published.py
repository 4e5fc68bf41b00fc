"""Published data sets of small images: from the original files, or from a copy that TFDS prepared."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import archives, tfds
from mixup_jax.data.files.archives import Archive
from mixup_jax.data.files.decoded import cached

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishedImages:
    """A published data set: its constants, its files and how they are read.

    `read` checks the files and returns the training images, uint8 (n, height, width, channels), the training labels,
    int32 (n,), and both of the test set. `order` takes a split as TFDS stored it, and its name, and returns the indices
    that bring it into the order of the files, or None where the split is not recognised.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: tuple[Archive, ...]
    read: Callable[[list[Path]], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    order: Callable[[tfds.Split, str], np.ndarray | None]
    own: tuple[Path, ...] = ()
    """Further folders in which the files may be."""


def load_published(data: PublishedImages, data_dir: Path) -> Dataset:
    """Load from a prepared TFDS data set in `data_dir`, else from the files, which are downloaded if need be.

    The mark is LOSSY where the prepared images are JPEG.
    """
    if folder := tfds.find(data.name, data_dir):
        return cached(data.name, folder, tfds.source_files(folder), partial(_from_tfds, data, folder))
    paths = archives.fetch(data.name, data.files, data_dir, own=data.own)
    source = paths[0] if len(paths) == 1 else paths[0].parent
    return cached(data.name, source, paths, partial(_from_files, data, source, paths))


def _from_files(data: PublishedImages, source: Path, paths: list[Path]) -> Dataset:
    arrays = data.read(paths)
    log.info("%s: read %s", data.name, source)
    try:
        return Dataset(data.name, "REAL", data.classes, *arrays, mean=data.mean, std=data.std)
    except ValueError as error:  # it knows the name, not the file
        raise ValueError(f"{source}: {error}") from None


def _from_tfds(data: PublishedImages, folder: Path) -> Dataset:
    arrays, lossy = [], False
    for name in ("train", "test"):
        split = tfds.decode(folder, name, data.shape)
        order = data.order(split, name)
        if order is None:
            log.warning("%s: %s of %s is not the published images; kept as stored", data.name, name, folder)
        arrays += [array if order is None else array[order] for array in (split.image, split.label)]
        lossy |= split.jpeg
    log.info("%s: decoded %s; the images are %s", data.name, folder, "JPEG" if lossy else "lossless")
    return Dataset(data.name, "LOSSY" if lossy else "REAL", data.classes, *arrays, mean=data.mean, std=data.std)
