"""A run over several alphas is one folder and many networks: take it apart into one run for each alpha."""

from functools import partial
from typing import Any

from mixup_jax.json_files import Malformed
from mixup_jax.report.fields import MANY, mapping, number

Files = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]
"""What is in config.json, in the lines of metrics.jsonl, and in result.json (empty while there is none)."""


def take_apart(start: dict[str, Any], lines: list[dict[str, Any]], final: dict[str, Any]) -> list[Files]:
    """Return the files of each alpha, as if it had been trained alone; those of a run with one alpha as they are.

    Lists over networks hold all seeds of the first alpha, then those of the next. Raises `Malformed` for alphas that
    are not a list of numbers, or a number of seeds that is none.

    >>> start = {"config": {"mixing": {"alphas": [1.0, 8.0]}, "seeds": 2}, "methods": ["mixup 1", "mixup 8"]}
    >>> [(files[0]["method"], files[2]["test_ece"]) for files in take_apart(start, [], {"test_ece": [3, 4, 5, 6]})]
    [('mixup 1', [3, 4]), ('mixup 8', [5, 6])]
    """
    config = mapping(start, "config")
    mixing = mapping(config, "mixing")
    alphas = mixing.get("alphas") or []
    if not isinstance(alphas, list):
        raise Malformed("config.mixing.alphas is not a list")
    if not alphas:
        return [(start, lines, final)]
    methods = start.get("methods")
    names = methods if isinstance(methods, list) and len(methods) == len(alphas) else [None] * len(alphas)
    seeds = config.get("seeds")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 0 < seeds <= MANY:
        raise Malformed("config.seeds is not usable")
    parts = []
    for place, (alpha, method) in enumerate(zip(alphas, names, strict=True)):
        own_mixing = {**mixing, "alpha": number(alpha, "config.mixing.alphas"), "alphas": []}
        own_start = {**start, "config": {**config, "mixing": own_mixing}, "method": method}
        own = partial(_share, networks=len(alphas) * seeds, part=slice(place * seeds, (place + 1) * seeds))
        own_final = own(final) | ({"method": method} if final else {})
        parts.append((own_start, [own(line) for line in lines], own_final))
    return parts


def _share(values: dict[str, Any], networks: int, part: slice) -> dict[str, Any]:
    """Cut out of every list with one value a network the part of one alpha."""
    cut = {}
    for key, value in values.items():
        if isinstance(value, dict):
            cut[key] = _share(value, networks, part)
        else:
            cut[key] = value[part] if isinstance(value, list) and len(value) == networks else value
    return cut
