"""Turn a table of the paper into the strings that page and terminal show."""

import math
from dataclasses import dataclass
from itertools import groupby

from mixup_jax.report.statistics import decimal, summarise
from mixup_jax.report.tables import Row, Table
from mixup_jax.report.wording import MISSING


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
