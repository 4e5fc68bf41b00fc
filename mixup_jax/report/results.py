"""Read result.json, the outcome of a finished run (docs/design.md, "The files of a run")."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mixup_jax.report.fields import MANY, integers, mapping, number, numbers, text
from mixup_jax.runtime.json_files import Malformed

ERRORS = ("best", "last", "median_last_10")


@dataclass(frozen=True, eq=False)
class Result:
    """Errors and calibration errors are percentages, one value a seed.

    `reliability` holds count, confidence and accuracy (shares, 0 to 1), each of shape (seeds, bins).
    """

    seeds: tuple[int, ...]
    test_error: dict[str, tuple[float, ...]]
    test_error_raw: tuple[float, ...]
    """Of the network itself, where the errors are those of its averages (ema); else unknown numbers."""
    test_top5_error: tuple[float, ...]
    """Unknown numbers where it was not measured, with few classes."""
    test_ece: tuple[float, ...]
    test_oe: tuple[float, ...]
    """Unknown numbers in older runs."""
    train_subset_error: tuple[float, ...]
    reliability: dict[str, np.ndarray] | None
    wall_seconds: float
    images_per_second: float
    params_digest: str
    paper_error: float | None
    paper_source: str


def read_result(final: dict[str, Any]) -> Result:
    """Check the content of result.json; raises `Malformed` with the field that does not fit."""
    names = integers(final.get("seeds"), "seeds")
    seeds = len(names)
    errors = mapping(final, "test_error")
    if "last" not in errors:
        raise Malformed("no test_error.last in it")
    paper = mapping(final, "paper")
    return Result(
        seeds=names,
        test_error={name: numbers(errors.get(name), f"test_error.{name}", seeds) for name in ERRORS},
        test_error_raw=numbers(final.get("test_error_raw"), "test_error_raw", seeds),
        test_top5_error=numbers(final.get("test_top5_error"), "test_top5_error", seeds),
        test_ece=numbers(final.get("test_ece"), "test_ece", seeds),
        test_oe=numbers(final.get("test_oe"), "test_oe", seeds),
        train_subset_error=numbers(final.get("train_subset_error"), "train_subset_error", seeds),
        reliability=_reliability(mapping(final, "reliability"), seeds),
        wall_seconds=number(final.get("wall_seconds"), "wall_seconds"),
        images_per_second=number(final.get("images_per_second"), "images_per_second"),
        params_digest=text(final.get("params_digest")),
        paper_error=number(paper["test_error"], "paper.test_error") if "test_error" in paper else None,
        paper_source=text(paper.get("source")),
    )


def _reliability(bins: dict[str, Any], seeds: int) -> dict[str, np.ndarray] | None:
    if not bins:
        return None
    table: dict[str, np.ndarray] = {}
    for name in ("count", "confidence", "accuracy"):
        rows = bins.get(name)
        if not isinstance(rows, list) or len(rows) != seeds or not all(isinstance(row, list) and row for row in rows):
            raise Malformed(f"reliability.{name} is not {seeds} lists of bins")
        values = [numbers(row, f"reliability.{name}", len(rows[0])) for row in rows]
        table[name] = np.nan_to_num(np.asarray(values))  # an empty bin may be spelled null, NaN or 0
    if len({values.shape for values in table.values()}) > 1:
        raise Malformed("reliability has lists of different lengths")
    for name in ("confidence", "accuracy"):
        if table[name].min() < 0 or table[name].max() > 1.01:  # a mean in float32 may pass 1 by a rounding error
            raise Malformed(f"reliability.{name} is not a share between 0 and 1")
    return table


Files = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]
"""What is in config.json, in the lines of metrics.jsonl, and in result.json (empty while there is none)."""


def take_apart(start: dict[str, Any], lines: list[dict[str, Any]], final: dict[str, Any]) -> list[Files]:
    """Return the files of each alpha, as if it had been trained alone; those of a run with one alpha as they are.

    Lists over networks hold all seeds of the first alpha, then those of the next. Raises `Malformed` for alphas that
    are no numbers, or a number of seeds that is none.

    >>> start = {"config": {"mixing": {"alpha": [1.0, 8.0]}, "seeds": 2}, "methods": ["mixup 1", "mixup 8"]}
    >>> [(files[0]["method"], files[2]["test_ece"]) for files in take_apart(start, [], {"test_ece": [3, 4, 5, 6]})]
    [('mixup 1', [3, 4]), ('mixup 8', [5, 6])]
    """
    config = mapping(start, "config")
    mixing = mapping(config, "mixing")
    alphas = mixing.get("alpha")
    if not isinstance(alphas, list):
        return [(start, lines, final)]
    methods = start.get("methods")
    names = methods if isinstance(methods, list) and len(methods) == len(alphas) else [None] * len(alphas)
    seeds = config.get("seeds")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 0 < seeds <= MANY:
        raise Malformed("config.seeds is not usable")
    parts = []
    for place, (alpha, method) in enumerate(zip(alphas, names, strict=True)):
        own_mixing = {**mixing, "alpha": number(alpha, "config.mixing.alpha")} if alpha else {"name": "erm"}
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
