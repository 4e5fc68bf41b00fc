"""Format values as text: numbers, durations, rates, commits, devices, and JSON values from anywhere."""

import math
import re
from typing import Any

MISSING = "\N{EM DASH}"


def text(value: Any) -> str:
    """Format a JSON value; control characters, which could drive a terminal, become a visible mark.

    >>> text(["python", "-m", "experiments.cifar"]), text({"kind": "cpu", "count": 2}), text(None)
    ('python -m experiments.cifar', 'kind cpu, count 2', '')
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{text(key)} {text(item)}" for key, item in value.items())
    said = str(value)
    if said.isprintable():
        return said
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said)


def decimal(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Format a number with a true minus sign; one that is not finite is an em dash.

    >>> decimal(-1.3), decimal(1.25, 1, signed=True), decimal(float("nan"))
    ('−1.30', '+1.2', '—')
    """
    number = f"{value:{'+' * signed}.{digits}f}"
    return number.replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else MISSING


def duration(seconds: float) -> str:
    """Format a duration in its two largest units.

    >>> duration(42.3), duration(754), duration(12_000), duration(200_000)
    ('42 s', '12 min 34 s', '3 h 20 min', '2 d 7 h')
    """
    if not math.isfinite(seconds):
        return MISSING
    rest, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def rate(per_second: float) -> str:
    """Format images per second with three significant digits.

    >>> rate(12_345.6), rate(7.123)
    ('12,300', '7.12')
    """
    if not math.isfinite(per_second):
        return MISSING
    rounded = float(f"{per_second:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def short_commit(commit: str) -> str:
    """Shorten a long hash to nine digits; a suffix (``-dirty``) stays.

    >>> short_commit("01981ce6a47d0b3183e8f959e8568b28d0123456-dirty")
    '01981ce6a-dirty'
    """
    return re.sub(r"\b([0-9a-f]{9})[0-9a-f]+", r"\1", commit) or MISSING


def hardware(device: Any) -> str:
    """Format a device: a text, or an object with `kind` and `count`.

    >>> hardware({"platform": "gpu", "kind": "NVIDIA H100", "count": 8}), hardware({"kind": "cpu", "count": 1})
    ('8 × NVIDIA H100', 'cpu')
    """
    if not isinstance(device, dict) or not device.get("kind"):
        return text(device)
    count = device.get("count", 1)
    return text(device["kind"]) if count == 1 else f"{text(count)} × {text(device['kind'])}"
