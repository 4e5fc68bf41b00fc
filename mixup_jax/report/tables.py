"""A table or figure of the paper beside our numbers: what an experiment leaves in table.json (docs/design.md).

An experiment makes a `Table` and writes it with `experiments.commands.paper_table.write_table`; the report finds it
again here.
The files may come from anywhere: they are read as JSON only, and what does not fit is a one-line warning.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from mixup_jax.report.fields import folders_below, integers, items, number, numbers, text
from mixup_jax.report.statistics import decimal, summarise
from mixup_jax.report.wording import MISSING, hardware
from mixup_jax.runtime.json_files import parse_json, read_text

NAME = "table.json"


@dataclass(frozen=True)
class Row:
    """One row: for each column of the table our values, one a seed, and the paper's number.

    An empty tuple of values means not measured; None means that the paper gives no number.
    """

    label: str
    values: tuple[tuple[float, ...], ...]
    paper: tuple[float | None, ...]
    group: str = ""
    """Sub-heading under which the row stands; rows of one group follow each other."""
    note: str = ""
    """A remark about this row, such as that the paper's numbers are unconfirmed."""


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    `write_table` of experiments fills in `command`, `commit`, `device` and `versions`.
    """

    experiment: str
    title: str
    """What it is in the paper, and of what: "Table 3: adversarial examples"."""
    text: str
    """A sentence or two: what is compared, and whether the numbers are comparable with the paper's."""
    mark: str
    """REAL, LOSSY or SYNTHETIC."""
    dataset: str
    model: str
    columns: tuple[str, ...]
    """Names with units, such as "best, %"."""
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    source: str = ""
    """Where the paper's numbers stand, and on which data and model they were measured."""
    figures: tuple[tuple[str, str], ...] = ()
    """Pictures: path of a PNG relative to the folder, caption."""
    command: str = ""
    commit: str = ""
    device: str = ""
    versions: str = ""

    def __post_init__(self) -> None:
        """Refuse a table of nothing, and a row whose values or paper's numbers are not one a column."""
        if not (self.title and self.columns and self.rows):
            raise ValueError("a table needs a title, columns and rows.")
        for row in self.rows:
            if not len(row.values) == len(row.paper) == len(self.columns):
                raise ValueError(
                    f"row {row.label} has {len(row.values)} values and {len(row.paper)} numbers of the paper, "
                    f"needs one a column: {len(self.columns)}."
                )


def to_json(table: Table) -> dict[str, Any]:
    """Return the content of table.json; a number that is not finite becomes null.

    >>> row = Row("ERM", values=((5.5, 5.7),), paper=(5.6,))
    >>> table = Table("cifar", "Figure 3", "", "REAL", "cifar10", "preact_resnet", ("error, %",), (row,), seeds=(0, 1))
    >>> read_table(to_json(table)) == table
    True
    """
    plain = {name: value for name, value in vars(table).items() if isinstance(value, str)}
    return plain | {
        "columns": list(table.columns),
        "rows": [
            vars(row)
            | {
                "values": [[_or_null(value) for value in values] for values in row.values],
                "paper": list(row.paper),
            }
            for row in table.rows
        ],
        "seeds": list(table.seeds),
        "figures": [{"path": path, "caption": caption} for path, caption in table.figures],
    }


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def read_table(content: dict[str, Any]) -> Table:
    """Check the content of table.json; raises ValueError with the field that does not fit."""
    words = ("experiment", "title", "text", "mark", "dataset", "model", "source", "command", "commit", "versions")
    figures = items(content.get("figures"), "figures", dict)
    return Table(
        columns=tuple(text(name) for name in items(content.get("columns"), "columns")),
        rows=tuple(_row(row) for row in items(content.get("rows"), "rows", dict)),
        seeds=integers(content.get("seeds"), "seeds"),
        figures=tuple((text(figure.get("path")), text(figure.get("caption"))) for figure in figures),
        device=hardware(content.get("device")),
        **{name: text(content.get(name)) for name in words},
    )


def _row(row: dict[str, Any]) -> Row:
    values = items(row.get("values"), "values", list)
    paper = items(row.get("paper"), "paper", float, int, type(None))
    return Row(
        label=text(row.get("label")),
        values=tuple(numbers(seeds, "values", len(seeds)) for seeds in values),
        paper=tuple(None if value is None else number(value, "paper") for value in paper),
        group=text(row.get("group")),
        note=text(row.get("note")),
    )


def find_tables(paths: Iterable[Path]) -> tuple[list[tuple[Path, Table]], list[str]]:
    """Read every table.json below `paths` once, wherever it is but inside a run.

    Returns the tables by title, each with its folder, and one line for each file that could not be used.
    """
    tables, warnings = [], []
    for folder in {
        folder.resolve(): folder for path in paths for folder, files in folders_below(path) if NAME in files
    }.values():
        try:
            tables.append((folder, read_table(parse_json(read_text(folder / NAME)))))
        except ValueError as error:  # `Malformed` too
            warnings.append(f"{text(folder / NAME)}: {text(error)}; table skipped")
    return sorted(tables, key=lambda found: (found[1].title, found[0])), warnings


@dataclass(frozen=True)
class Line:
    """One row in words: for each column ours beside the paper's."""

    label: str
    note: str
    seeds: str
    """Number of seeds; one number a column where they differ, none where nothing was measured."""
    cells: tuple[tuple[str, str], ...]
    """Ours, mean ± half of the 95 % interval; and the paper's, empty in a column where it has no number at all."""


def lines(table: Table) -> list[tuple[str, list[Line]]]:
    """Return the rows of each group, after its name.

    >>> row = Row("ERM", values=((5.4, 5.5, 5.7), ()), paper=(5.6, None))
    >>> table = Table("cifar", "Figure 3", "", "REAL", "cifar10", "", ("best, %", "last, %"), (row,), seeds=(0, 1, 2))
    >>> lines(table)
    [('', [Line(label='ERM', note='', seeds='3', cells=(('5.53 ± 0.38', '5.6'), ('—', '')))])]
    """
    known = paper_columns(table)
    return [(name, [_line(row, known) for row in rows]) for name, rows in groupby(table.rows, lambda row: row.group)]


def paper_columns(table: Table) -> tuple[bool, ...]:
    """Say for each column whether the paper gives any number."""
    return tuple(any(_known(row.paper[index]) for row in table.rows) for index in range(len(table.columns)))


def _line(row: Row, known: tuple[bool, ...]) -> Line:
    counts = [len(values) for values in row.values]
    if len({*counts} - {0}) < 2:
        counts = [max(counts)] if any(counts) else []
    papers = [str(float(number)) if number is not None and _known(number) else MISSING for number in row.paper]
    cells = tuple(
        (_ours(values), paper if shown else "") for values, paper, shown in zip(row.values, papers, known, strict=True)
    )
    return Line(row.label, row.note, ", ".join(map(str, counts)), cells)


def _ours(values: tuple[float, ...]) -> str:
    if not values:
        return MISSING
    summary = summarise(values)
    return decimal(summary.mean) + ("" if summary.half_width is None else f" ± {decimal(summary.half_width)}")


def _known(number: float | None) -> bool:
    return number is not None and math.isfinite(number)
