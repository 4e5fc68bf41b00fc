"""Find pictures in files and folders, in natural order, without holding more names than those of a folder."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mixup_jax.data.files.folders import Tally


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return the key that sorts numbers in names by their values, not by their digits.

    >>> sorted(["img10.png", "img9.png", "Img1.png"], key=natural)
    ['Img1.png', 'img9.png', 'img10.png']
    """
    parts = re.split("([0-9]+)", name.casefold())
    return [(int(part[:300]), len(part), "") if index % 2 else (-1, 0, part) for index, part in enumerate(parts)], name


def find_pictures(paths: Sequence[Path], suffixes: Collection[str], tally: Tally) -> Iterator[Path]:
    """Yield files as they are given, and of folders all pictures below them: files of a folder first, then its folders.

    What is hidden, a link to a folder, or has another suffix is counted as passed over. Raises FileNotFoundError for a
    path that is not there, OSError for a folder that cannot be listed.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path, suffixes, tally)
        elif path.exists():
            yield path
        else:
            raise FileNotFoundError(f"{path} does not exist; give pictures, or folders that hold some.")


def _below(folder: Path, suffixes: Collection[str], tally: Tally) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        found = sorted(((entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries), key=_key)
    for name, is_folder, is_link in found:
        path = folder / name
        if name.startswith("."):
            tally.add("passed over, hidden", path)
        elif is_folder and is_link:
            tally.add("passed over, a link to a folder", path)
        elif is_folder:
            yield from _below(path, suffixes, tally)
        elif path.suffix.lower() not in suffixes:
            tally.add(f"passed over, {path.suffix or 'no suffix'}", path)
        else:
            yield path


def _key(entry: tuple[str, bool, bool]) -> tuple:
    return entry[1], natural(entry[0])
