"""Photographs with labels in array_record files, written by `experiments.prepare` and read by the training.

A record is little-endian: label (uint32), length of the name (uint16), the file's name (UTF-8), then the file itself.
Files are uncompressed and have one record a group, so that a record can be read by itself.
"""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter

from mixup_jax.data.photographs.streamed import Photograph
from mixup_jax.runtime.errors import reason_of

HEADER = struct.Struct("<IH")
OPTIONS = "group_size:1,uncompressed"


def pack(photograph: Photograph) -> bytes:
    """Return the record of a photograph.

    >>> unpack(pack(Photograph("n01440764_18.JPEG", 0, b"...")))
    Photograph(name='n01440764_18.JPEG', label=0, encoded=b'...')
    """
    name = photograph.name.encode()
    return HEADER.pack(photograph.label, len(name)) + name + photograph.encoded


def unpack(record: bytes) -> Photograph:
    """Return the photograph of a record; raises ValueError for other content."""
    if len(record) < HEADER.size:
        raise ValueError(f"a record has {len(record)} bytes: it is not one of experiments.prepare")
    label, length = HEADER.unpack_from(record)
    end = HEADER.size + length
    return Photograph(record[HEADER.size : end].decode(), label, record[end:])


def write(path: Path, photographs: Iterable[Photograph]) -> int:
    """Write a file; return the number of photographs."""
    count = 0
    writer = ArrayRecordWriter(str(path), OPTIONS)
    try:
        for photograph in photographs:
            writer.write(pack(photograph))
            count += 1
    finally:
        writer.close()
    return count


class Shards:
    """The photographs of several files by index; picklable, for other processes.

    Raises ValueError, which names the file, for a damaged file, on opening or on reading.
    """

    def __init__(self, paths: Sequence[Path]):
        self._paths = [str(path) for path in paths]
        try:
            self._source = _open(self._paths)
        except Exception as error:  # array_record raises any kind
            raise self._damaged(error) from error

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Photograph:
        try:
            return unpack(self._source[index])
        except Exception as error:
            raise self._damaged(error, index) from error

    def _damaged(self, error: Exception, index: int | None = None) -> ValueError:
        """Return an error that names the file with this photograph, or the first that cannot be opened."""
        before, path = 0, self._paths[0]
        for path in self._paths:
            try:
                before += len(_open([path]))
            except Exception:
                break
            if index is not None and index < before:
                break
        return ValueError(f"{path} is damaged ({reason_of(error)}); prepare the data again")


def _open(paths: list[str]) -> Any:
    import grain  # here: it takes half a second

    return grain.sources.ArrayRecordDataSource(paths)
