"""Turn conditions into the rows that the page shows: strings, and positions for the small interval plots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mixup_jax.report.conditions import Condition
from mixup_jax.report.results import ERRORS, Result
from mixup_jax.report.statistics import Summary, decimal, summarise
from mixup_jax.report.wording import MISSING, duration, rate, short_commit


@dataclass(frozen=True)
class Strip:
    """Where seeds, mean, interval and the paper's number lie between 0 and 100, on one scale for a setting."""

    seeds: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None
    paper: float | None


@dataclass(frozen=True)
class Row:
    """One condition, in words."""

    label: str
    n: int
    error: str
    raw: str
    """Error without averaged weights, or nothing where none were averaged."""
    top5: str
    """Top-5 error, or nothing where it was not measured."""
    interval: str
    best: str
    median: str
    paper: str
    paper_source: str
    ece: tuple[str, str]
    """Mean, and standard deviation or nothing."""
    overconfidence: str
    """Mean confidence minus accuracy, with its sign."""
    oe: str
    """Overconfidence error."""
    train_error: tuple[str, str]
    time: str
    images_per_second: str
    hardware: str
    commit: str
    strip: Strip | None
    progress: tuple[float, float] | None
    """Epoch reached and epochs planned, of an unfinished run."""


@dataclass(frozen=True)
class Setting:
    """Rows that may be compared: the same data, mark and model."""

    dataset: str
    model: str
    mark: str
    rows: tuple[Row, ...]


def settings(conditions: Sequence[Condition]) -> list[Setting]:
    """Make the rows of each setting, in the order of the conditions."""
    tables = []
    for (dataset, model, mark), members in groupby(conditions, key=lambda condition: condition.setting):
        together = list(members)
        ends = _ends(together)
        rows = tuple(_finished(item, ends) if item.finished else _unfinished(item) for item in together)
        tables.append(Setting(dataset, model, mark, rows))
    return tables


def paper_error(condition: Condition) -> float | None:
    """Return the paper's test error, where the run's model and data are the paper's."""
    result = condition.runs[0].result
    known = result is not None and result.paper_error is not None and math.isfinite(result.paper_error)
    return result.paper_error if result is not None and known else None


def _finished(condition: Condition, ends: tuple[float, float]) -> Row:
    results = [run.result for run in condition.runs if run.result]
    error, best, median = (summarise(list(condition.error(name).values())) for name in ("last", *_others()))
    paper = paper_error(condition)
    return Row(
        label=condition.label,
        n=error.n,
        error=str(error),
        raw=_if_known(condition.summary("test_error_raw")),
        top5=_if_known(condition.summary("test_top5_error")),
        interval=error.interval,
        best=decimal(best.mean),
        median=decimal(median.mean),
        paper=MISSING if paper is None else f"{paper:g}",
        paper_source=results[0].paper_source if paper is not None else "",
        ece=_apart(condition.summary("test_ece")),
        overconfidence=_overconfidence(results),
        oe=_if_known(condition.summary("test_oe")),
        train_error=_apart(condition.summary("train_subset_error")),
        time=duration(sum(result.wall_seconds for result in results)),
        images_per_second=rate(sum(result.images_per_second for result in results) / len(results)),
        hardware=_all(condition, "device"),
        commit=short_commit(_all(condition, "commit")),
        strip=_strip(condition, error, paper, ends),
        progress=None,
    )


def _unfinished(condition: Condition) -> Row:
    (run,) = condition.runs
    _, errors = condition.curve("test_error")
    reached = float(run.epochs[-1]) if len(run.epochs) and math.isfinite(run.epochs[-1]) else 0.0
    blank = dict.fromkeys(("raw", "top5", "oe", "interval", "paper_source"), "") | dict.fromkeys(
        ("best", "median", "paper", "time", "images_per_second"), MISSING
    )
    return Row(
        label=condition.label,
        n=len(condition.seeds),
        error=str(summarise(errors[-1].tolist())) if len(errors) else MISSING,
        ece=(MISSING, ""),
        overconfidence="",
        train_error=(MISSING, ""),
        hardware=run.device or MISSING,
        commit=short_commit(run.commit),
        strip=None,
        progress=(reached, run.planned_epochs),
        **blank,
    )


def _if_known(summary: Summary) -> str:
    return str(summary) if math.isfinite(summary.mean) else ""


def _apart(summary: Summary) -> tuple[str, str]:
    mean, _, sd = str(summary).partition(" ")
    return mean, sd


def _overconfidence(results: Sequence[Result]) -> str:
    """Return mean confidence minus accuracy in points, with its sign; nothing where a run has no bins."""
    bins = [result.reliability for result in results]
    if any(each is None for each in bins):
        return ""
    gaps = [each["count"] * (each["confidence"] - each["accuracy"]) for each in bins if each]
    points = 100 * np.concatenate([gap.sum(axis=1) for gap in gaps])
    images = np.concatenate([each["count"].sum(axis=1) for each in bins if each])
    return f"{float(np.mean(points / np.maximum(images, 1))):+.1f}"


def _others() -> list[str]:
    return [name for name in ERRORS if name != "last"]


def _all(condition: Condition, name: str) -> str:
    return "; ".join(dict.fromkeys(getattr(run, name) for run in condition.runs)) or MISSING


def _ends(conditions: Sequence[Condition]) -> tuple[float, float]:
    values: list[float | None] = []
    for condition in conditions:
        if condition.finished:
            errors = list(condition.error().values())
            summary = summarise(errors)
            values += [*errors, summary.low, summary.high, paper_error(condition)]
    known = [value for value in values if value is not None and math.isfinite(value)]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _strip(condition: Condition, error: Summary, paper: float | None, ends: tuple[float, float]) -> Strip | None:
    low, high = ends
    if not math.isfinite(error.mean) or high <= low:
        return None

    def place(value: float | None) -> float | None:
        return None if value is None else round(4 + 92 * (value - low) / (high - low), 1)

    seeds = tuple(place(value) or 0.0 for value in condition.error().values())
    return Strip(seeds, place(error.mean) or 0.0, place(error.low), place(error.high), place(paper))
