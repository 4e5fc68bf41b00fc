"""Read the two original archives of ImageNet-2012 without unpacking them and without trusting their content.

ILSVRC2012_img_train.tar holds a tar for each class, n01440764.tar and so on, with n01440764_18.JPEG and so on in it;
ILSVRC2012_img_val.tar holds ILSVRC2012_val_00000001.JPEG to ..50000.JPEG. Names are compared with these patterns
and stored in records; no file is created under a name of an archive.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

CLASS_TAR = re.compile(r"(n\d{8})\.tar", re.ASCII)
TRAINING_IMAGE = re.compile(r"(n\d{8})_\d+\.JPEG", re.ASCII)
VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_(000(?!00000)(?:[0-4]\d{4}|50000))\.JPEG", re.ASCII)  # 1 to 50,000
LARGEST_IMAGE = 2**26
"""Bytes; the largest image of ImageNet has 16 million."""


class Span(NamedTuple):
    """Position of the content of a member in its archive, in bytes."""

    name: str
    offset: int
    size: int


def class_spans(path: Path) -> dict[str, Span]:
    """Return where the tar of each class lies in the training archive, by synset.

    Raises ValueError for the other archive, a damaged one, or one with other files.
    """
    return _spans(path, CLASS_TAR, VALIDATION_IMAGE, "the tar of a class")


def validation_spans(path: Path) -> dict[int, Span]:
    """Return where each validation image lies in its archive, by its number from 1, in the order of the numbers.

    Raises ValueError for the other archive, a damaged one, or one with other files.
    """
    spans = _spans(path, VALIDATION_IMAGE, CLASS_TAR, "an image of the validation set")
    for span in spans.values():
        _check_size(path, span)
    return {int(number): spans[number] for number in sorted(spans)}  # of eight digits


def _spans(path: Path, pattern: re.Pattern[str], other: re.Pattern[str], what: str) -> dict[str, Span]:
    """Return the members of an archive by the group of the pattern; `other` is the pattern of the other archive."""
    spans: dict[str, Span] = {}
    with path.open("rb") as file:
        for span in _members(path, file, 0, path.stat().st_size):
            match = pattern.fullmatch(span.name)
            if match is None:
                swapped = other.fullmatch(span.name)
                hint = "; are --train-tar and --val-tar swapped?" if swapped else f", not {what}"
                raise ValueError(f"{path} holds {span.name!r}{hint}")
            if match[1] in spans:
                raise ValueError(f"{path} holds {span.name} twice")
            spans[match[1]] = span
    return spans


def training_images(path: Path, archive: Span) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each image of a class; raises ValueError for damage and for other members."""
    synset, seen = archive.name.removesuffix(".tar"), set()
    where = f"{path}: {archive.name}"
    with path.open("rb") as file:
        for span in _members(where, file, archive.offset, archive.size):
            match = TRAINING_IMAGE.fullmatch(span.name)
            if match is None or match[1] != synset:
                raise ValueError(f"{where} holds {span.name!r}, not an image of this class")
            _check_size(where, span)
            if span.name in seen:
                raise ValueError(f"{where} holds {span.name} twice")
            seen.add(span.name)
            yield span.name, _read(file, span)


def validation_images(path: Path, spans: list[Span]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of images of the validation archive."""
    with path.open("rb") as file:
        for span in spans:
            yield span.name, _read(file, span)


def _members(where: Path | str, file: Any, start: int, size: int) -> Iterator[Span]:
    """Yield the members of an uncompressed tar, `size` bytes of a file from `start` on, which must be ordinary files.

    Headers are read one by one: `tarfile` would read an extended header of any size that it claims.
    """
    at = start
    while True:
        file.seek(at)
        header = file.read(max(0, min(tarfile.BLOCKSIZE, start + size - at)))
        if header == tarfile.NUL * tarfile.BLOCKSIZE:
            return
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if at > start and not header:
                raise ValueError(f"{where} is truncated: the mark of its end is missing; get it again") from error
            raise ValueError(f"{where} is truncated or no tar ({error}); get it again") from error
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.size < 0:
            raise ValueError(f"{where} holds {member.name!r}, which is no ordinary file")
        content, blocks = at + tarfile.BLOCKSIZE, -(-member.size // tarfile.BLOCKSIZE)
        if content + member.size > start + size:
            raise ValueError(f"{where} is truncated: it ends within {member.name}; get it again")
        yield Span(member.name, content, member.size)
        at = content + blocks * tarfile.BLOCKSIZE


def _check_size(where: Path | str, span: Span) -> None:
    if span.size > LARGEST_IMAGE:
        raise ValueError(f"{where}: {span.name} has {span.size} bytes, more than any image of ImageNet")


def _read(file: Any, span: Span) -> bytes:
    file.seek(span.offset)
    return file.read(span.size)
