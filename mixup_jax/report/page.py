"""Write the report: one HTML file that needs no network and no script."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.report import pictures
from mixup_jax.report.conditions import Condition, compare, group, result_tables
from mixup_jax.report.format import MISSING, decimal, duration, rate, short_commit, text
from mixup_jax.report.mistakes import find_mistakes
from mixup_jax.report.plots import figures as draw
from mixup_jax.report.runs import Run
from mixup_jax.report.tables import Table
from mixup_jax.runtime.atomic import write_text
from mixup_jax.runtime.identity import flatten

MARKS = {
    "REAL": "the original data",
    "LOSSY": "a copy of the data that lost something, such as JPEG images",
    "SYNTHETIC": "generated data; says nothing about the real data",
}
SHOWN = [name for name in METRICS if METRICS[name].title and not METRICS[name].below and name != "test_error"]
"""Metrics with a column of their own, beside the test error."""


def write_page(
    runs: Sequence[Run],
    path: Path,
    *,
    title: str,
    tables: Sequence[tuple[Path, Table]] = (),
    figures: Sequence[tuple[str, Figure]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of `runs`: results, comparison, tables of the paper, curves, calibration, mistakes, runs.

    `tables` come with their folders, as `find_tables` returns them. `figures` are further pictures with their captions,
    shown after the page's own; the label of a figure is its description. `warnings` are listed at the end. The same
    runs give the same bytes.
    """
    conditions = group(runs)
    left_by_runs, unusable = pictures.saved(runs)
    sections = []
    for folder, table in tables:
        found, bad = pictures.named(folder, table.figures)
        sections.append((folder, table, found))
        unusable += bad
    mistakes, bad = find_mistakes(conditions)
    unusable += bad
    page = _template().render(
        title=title,
        results=[(table, _scale(table)) for table in result_tables(conditions)],
        comparisons=compare(conditions),
        sections=sections,
        curves=_curves(conditions),
        reliability=_reliability(conditions),
        mistakes=mistakes,
        pictures=[pictures.drawn(figure, caption) for caption, figure in figures] + left_by_runs,
        runs=_details(conditions),
        warnings=[*warnings, *unusable],
    )
    write_text(path, page)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # run folders may come from anyone
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"marks": MARKS, "metrics": METRICS, "shown": SHOWN, "missing": MISSING}
    environment.globals |= {"decimal": decimal, "duration": duration, "rate": rate}
    last_parts = {"short": lambda folder: text("/".join(folder.parts[-2:]))}
    environment.filters |= {"zip": zip, "dict": dict, "short_commit": short_commit} | last_parts
    return environment.get_template("page.html")


def _scale(table: Table) -> Callable[[float], float] | None:
    """Return a function that places test errors of finished runs between 0 and 100; None if all are equal."""
    values: list[float | None] = []
    for row in table.rows:
        if not row.progress:
            error, paper = table.cell(row.summaries, "test_error"), table.cell(row.paper, "test_error")
            values += [*table.cell(row.values, "test_error"), error.low, error.high, paper]
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return (lambda value: round(4 + 92 * (value - low) / (high - low), 1)) if high > low else None


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
    differing = [name for name in names if len({repr(config[name]) for config in configs if name in config}) > 1]
    return [
        {
            "label": condition.label,
            "run": run,
            "differs": {name: text(config[name]) for name in differing if name in config},
            "config": {text(name): text(value) for name, value in config.items()},
        }
        for (condition, run), config in zip(pairs, configs, strict=True)
    ]
