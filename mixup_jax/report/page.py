"""Write the report: one HTML file that needs no network and no script."""

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.report import pictures
from mixup_jax.report.conditions import Condition, compare, group, result_tables
from mixup_jax.report.format import MISSING, decimal, duration, rate, short_commit, text
from mixup_jax.report.plots import figures as draw
from mixup_jax.report.runs import Run
from mixup_jax.report.statistics import Summary
from mixup_jax.report.tables import Row, Table
from mixup_jax.runtime.identity import flatten

MARKS = {
    "REAL": "the original data",
    "LOSSY": "a copy of the data that lost something, such as JPEG images",
    "SYNTHETIC": "generated data; says nothing about the real data",
}


def write_page(
    runs: Sequence[Run],
    path: Path,
    *,
    title: str,
    tables: Sequence[tuple[Path, Table]] = (),
    figures: Sequence[tuple[str, Figure]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of `runs`: results, comparison, tables of the paper, curves, calibration, description of runs.

    `tables` come with their folders, as `find_tables` returns them. `figures` are further pictures with their captions,
    shown after the page's own; the label of a figure is its description. `warnings` are listed at the end. The same
    runs give the same bytes.
    """
    conditions = group(runs)
    left_by_runs, unusable = pictures.saved(runs)
    sections = _sections(tables, unusable)
    page = _template().render(
        title=title,
        marks=MARKS,
        metrics=METRICS,
        shown=[name for name in METRICS if METRICS[name].title and not METRICS[name].below][1:],
        below={name: [each for each in METRICS if METRICS[each].below == name] for name in METRICS},
        results=[(table, _results(table)) for table in result_tables(conditions)],
        comparisons=compare(conditions),
        sections=sections,
        curves=_curves(conditions),
        reliability=_reliability(conditions),
        pictures=[pictures.drawn(figure, caption) for caption, figure in figures] + left_by_runs,
        runs=_details(conditions),
        warnings=[*warnings, *unusable],
        missing=MISSING,
        decimal=decimal,
        duration=duration,
        rate=rate,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # run folders may come from anyone
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _results(table: Table) -> list[dict[str, Any]]:
    """Return each row with its cells by column, and the positions of its test errors on the scale of the table."""
    rows = [dict(zip(table.columns, row.summaries, strict=True)) for row in table.rows]
    index = table.columns.index("test_error")
    finished = [(row, cells["test_error"]) for row, cells in zip(table.rows, rows, strict=True) if not row.progress]
    values = [
        value for row, error in finished for value in (*row.values[index], error.low, error.high, row.paper[index])
    ]
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)

    def place(value: float | None) -> float | None:
        return None if value is None else round(4 + 92 * (value - low) / (high - low), 1)

    def strip(row: Row, error: Summary) -> dict[str, Any] | None:
        if row.progress or not error.known or high <= low:
            return None
        ends = {name: place(value) for name, value in vars(error).items() if name in ("mean", "low", "high")}
        return ends | {"seeds": [place(value) for value in row.values[index]], "paper": place(row.paper[index])}

    return [
        {
            "row": row,
            "cells": cells,
            "seconds": sum(row.values[table.columns.index("wall_seconds")]),
            "paper": row.paper[index],
            "strip": strip(row, cells["test_error"]),
        }
        for row, cells in zip(table.rows, rows, strict=True)
    ]


def _sections(tables: Sequence[tuple[Path, Table]], warnings: list[str]) -> list[dict[str, Any]]:
    sections = []
    for folder, table in tables:
        shown, unusable = pictures.named(folder, table.figures)
        warnings += unusable
        seeds, commit = ", ".join(map(str, table.seeds)), short_commit(table.commit)
        place = {"folder": _last_parts(folder), "seeds": seeds, "commit": commit}
        sections.append({"table": table, "pictures": shown, **place})
    return sections


def _last_parts(folder: Path) -> str:
    return text("/".join(folder.parts[-2:]))


def _by_setting(conditions: Sequence[Condition]) -> list[tuple[str, list[Run]]]:
    groups = groupby(conditions, key=lambda condition: condition.setting)
    return [
        (" · ".join(name for name in setting if name), [run for member in members for run in member.runs])
        for setting, members in groups
    ]


def _curves(conditions: Sequence[Condition]) -> list[pictures.Picture]:
    begun = [condition for condition in conditions if len(condition.curve("test_error")[0])]
    return [pictures.drawn(draw.learning_curves(runs), caption) for caption, runs in _by_setting(begun)]


def _reliability(conditions: Sequence[Condition]) -> list[pictures.Picture]:
    binned = [condition for condition in conditions if all(draw.calibration_errors(run) for run in condition.runs)]
    return [pictures.drawn(draw.reliability_diagram(runs), caption) for caption, runs in _by_setting(binned)]


def _details(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    pairs = [(condition, run) for condition in conditions for run in condition.runs]
    configs = [flatten(run.config) for _, run in pairs]
    names = list(dict.fromkeys(name for config in configs for name in config))
    differing = [name for name in names if len({repr(config.get(name)) for config in configs}) > 1]
    return [
        {
            "label": condition.label,
            "run": run,
            "folder": _last_parts(run.path),
            "seeds": ", ".join(map(str, run.seeds)),
            "differs": {name: text(config[name]) for name in differing if name in config},
            "config": {text(name): text(value) for name, value in config.items()},
        }
        for (condition, run), config in zip(pairs, configs, strict=True)
    ]
