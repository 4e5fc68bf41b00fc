"""Take typed fields out of JSON that somebody else wrote: every failure is one `Malformed` with a short reason."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixup_jax.runtime.json_files import Malformed

MANY = 10_000  # more seeds than this is a mistake or an attack, not an experiment


def folders_below(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder at or below `path` once with the names of its files, in order; links are followed.

    A link to a folder that contains `path` is not: it leads out of what was asked for. Nothing is looked for inside a
    run, a folder that holds a config.json.
    """
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


def text(value: Any) -> str:
    """Show any JSON value as text; control characters, which could drive a terminal, become a visible mark.

    >>> text(["python", "-m", "experiments.cifar"]), text({"kind": "cpu", "count": 2}), text(None)
    ('python -m experiments.cifar', 'kind cpu, count 2', '')
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{text(key)} {text(item)}" for key, item in value.items())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def mapping(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object `parent[key]`, empty where it is missing or null."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{key} is not an object")
    return value


def number(value: Any, name: str) -> float:
    """Return a float; null, as some writers spell a loss that is not finite, is NaN.

    >>> number(3, "step"), number(None, "loss")
    (3.0, nan)
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{name} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise Malformed(f"{name} is out of range") from None


def numbers(value: Any, name: str, count: int) -> tuple[float, ...]:
    """Return `count` floats, one a seed; a bare number stands for a list of one.

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
