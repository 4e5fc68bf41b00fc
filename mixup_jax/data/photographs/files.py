"""Photographs of any size and format in folders, streamed from disk as ImageNet is."""

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import pixel_counts, statistics_of
from mixup_jax.data.files.archives import decoded_dir
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.layouts import Pictures, find_pictures
from mixup_jax.data.images.picture_files import decode_picture, open_picture, orientation_of
from mixup_jax.data.photographs import jpeg
from mixup_jax.data.photographs.checked import State, check_pictures
from mixup_jax.data.photographs.crops import Interpolation
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset, cores
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.json_files import read_object

log = logging.getLogger(__name__)

SAMPLE = 2000
"""Training photographs over which mean and standard deviation are computed."""
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class PictureFiles:
    """The files of a part by number; picklable, for other processes.

    Raises ValueError, which names it, for a file that was changed since it was checked.
    """

    def __init__(self, root: Path, pictures: Iterable[tuple[str, int]], states: dict[str, State]):
        self._root, self._pictures = str(root), [(name, label, states[name]) for name, label in pictures]

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def labels(self) -> np.ndarray:
        """Return the class ids, int32."""
        return np.array([label for _, label, _ in self._pictures], np.int32)

    def __getitem__(self, index: int) -> Photograph:
        name, label, state = self._pictures[index]
        path = os.path.join(self._root, name)
        try:
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_size, found.st_mtime_ns) != state[:2]:  # rights and links may change
                    raise ValueError(f"{path} was changed while it was used; start again")
                return Photograph(name, label, file.read())
        except OSError as error:
            raise ValueError(f"{path} cannot be read any more ({reason_of(error)}); start again") from error


def load_photographs(path: Path, pictures: Pictures) -> StreamedDataset:
    """Open the photographs under `path`, all of which are checked before: decoded once, in threads.

    Mean and standard deviation are those of the first `SAMPLE` training photographs of the data set's fixed order, as
    they are when they are tested on. Raises what `find_pictures` and `check_pictures` raise.
    """
    size = pictures.size or 224
    checked = check_pictures(find_pictures(path, pictures.split), skip_bad=pictures.skip_bad)
    listing = checked.listing
    parts = {name: PictureFiles(listing.root, each, checked.states) for name, each in listing.parts.items()}
    data = StreamedDataset(
        f"folder:{listing.source}",
        "REAL",
        listing.classes,
        parts["train"],
        parts["test"],
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        size=size,
        digest=checked.digest(),
        valid=parts.get("valid"),
        left_out=f"{checked.skipped} files" if checked.skipped else "",
        decode=decode_part,
        measured=True,
        notes=(*checked.notes(), *checked.conversions()),
    )
    mean, std = photograph_statistics(data)
    return dataclasses.replace(data, mean=mean, std=std)


def decode_part(encoded: bytes, choose: jpeg.Choose, size: int, interpolation: Interpolation = "linear") -> np.ndarray:
    """Decode a part of a picture of any format, upright and without transparency, to uint8 RGB (size, size, 3).

    A JPEG is decoded in part, by `jpeg.decode_part`; others are decoded as a whole, as `read_picture` does.
    Raises ValueError for a picture that cannot be read.
    """
    try:
        if jpeg.is_jpeg(encoded):
            with open_picture(encoded) as picture:
                orientation = orientation_of(picture)
            return jpeg.decode_part(encoded, choose, size, interpolation, orientation)
        pixels = decode_picture(encoded, Tally(), "")
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ValueError(reason_of(error)) from error
    coloured = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))  # of grey, three equal channels
    return jpeg.cut_part(coloured, choose, size, interpolation)


def photograph_statistics(data: StreamedDataset, held_out: int = 0) -> Statistics:
    """Return mean and standard deviation of each channel, from the cache folder if they were computed before.

    Of the training photographs so many were `held_out` by `held_out.hold_out`.
    """
    parts = [data.digest, data.size, SAMPLE, data.test_crop, *[held_out] * (held_out > 0)]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    path = decoded_dir() / f"statistics-{key[:16]}.json"
    try:
        kept = read_object(path, key=str, mean=list, std=list)
        if kept["key"] == key and all(type(each) is float for each in (*kept["mean"], *kept["std"])):
            return tuple(kept["mean"]), tuple(kept["std"])
    except (FileNotFoundError, ValueError):
        pass
    with ThreadPoolExecutor(cores()) as pool:
        sample = range(min(SAMPLE, len(data.train)))
        counts = pool.map(lambda index: pixel_counts(data.clean_example(index)["image"][None]), sample)
        mean, std = statistics_of(sum(counts, start=np.zeros((3, 256), np.int64)))
    try:
        write_json(path, {"key": key, "mean": mean, "std": std})
    except OSError as error:
        log.warning("mean and deviation are not kept: %s cannot be written (%s)", path, error)
    return mean, std
