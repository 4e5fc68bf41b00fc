"""Print results as a table in the terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from mixup_jax.report import tables
from mixup_jax.report.conditions import Condition, result_tables
from mixup_jax.report.format import MISSING, duration
from mixup_jax.report.statistics import summarise
from mixup_jax.runtime.console import Fitted

COLUMNS = ("test error, %", "95 % interval", "seeds", "paper", "time")


def summary_table(values: Mapping[str, Sequence[float]], *, title: str) -> Fitted:
    """Make a table of one row per condition: mean ± half of the 95 % interval, and the number of seeds.

    `values` maps a condition to one test error per seed. One seed has no interval.

    >>> from rich.console import Console
    >>> values = {"ERM": [5.5, 5.6, 5.4], "mixup, alpha = 1": [4.2, 4.3, 4.1]}
    >>> Console(width=60).print(summary_table(values, title="CIFAR-10"))  # doctest: +SKIP
    """
    table = _table(title, "test error, %\nmean ± 95 % interval", "seeds")
    for label, numbers in values.items():
        table.add_row(Text(label), summarise(numbers).with_half_width, str(len(numbers)))
    return Fitted(table)


def results_table(conditions: Sequence[Condition], *, title: str) -> Group:
    """Make a table for each setting (data, model and mark): the columns of the page that a terminal has room for."""
    parts: list[Fitted | Text] = [Text(title, style="bold")]
    for results in result_tables(conditions):
        table = _table(f"\n{results.place}", *COLUMNS)
        for row in results.rows:
            error, paper = results.cell(row.summaries, "test_error"), results.cell(row.paper, "test_error")
            seconds = sum(results.cell(row.values, "wall_seconds"))
            label, interval = row.label, error.interval
            if row.progress:
                done, planned = row.progress
                label += f"\nat epoch {done:g}" + (f" of {planned:g}" if math.isfinite(planned) else "")
                interval = MISSING
            shown = MISSING if paper is None else f"{paper:g}"
            # Text, not str: square brackets in a name are no markup.
            table.add_row(*map(Text, (label, str(error), interval, str(error.n), shown, duration(seconds))))
        parts.append(Fitted(table))
    return Group(*parts)


def paper_table(table: tables.Table) -> Group:
    """Make a table of the paper: ours, mean ± half of the 95 % interval, and the paper's numbers below."""
    with_paper, parts = table.with_paper, []
    for index, (heading, rows) in enumerate([("", []), *table.groups]):  # the head is a table without rows
        part = _table(f"\n{heading}" if heading else "", *table.columns, "seeds")
        part.show_header = index == 0
        for row in rows:
            ours = (summary.with_half_width for summary in row.summaries)
            part.add_row(*map(Text, (row.label, *ours, row.seeds or MISSING)))
            if any(with_paper):
                papers = (paper if given else "" for paper, given in zip(row.papers, with_paper, strict=True))
                part.add_row(*map(Text, ("  paper", *papers, "")), style="dim")
        parts.append(part)
    head = Text(table.title, style="bold"), Text(f"{table.place}\n", style="italic")
    source = f"; paper: {table.source}" if table.source else ""
    return Group(*head, Fitted(*parts), Text(f"\nMean over seeds ± half of the 95 % interval{source}.", style="dim"))


def _table(title: str, *columns: str) -> Table:
    """Make a table of methods, whose names may break between words, and of numbers, which may not."""
    return Table(
        Column("method"),
        *(Column(Text(name), justify="right", no_wrap=True) for name in columns),
        title=Text(title, style="italic") if title else None,
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
