"""Read NumPy's files that are not trusted: arrays of plain numbers and strings.

Headers may lie, and a small archive may unpack to more than the memory: sizes are compared with the file before
anything is allocated. Nothing is unpickled.
"""

import math
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.runtime.errors import reason_of

SMALL, RATIO = 2**30, 100
"""An archive may unpack to a GiB, or to a hundred times its own size."""
KINDS = "biufSU"
"""Allowed kinds of dtypes: booleans, numbers, strings."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an archive, by name.

    Raises FileNotFoundError, and ValueError, which names the file, for a file that is no archive of plain arrays, is
    damaged, or unpacks to more than a GiB and more than a hundred times its size.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or no file; it should be a .npz archive.")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members, size = archive.infolist(), path.stat().st_size
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise ValueError("two of its arrays have one name")
            unpacked = sum(member.file_size for member in members)
            if unpacked > max(SMALL, RATIO * size):
                raise ValueError(
                    f"its {size / 2**20:.1f} MiB unpack to {unpacked / 2**30:.1f} GiB; save maps as uint8, in parts"
                )
            return {name: _member(archive, member) for name, member in zip(names, members, strict=True)}
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise ValueError(f"{path} cannot be read as a .npz of plain arrays ({reason_of(error)}).") from error


def read_npy(path: Path) -> np.ndarray:
    """Read the array of a .npy file; raises what `read_npz` raises."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or no file; it should be a .npy array.")
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a .npy of plain numbers ({reason_of(error)}).") from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if not member.filename.endswith(".npy"):
        raise ValueError(f"{member.filename!r} in it is no .npy")
    with archive.open(member) as file:
        return _read(file, member.file_size)


def _read(file: Any, size: int) -> np.ndarray:
    """Read an array that takes `size` bytes with its header."""
    version = np.lib.format.read_magic(file)
    headers: dict[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in headers:
        raise ValueError(f"version {version} is not for plain arrays")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a header that needs guessing
        shape, fortran, dtype = headers[version](file)
    if dtype.kind not in KINDS or not dtype.itemsize:
        raise ValueError(f"it holds {dtype}, neither numbers nor strings")
    left = size - file.tell()
    if math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"its header says {dtype} {shape}, which are not the {left} bytes behind it")
    content = bytearray(file.read(left))
    return checked_text(np.ndarray(shape, dtype, content, order="F" if fortran else "C"))


def checked_text(array: np.ndarray) -> np.ndarray:
    """Return an array; raises ValueError for strings whose bytes are no characters, which str() does not accept."""
    if array.dtype.kind == "U" and array.size:
        codes = np.frombuffer(array.tobytes(), array.dtype.byteorder.replace("|", "=") + "u4")
        if codes.max() > sys.maxunicode:
            raise ValueError("it holds strings of bytes that are no characters")
    return array
