"""Cache decoded data sets in files that are memory-mapped, and rebuilt when they do not fit their source.

A file is a line of JSON (fields, arrays, and the state of the source files), then the raw arrays.
"""

import hashlib
import json
import logging
import math
import re
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import decoded_dir
from mixup_jax.runtime.atomic import replacing
from mixup_jax.runtime.json_files import parse_json

log = logging.getLogger(__name__)

FORMAT = 4  # raise it when the decoding or the file's layout changes
ARRAYS = ("train_image", "train_label", "test_image", "test_label", "valid_image", "valid_label")


def cached(
    name: str,
    source: Path,
    files: Sequence[Path],
    decode: Callable[[], Dataset],
    variant: str = "",
    digest: str = "",
) -> Dataset:
    """Return ``decode()``, from the cache if `files` of the folder `source` are unchanged since it was written.

    Unchanged files have the same names, sizes and times of modification and of change: recordings of a second have one
    size, and often one time of modification, so that two of them may change places. A damaged cache file is rebuilt. If
    the cache folder cannot be written, the data set is decoded every time. `variant` names one of several ways of
    decoding, `digest` is of the content of the files where it is known.
    """
    identity = hashlib.sha256(f"{source.resolve()}{variant}".encode()).hexdigest()[:12]
    path = decoded_dir() / f"{name.split(':')[0]}-{identity}.arrays"
    found = [(file, file.stat()) for file in files]
    state = [[str(file), each.st_size, each.st_mtime_ns, each.st_ctime_ns] for file, each in found]
    signature = hashlib.sha256(json.dumps([FORMAT, name, state, *[digest] * bool(digest)]).encode()).hexdigest()
    try:
        if kept := _read(path, signature):
            return kept
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: decoding again, for %s is damaged (%s)", name, path, error)
    dataset = decode()
    try:
        _write(path, signature, dataset)
        return _read(path, signature) or dataset  # mapped: the decoded arrays can be freed
    except (OSError, ValueError) as error:
        log.warning("%s: decoded images are not kept: %s cannot be written (%s)", name, path, error)
        return dataset


def _write(path: Path, signature: str, dataset: Dataset) -> None:
    present = {field: getattr(dataset, field) for field in ARRAYS}
    arrays = {field: np.ascontiguousarray(array) for field, array in present.items() if array is not None}
    header = {
        "signature": signature,
        "arrays": [[field, array.dtype.str, array.shape] for field, array in arrays.items()],
        "fields": {key: getattr(dataset, key) for key in ("name", "mark", "classes", "mean", "std", "notes")},
    }
    checksum = zlib.crc32(json.dumps(header).encode())
    for array in arrays.values():
        checksum = zlib.crc32(array.data, checksum)
    header["checksum"] = checksum
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 1) % 64) + b"\n"  # the arrays begin aligned
    with replacing(path) as part, part.open("wb") as file:
        _remove_abandoned(path.parent)
        file.write(text)
        for array in arrays.values():
            file.write(array.data)


def _remove_abandoned(folder: Path) -> None:
    """Delete the temporary files of killed processes: those that have not been written to for an hour."""
    for file in folder.glob("*.part"):
        try:
            if file.stat().st_mtime < time.time() - 3600:
                file.unlink()
        except OSError:  # another process deleted it first
            pass


def _numbers(name: str) -> np.dtype:
    """Return a dtype of numbers; NumPy warns of some damaged names and takes others for text."""
    if not re.fullmatch("[|<][buif][1248]", name):
        raise ValueError(f"{name[:20]!r} is no dtype of numbers")
    return np.dtype(name)


def _read(path: Path, signature: str) -> Dataset | None:
    """Map the file; None if it was made from other sources, ValueError, KeyError or TypeError if it is damaged."""
    with path.open("rb") as file:
        header = parse_json(file.readline(1 << 20).decode())
        start = file.tell()
    if header["signature"] != signature:
        return None
    layout = [(field, _numbers(dtype), tuple(shape)) for field, dtype, shape in header["arrays"]]
    sizes = [dtype.itemsize * math.prod(shape) for _, dtype, shape in layout]
    if path.stat().st_size != start + sum(sizes):
        raise ValueError(f"it has {path.stat().st_size} bytes instead of {start + sum(sizes)}")
    content = np.asarray(np.memmap(path, np.uint8, "r", offset=start))
    checksum = header.pop("checksum")
    if zlib.crc32(content.data, zlib.crc32(json.dumps(header).encode())) != checksum:
        raise ValueError("its checksum is wrong")
    arrays = {}
    for (field, dtype, shape), size in zip(layout, sizes, strict=True):
        arrays[field] = content[:size].view(dtype).reshape(shape)
        content = content[size:]
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in header["fields"].items()}
    return Dataset(**fields, **arrays)
