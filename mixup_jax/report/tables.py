"""Tables: the rows that page and terminal show, and table.json (docs/design.md, "The files of a run").

A table is either a table or figure of the paper with our numbers, which an experiment writes by
`experiments.commands.paper_table.write_table`, or made of run folders by `mixup_jax.report.conditions.result_tables`.
Files may come from anywhere: they are read as JSON only, and an unusable one is a one-line warning.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from mixup_jax.report.fields import folders_with, integers, items, number, numbers
from mixup_jax.report.format import MISSING, hardware, text
from mixup_jax.report.statistics import UNKNOWN, Summary, summarise
from mixup_jax.runtime.json_files import parse_json, read_text

T = TypeVar("T")
NAME = "table.json"
WORDS = ("experiment", "title", "text", "mark", "dataset", "model", "source", "command", "commit", "versions")


@dataclass(frozen=True)
class Row:
    """One row: for each column our values, one per seed, and the paper's number.

    No values means not measured; None means that the paper gives no number. The last three fields describe runs and
    are not stored in table.json.
    """

    label: str
    values: tuple[tuple[float, ...], ...]
    paper: tuple[float | None, ...]
    group: str = ""
    """Heading above consecutive rows."""
    note: str = ""
    """A remark, such as that the paper's numbers are unconfirmed."""
    overlap: float = 0.0
    """Test rows over training rows, where the seeds are splits of the same rows (`statistics.summarise`)."""
    device: str = ""
    commit: str = ""
    progress: tuple[float, float] | None = None
    """Epoch reached and epochs planned, of an unfinished run."""

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """Summaries over seeds, one per column.

        >>> Row("ERM", values=((5.4, 5.5, 5.7), ()), paper=(5.6, None)).summaries[0].with_half_width
        '5.53 ± 0.38'
        """
        return tuple(summarise(values, self.overlap) if values else UNKNOWN for values in self.values)

    @property
    def seeds(self) -> str:
        """The number of seeds; one number per column where they differ, empty where nothing was measured."""
        counts = [len(values) for values in self.values]
        if len({*counts} - {0}) < 2:
            counts = [max(counts)] if any(counts) else []
        return ", ".join(map(str, counts))

    @property
    def papers(self) -> tuple[str, ...]:
        """The paper's numbers as text."""
        return tuple(
            str(float(number)) if number is not None and math.isfinite(number) else MISSING for number in self.paper
        )


@dataclass(frozen=True)
class Table:
    """Rows that may be compared. `write_table` of experiments adds `command`, `commit`, `device` and `versions`.

    Raises ValueError without title, columns or rows, and for a row that does not fit the columns.
    """

    experiment: str
    title: str
    """The place in the paper and the subject: "Table 3: adversarial examples"."""
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
    """Where the paper gives its numbers, and on which data and model they were measured."""
    figures: tuple[tuple[str, str], ...] = ()
    """Pictures: path of a PNG relative to the folder, caption."""
    command: str = ""
    commit: str = ""
    device: str = ""
    versions: str = ""

    def __post_init__(self) -> None:
        """Validate the table."""
        if not (self.title and self.columns and self.rows):
            raise ValueError("a table needs a title, columns and rows.")
        for row in self.rows:
            if not len(row.values) == len(row.paper) == len(self.columns):
                raise ValueError(
                    f"row {row.label} has {len(row.values)} values and {len(row.paper)} numbers of the paper, "
                    f"needs one per column: {len(self.columns)}."
                )

    def cell(self, values: Sequence[T], column: str) -> T:
        """Return the value of a column among a row's values, summaries or numbers of the paper."""
        return values[self.columns.index(column)]

    @property
    def place(self) -> str:
        """Data, model and mark in one line."""
        return " · ".join(filter(None, (self.dataset, self.model, self.mark))) or MISSING

    @property
    def groups(self) -> list[tuple[str, list[Row]]]:
        """The rows under each heading."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, lambda row: row.group)]

    @property
    def with_paper(self) -> tuple[bool, ...]:
        """For each column, whether the paper gives any number."""
        return tuple({*column} != {MISSING} for column in zip(*(row.papers for row in self.rows), strict=True))


def to_json(table: Table) -> dict[str, Any]:
    """Return the content of table.json; numbers that are not finite become null.

    >>> row = Row("ERM", values=((5.5, 5.7),), paper=(5.6,))
    >>> table = Table("cifar", "Figure 3", "", "REAL", "cifar10", "preact_resnet", ("error, %",), (row,), seeds=(0, 1))
    >>> read_table(to_json(table)) == table
    True
    """
    plain = {name: value for name, value in vars(table).items() if isinstance(value, str)}
    rows = [
        {
            "label": row.label,
            "values": [[value if math.isfinite(value) else None for value in values] for values in row.values],
            "paper": list(row.paper),
            "group": row.group,
            "note": row.note,
            **({"overlap": row.overlap} if row.overlap else {}),
        }
        for row in table.rows
    ]
    figures = [{"path": path, "caption": caption} for path, caption in table.figures]
    return plain | {
        "columns": list(table.columns), "rows": rows, "seeds": list(table.seeds), "figures": figures
    }  # fmt: skip


def read_table(content: dict[str, Any]) -> Table:
    """Validate the content of table.json; raises ValueError, naming the wrong field."""
    figures = items(content.get("figures"), "figures", dict)
    return Table(
        columns=tuple(text(name) for name in items(content.get("columns"), "columns")),
        rows=tuple(_row(row) for row in items(content.get("rows"), "rows", dict)),
        seeds=integers(content.get("seeds"), "seeds"),
        figures=tuple((text(figure.get("path")), text(figure.get("caption"))) for figure in figures),
        device=hardware(content.get("device")),
        **{name: text(content.get(name)) for name in WORDS},
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
        overlap=number(row.get("overlap", 0.0), "overlap"),
    )


def find_tables(paths: Iterable[Path]) -> tuple[list[tuple[Path, Table]], list[str]]:
    """Read every table.json below `paths` once, except inside runs.

    Returns the tables with their folders, in the order of their titles, and a line for each unusable file.
    """
    tables, warnings = [], []
    for folder in folders_with(NAME, paths):
        try:
            tables.append((folder, read_table(parse_json(read_text(folder / NAME)))))
        except ValueError as error:  # `Malformed` too
            warnings.append(f"{text(folder / NAME)}: {text(error)}; table skipped")
    return sorted(tables, key=lambda found: (found[1].title, found[0])), warnings
