"""Read result.json, the outcome of a finished run (docs/design.md, "The files of a run")."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixup_jax.json_files import Malformed
from mixup_jax.report.fields import integers, mapping, number, numbers, text

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
