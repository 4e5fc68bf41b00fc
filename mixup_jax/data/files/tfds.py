"""Read data sets that TFDS prepared in array_record files, without TensorFlow."""

import io
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.json_files import read_object
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

CHUNK = 1000  # examples read at once


class Split(NamedTuple):
    """The examples of a split in stored order: uint8 images, int32 labels, "id" if stored, whether any were JPEG."""

    image: np.ndarray
    label: np.ndarray
    key: list[bytes]
    jpeg: bool


def find(name: str, data_dir: Path) -> Path | None:
    """Return the folder of the newest version of a data set in ``data_dir/tfds`` or `data_dir`, or None.

    Versions in other formats than array_record are skipped with a warning.
    """
    for parent in (data_dir / "tfds" / name, data_dir / name):
        versions = [path.parent for path in parent.glob("*/dataset_info.json")]
        for folder in sorted(versions, key=_version, reverse=True):
            file_format = read_object(folder / "dataset_info.json").get("fileFormat", "tfrecord")
            if file_format == "array_record":
                return folder
            log.warning("%s is in %s format: prepare it again with file_format='array_record'", folder, file_format)
    return None


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split(".") if part.isdecimal())


def source_files(folder: Path) -> list[Path]:
    """Return the files of a prepared data set, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def decode(folder: Path, split: str, shape: tuple[int, int, int]) -> Split:
    """Decode all images of a split (height, width, channels), with a progress bar.

    Raises ValueError, which names the folder, for incomplete files and for other images.
    """
    import tensorflow_datasets as tfds  # here: it takes half a second, and a cached data set does not need it

    try:
        builder: Any = tfds.builder_from_directory(folder)
        source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        number = len(source)
        image, label = np.empty((number, *shape), np.uint8), np.empty(number, np.int32)
        key, jpeg = [], False
        starts = range(0, number, CHUNK)
        for start in progress(starts, f"decoding {folder.parent.name} {split}"):
            for i, record in enumerate(source.__getitems__(range(start, min(start + CHUNK, number))), start):
                image[i] = _pixels(record["image"], shape)
                label[i] = record["label"]
                key += [record["id"]] if "id" in record else []
                jpeg |= record["image"][:2] == b"\xff\xd8"
    except Exception as error:  # array_record raises any kind
        raise ValueError(f"{folder}: split {split} cannot be read ({reason_of(error)}); prepare it again") from error
    return Split(image, label, key, jpeg)


def _pixels(encoded: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as picture:
        pixels = np.asarray(picture)
    if pixels.dtype != np.uint8 or pixels.shape not in (shape, shape[: 2 + (shape[2] > 1)]):
        raise ValueError(f"an image is {pixels.dtype} {pixels.shape}, not uint8 {shape}")
    return pixels.reshape(shape)


def original_order(split: str, number: int) -> np.ndarray:
    """Return the indices that undo TFDS's shuffling of examples that its builder numbered 0, 1, ..., int64 (number,).

    TFDS sorts examples by a hash of their number and the name of the split.

    >>> original_order("test", 4).tolist()
    [3, 0, 2, 1]
    """
    from tensorflow_datasets.core import hashing

    hasher = hashing.Hasher(split)
    return np.argsort(np.array(sorted(range(number), key=hasher.hash_key)))
