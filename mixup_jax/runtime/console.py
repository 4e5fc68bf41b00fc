"""What is printed for people: a console for every terminal, pipe and encoding, and tables that fit it."""

import codecs
import copy
import io
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

PIPE = 10_000
"""Columns of a pipe or a file: nothing is wrapped there, so that a line of it is a row."""
PLAIN = {"±": "+-", "—": "-", "·": "|", "×": "x", "µ": "u", "α": "alpha", "λ": "lambda", "é": "e"}
"""What is written in place of characters of ours that an encoding lacks; others are escaped."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes no name for markup; it is as wide as the terminal, COLUMNS, or a pipe.

    >>> console().width >= 20
    True
    """
    made = Console(stderr=stderr, markup=False, highlight=False)
    if made.width < 1:  # COLUMNS is 0 where somebody could not find it out
        made.width = shutil.get_terminal_size().columns if made.is_terminal else PIPE
    elif not (made.is_terminal or made.is_jupyter or os.environ.get("COLUMNS", "").isdigit()):
        made.width = PIPE
    return made


class Fitted:
    """Tables of the same columns, one below the other: no value is cut, whatever the width of the terminal.

    Cells break between words, those of `no_wrap` columns never; where that is not enough, each row is a block of lines.

    >>> table = Table("method", Column("error, %", no_wrap=True), box=None, pad_edge=False)
    >>> table.add_row("mixup, alpha = 1", "5.60 ± 0.10")
    >>> Console(width=24).print(Fitted(table))
    method      error, %
    mixup,      5.60 ± 0.10
    alpha = 1
    >>> Console(width=16).print(Fitted(table))
    mixup, alpha = 1
      error, %: 5.60
      ± 0.10
    """

    def __init__(self, *tables: Table):
        self._tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the tables with columns as wide as their values need, or the rows as blocks."""
        columns = [*zip(*(table.columns for table in self._tables), strict=True)]
        widths = [max(map(_least, same)) for same in columns]
        frame = self._with(widths)[0].__rich_measure__(console, options.update(max_width=PIPE)).maximum - sum(widths)
        spare = options.max_width - frame - sum(widths)
        if spare < 0:
            for table in self._tables:
                yield from _blocks(table)
            return
        wanted = [max(map(_whole, same)) - width for same, width in zip(columns, widths, strict=True)]
        for index in sorted(range(len(widths)), key=wanted.__getitem__):  # so that long sentences break first
            more = min(spare, wanted[index])
            widths[index], spare = widths[index] + more, spare - more
        yield from self._with(widths)

    def _with(self, widths: list[int]) -> list[Table]:
        """Return the tables with columns of these widths."""
        shown = [copy.copy(table) for table in self._tables]
        for table in shown:
            pairs = zip(table.columns, widths, strict=True)
            table.columns = [replace(column, width=width, no_wrap=False, overflow="fold") for column, width in pairs]
        return shown


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _least(column: Column) -> int:
    """Return the width below which a value of the column would be cut, or one that stays whole would break."""
    cells = [_plain(cell) for cell in column.cells]
    parts = [part for cell in cells for part in (cell.splitlines() if column.no_wrap else cell.split())]
    return max(map(cell_len, [*_plain(column.header).split(), *parts]), default=1)


def _whole(column: Column) -> int:
    """Return the width at which nothing of the column breaks."""
    return max(
        (cell_len(line) for cell in (column.header, *column.cells) for line in _plain(cell).splitlines()), default=1
    )


def _blocks(table: Table) -> Iterator[RenderableType]:
    """Yield the rows of a table as blocks: the first cell, and below it the others with the names of their columns."""
    if table.title:
        yield Text(_plain(table.title), style="italic")
    names = [" ".join(_plain(column.header).split()) for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield Text(_plain(first))
        for name, cell in zip(names[1:], map(_plain, others), strict=True):
            if cell:
                yield Padding(Text(f"{name}: {cell}" if name else cell), (0, 0, 0, 2), expand=False)
    if table.caption:
        yield Text(_plain(table.caption), style="dim")


def write_any_character() -> None:
    """Let what is printed from now on hold characters that the encoding of the output lacks: spelled or escaped."""
    codecs.register_error("mixup_jax", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # tests and notebooks put something else here
            stream.reconfigure(errors="mixup_jax")


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Spell the characters of an error of encoding, as `codecs.register_error` wants it.

    >>> _spelled(UnicodeEncodeError("ascii", "5 ± 雪", 2, 5, "not there"))
    ('+- \\\\u96ea', 5)
    """
    if not isinstance(error, UnicodeEncodeError):
        return codecs.backslashreplace_errors(error)
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(each, each.encode("ascii", "backslashreplace").decode()) for each in missing), error.end
