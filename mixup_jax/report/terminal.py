"""Print results as a table in the terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mixup_jax.report import tables
from mixup_jax.report.rows import Setting
from mixup_jax.report.statistics import decimal, summarise
from mixup_jax.report.tables import lines
from mixup_jax.report.wording import MISSING

COLUMNS = {"test error, %": 13, "95 % interval": 13, "seeds": 5, "paper": 5, "time": 11}


def summary_table(values: Mapping[str, Sequence[float]], *, title: str, column: str = "test error, %") -> Table:
    """Make a table of one row a condition: mean ± half the 95 % interval, and the number of seeds.

    `values` maps a condition to one number a seed. One seed has no interval.

    >>> from rich.console import Console
    >>> values = {"ERM": [5.5, 5.6, 5.4], "mixup, alpha = 1": [4.2, 4.3, 4.1]}
    >>> Console(width=60).print(summary_table(values, title="CIFAR-10"))  # doctest: +SKIP
    """
    table = _table(title)
    table.add_column("method")
    table.add_column(f"{column}\nmean ± 95 % interval", justify="right")
    table.add_column("seeds", justify="right")
    for label, numbers in values.items():
        summary = summarise(list(numbers))
        half = "" if summary.half_width is None else f" ± {decimal(summary.half_width)}"
        table.add_row(Text(label), f"{decimal(summary.mean)}{half}", str(summary.n))
    return table


def results_table(settings: Sequence[Setting], *, title: str) -> Group:
    """Make one table a setting (data, model and mark): the part of the page's table that a terminal has room for."""
    parts: list[Table | Text] = [Text(title, style="bold")]
    for setting in settings:
        place = " · ".join(name for name in (setting.dataset, setting.model, setting.mark) if name)
        table = _table(f"\n{place or MISSING}")
        table.add_column("method", width=22)
        for name, width in COLUMNS.items():
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for row in setting.rows:
            label = row.label
            if row.progress:
                done, planned = row.progress
                label += f"\nat epoch {done:g}" + (f" of {planned:g}" if math.isfinite(planned) else "")
            # Text, not str: square brackets in a name are no markup.
            table.add_row(*map(Text, (label, row.error, row.interval or MISSING, str(row.n), row.paper, row.time)))
        parts.append(table)
    return Group(*parts)


def paper_table(table: tables.Table) -> Group:
    """Make a table of the paper: ours, mean ± half of the 95 % interval, and the paper's numbers below."""
    place = " · ".join(name for name in (table.dataset, table.model, table.mark) if name)
    parts: list[Table | Text] = [Text(table.title, style="bold"), Text(f"{place or MISSING}\n", style="italic")]
    for index, (group, members) in enumerate([("", []), *lines(table)]):  # the head is a table without rows
        part = _table(f"\n{group}" if group else "")
        part.show_header = index == 0
        part.add_column("method", width=max(14, min(26, 72 - 15 * len(table.columns))))
        for name in table.columns:
            part.add_column(Text(name), justify="right", width=13)
        part.add_column("seeds", justify="right", width=6)
        for line in members:
            ours, paper = zip(*line.cells, strict=True)
            part.add_row(*map(Text, (line.label, *ours, line.seeds or MISSING)))
            if any(paper):
                part.add_row(*map(Text, ("  paper", *paper)), style="dim")
        parts.append(part)
    source = f"; paper: {table.source}" if table.source else ""
    return Group(*parts, Text(f"\nMean over seeds ± half of the 95 % interval{source}.", style="dim"))


def _table(title: str) -> Table:
    return Table(
        title=Text(title, style="italic") if title else None,
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
