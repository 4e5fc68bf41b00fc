"""Find JSON files and check the types of their fields; every failure is a `Malformed` with a short reason."""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mixup_jax.runtime.json_files import Malformed

MANY = 10_000  # a file with more seeds, rows or columns is refused


def folders_with(name: str, paths: Iterable[Path]) -> list[Path]:
    """List the folders at or below `paths` that hold a file `name`, each once, in order.

    Links are followed, except to a folder that contains the path itself. Folders inside a run, a folder with a
    config.json, are not searched.
    """
    found = {folder.resolve(): folder for path in paths for folder, files in _walk(path) if name in files}
    return list(found.values())


def _walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    seen, start = set(), path.resolve()
    for folder, subfolders, files in os.walk(path, followlinks=True):
        real = Path(folder).resolve()
        if real in seen or (start != real and start.is_relative_to(real)):
            subfolders.clear()
            continue
        seen.add(real)
        yield Path(folder), files
        if "config.json" in files:
            subfolders.clear()
        subfolders.sort()


def mapping(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object `parent[key]`, empty where it is missing or null."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{key} is not an object")
    return value


def number(value: Any, name: str) -> float:
    """Return a float; null, which stands for a number that is not finite, is NaN.

    >>> number(3, "step"), number(None, "loss")
    (3.0, nan)
    """
    if type(value) is float:
        return value
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{name} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise Malformed(f"{name} is out of range") from None


def numbers(value: Any, name: str, count: int) -> tuple[float, ...]:
    """Return `count` floats, one per seed, NaN for null; a bare number stands for a list of one.

    >>> numbers([5.5, 5.6], "test_error", 2)
    (5.5, 5.6)
    """
    values = value if isinstance(value, list) else [value]
    if value is None:
        values = [None] * count
    if len(values) != count:
        raise Malformed(f"{name} has {len(values)} values for {count} seeds")
    return tuple(number(item, name) for item in values)


def integers(value: Any, name: str) -> tuple[int, ...]:
    """Return a non-empty list of different integers as a tuple."""
    if not isinstance(value, list) or not 0 < len(value) <= MANY:
        raise Malformed(f"{name} is not a list of integers")
    if any(isinstance(item, bool) or not isinstance(item, int) for item in value) or len(set(value)) < len(value):
        raise Malformed(f"{name} is not a list of different integers")
    return tuple(value)


def items(value: Any, name: str, *kinds: type) -> list[Any]:
    """Return a list, empty where it is null, whose items are all of the given kinds (any, without one).

    >>> items([{"label": "ERM"}], "rows", dict)
    [{'label': 'ERM'}]
    """
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MANY:
        raise Malformed(f"{name} is not a list")
    if kinds and not all(isinstance(item, kinds) for item in value):
        raise Malformed(f"{name} does not hold what it should")
    return value
