"""Write the report: one HTML file that needs no network and no script."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from mixup_jax.report import pictures
from mixup_jax.report.conditions import Condition, compare, flatten, group
from mixup_jax.report.fields import text
from mixup_jax.report.plots import figures as draw
from mixup_jax.report.rows import settings
from mixup_jax.report.runs import Run
from mixup_jax.report.tables import Table, lines, paper_columns
from mixup_jax.report.wording import MISSING, short_commit

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
    """Write the report of `runs`: results, comparison, tables of the paper, curves, calibration, what each run was.

    `tables` come with their folders, as `find_tables` returns them. `figures` are further pictures with their captions,
    shown after the page's own; a figure's label is its description for those who do not see it. `warnings` are listed
    at the end. The same runs give the same bytes.
    """
    conditions = group(runs)
    left_by_runs, unusable = pictures.saved(runs)
    sections = _sections(tables, unusable)
    page = _template().render(
        title=title,
        marks={mark: MARKS.get(mark, "") for mark in MARKS},
        settings=settings(conditions),
        comparisons=compare(conditions),
        sections=sections,
        curves=_curves(conditions),
        reliability=_reliability(conditions),
        pictures=[pictures.drawn(figure, caption) for caption, figure in figures] + left_by_runs,
        runs=_details(conditions),
        warnings=[*warnings, *unusable],
        missing=MISSING,
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


def _sections(tables: Sequence[tuple[Path, Table]], warnings: list[str]) -> list[dict[str, Any]]:
    sections = []
    for folder, table in tables:
        shown, unusable = pictures.named(folder, table.figures)
        warnings += unusable
        known = paper_columns(table)
        sections.append(
            {
                "table": table,
                "columns": list(zip(table.columns, known, strict=True)),
                "width": 1 + len(known) + sum(known),
                "groups": lines(table),
                "pictures": shown,
                "seeds": ", ".join(map(str, table.seeds)),
                "commit": short_commit(table.commit),
                "folder": _last_parts(folder),
            }
        )
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
    differing = [name for name in names if len({repr(config[name]) for config in configs if name in config}) > 1]
    return [
        {
            "label": condition.label,
            "run": run,
            "folder": _last_parts(run.path),
            "seeds": ", ".join(map(str, run.seeds)),
            "params_digest": run.result.params_digest if run.result else "",
            "differs": {name: text(config[name]) for name in differing if name in config},
            "config": {text(name): text(value) for name, value in config.items()},
        }
        for (condition, run), config in zip(pairs, configs, strict=True)
    ]
