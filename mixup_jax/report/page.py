"""Write the report: one HTML file that needs no network; its one script sorts and filters what is there without it."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.report import charts, pictures
from mixup_jax.report.conditions import Condition, across_models, compare, group, lowest, result_tables
from mixup_jax.report.format import MISSING, decimal, duration, rate, short_commit, text
from mixup_jax.report.mistakes import find_mistakes
from mixup_jax.report.plots.drawing import PALETTE
from mixup_jax.report.plots.mistakes import percent
from mixup_jax.report.runs import Run
from mixup_jax.report.tables import Table
from mixup_jax.runtime.atomic import write_text

MARKS = {
    "REAL": "the original data",
    "LOSSY": "a copy of the data that lost something, such as JPEG images",
    "SYNTHETIC": "generated data; says nothing about the real data",
}
SHOWN = [name for name in METRICS if METRICS[name].title and not METRICS[name].below and name != "test_error"]
"""Metrics with a column of their own, beside the test error."""
DASHES = ("none", "8 3", "2 2", "8 2 2 2", "13 3", "5 5")


def write_page(
    runs: Sequence[Run],
    path: Path,
    *,
    title: str,
    tables: Sequence[tuple[Path, Table]] = (),
    figures: Sequence[tuple[str, Figure]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of `runs`: results, comparisons, tables of the paper, curves, calibration, mistakes, runs.

    `tables` come with their folders, as `find_tables` returns them. `figures` are further pictures with their captions,
    shown after the page's own; the label of a figure is its description. `warnings` are listed at the end. The same
    runs give the same bytes. Of many runs, figures and mistakes are those with the lowest error, and the page says so.
    """
    conditions = group(runs)
    left_by_runs, unusable = pictures.saved(runs)
    sections = []
    for folder, table in tables:
        found, bad = pictures.named(folder, table.figures)
        sections.append((folder, table, found))
        unusable += bad
    mistakes, bad = find_mistakes(conditions)
    rows = iter(conditions)
    results = [(table, _scale(table), [(row, next(rows)) for row in table.rows]) for table in result_tables(conditions)]
    content = {
        "results": results,
        "comparisons": compare(conditions),
        "across": across_models(conditions),
        "sections": sections,
        "curves": _figures("curves", conditions, lambda each: len(each.curve("test_error")[0]), charts.curve_panels),
        "reliability": _figures(
            "calibration",
            conditions,
            charts.has_bins,
            lambda shown: [charts.reliability_diagram(each) for each in shown],
        ),
        "mistakes": mistakes,
        "with_predictions": sum(run.predictions is not None for run in runs),
        "pictures": [pictures.drawn(figure, caption) for caption, figure in figures] + left_by_runs,
        "warnings": [*warnings, *unusable, *bad],
        "rows_at": {condition: f"result-{number}" for number, condition in enumerate(conditions, 1)},
        "mistakes_at": {part.run: f"mistakes-{number}" for number, part in enumerate(mistakes, 1)},
    }
    details, shared = _details(conditions, content)
    content |= {"runs": details, "shared": shared, "runs_at": {item["run"]: item["place"] for item in details}}
    write_text(path, _template().render(title=title, contents=list(_contents(content)), **content))


def _contents(content: dict[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield each section of the page that is not empty: its id, its name, and its parts alike."""
    settings = [(f"setting-{n}", table.place) for n, (table, *_) in enumerate(content["results"], 1)]
    drawn = {name: [(part["place"], part["caption"]) for part in content[name]] for name in ("curves", "reliability")}
    models = [(f"models-{n}", name) for n, (name, _) in enumerate(content["across"], 1)]
    papers = [(f"paper-{n}", table.title, []) for n, (_, table, _) in enumerate(content["sections"], 1)]
    for place, words, parts, there in (
        ("results", "Results", settings, settings),
        ("comparisons", "ERM against mixup", [], content["comparisons"]),
        ("models", "Models on the same data", models, models),
        *((*paper, True) for paper in papers),
        ("curves", "Learning curves", drawn["curves"], drawn["curves"]),
        ("calibration", "Calibration", drawn["reliability"], drawn["reliability"]),
        ("mistakes", "Where it errs", [], content["mistakes"]),
        ("pictures", "Pictures", [], content["pictures"]),
        ("runs", "The runs", [], content["runs"]),
        ("skipped", "Skipped files", [], content["warnings"]),
    ):
        if there:
            yield place, words, parts if len(parts) > 1 else []


@cache
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
    script = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"script": script, "script_hash": f"sha256-{digest}"}  # no other script runs
    environment.globals |= {"colours": PALETTE, "dashes": DASHES, "percent": percent, "box": charts.BOX}
    environment.globals |= {"share": {"x": charts.Axis(1, *charts.BOX.across), "y": charts.Axis(1, *charts.BOX.up)}}
    environment.filters |= {"plain": _plain, "zip": zip, "dict": dict, "short_commit": short_commit} | last_parts
    return environment.get_template("page.html")


def _plain(value: float | None) -> str:
    """Write a number for the script that sorts; empty where there is none."""
    return f"{value:.12g}" if value is not None and math.isfinite(value) else ""


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


def _figures(
    name: str,
    conditions: Sequence[Condition],
    usable: Callable[[Condition], Any],
    draw: Callable[[list[Condition]], Any],
) -> list[dict[str, Any]]:
    """Draw the usable conditions of each setting; of many those with the lowest error."""
    parts = []
    for setting, members in groupby(filter(usable, conditions), key=lambda condition: condition.setting):
        found = list(members)
        shown, caption = lowest(found, charts.MOST), " · ".join(filter(None, setting)) or MISSING
        place = f"{name}-{len(parts) + 1}"
        parts.append({"place": place, "caption": caption, "conditions": shown, "of": len(found), "drawn": draw(shown)})
    return parts


def _details(conditions: Sequence[Condition], content: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return what is told of each run, and the part of the configuration that is the same in all of them."""
    pairs = [(condition, run) for condition in conditions for run in condition.runs]
    configs = [{name: repr(value) for name, value in run.flat.items()} for _, run in pairs]
    names = dict.fromkeys(name for config in configs for name in config)
    differing = {name for name in names if len({config.get(name) for config in configs}) > 1}
    first = pairs[0][1].flat if pairs else {}
    shared = {text(name): text(value) for name, value in first.items() if name not in differing}
    at = {}
    for kind, words in (("curves", "learning curves"), ("reliability", "calibration")):
        for part in content[kind]:
            for condition in part["conditions"]:
                at.setdefault(condition, []).append((part["place"], words))
    details = []
    for number, (condition, run) in enumerate(pairs, 1):
        errs = [(content["mistakes_at"][run], "where it errs")] if run in content["mistakes_at"] else []
        details.append(
            {
                "place": f"run-{number}",
                "label": condition.label,
                "run": run,
                "links": [(content["rows_at"][condition], "result"), *at.get(condition, ()), *errs],
                "differs": {text(name): text(value) for name, value in run.flat.items() if name in differing},
            }
        )
    return details, shared
