"""The identity of a data set: enough to recognise it, and to build a network trained on it without the data."""

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

PIECE = 1 << 24
"""Bytes that a thread digests at a time."""
ENDS = 1 << 16
"""Bytes at the start and at the end of a large file that are digested in place of its content."""


@dataclass(frozen=True)
class DataIdentity:
    """The data that a run was trained and tested on, after the choice of a subset and after label noise.

    `mean` and `std` hold one number a channel, for pixels in [0, 1]; `digests` are SHA-256 of the content, and
    `left_out` among them is how many files were left out, where any were.
    """

    mark: str
    classes: tuple[str, ...]
    image_shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_count: int
    test_count: int
    streamed: bool
    """Whether the images stay on disk and are cropped when they are decoded."""
    digests: dict[str, str]


def identity_of(data: Any, digests: dict[str, str]) -> DataIdentity:
    """Return the identity of a data set, in memory or on disk."""
    names = [field.name for field in fields(DataIdentity) if field.name != "digests"]
    return DataIdentity(**{name: getattr(data, name) for name in names}, digests=digests)


def digest_array(array: np.ndarray) -> str:
    """Return the SHA-256 of an array: dtype, shape and the SHA-256 of each piece of its bytes; pieces run in threads.

    >>> zeros = np.zeros((2, 3), np.uint8)
    >>> digest_array(zeros) == digest_array(zeros.copy()), digest_array(zeros) == digest_array(zeros.T)
    (True, False)
    """
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
    sha = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    with ThreadPoolExecutor() as pool:
        for digest in pool.map(lambda piece: hashlib.sha256(piece).digest(), pieces):
            sha.update(digest)
    return sha.hexdigest()


def digest_arrays(arrays: dict[str, Any]) -> dict[str, str]:
    """Return the digests of the arrays that are not None, by name."""
    return {name: digest_array(np.asarray(array)) for name, array in arrays.items() if array is not None}


def digest_files(files: Iterable[Path], sha256: Mapping[str, str] | None = None) -> str:
    """Return the SHA-256 of the names, sizes, starts and ends of files that are too large to read at every start.

    The end of an array_record file is its index: where each record begins. A record in the middle that was replaced by
    another of the same length changes only the file's own SHA-256: `sha256` holds, by name, those that are known from
    when the files were written.
    """
    sha = hashlib.sha256()
    for path in sorted(files):
        size = path.stat().st_size
        sha.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            sha.update(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            sha.update(file.read(ENDS))
        if sha256 and path.name in sha256:
            sha.update(sha256[path.name].encode())
    return sha.hexdigest()
