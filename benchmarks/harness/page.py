"""The page of all benchmarks: tables, where and with what they were measured, on the terminal and as Markdown."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from benchmarks.harness.turns import QUICK, Effort, as_in_runs
from mixup_jax.runtime.console import Fitted, console

QUICK_RUN = "**A quick run, small and hardly optimised, to see that everything works: the numbers mean nothing.**"
PEERS = ("grain", "torch", "timm", "torchvision", "keras", "tensorflow-cpu")


@dataclass(frozen=True)
class Table:
    """A table of the page: rows of text under the names of the columns, and a paragraph on what is compared."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: str = ""


def show(table: Table) -> None:
    """Print a table on the terminal."""
    grid = Grid(title=table.title, caption=table.text or None, caption_justify="left", title_justify="left")
    for index, column in enumerate(table.columns):
        grid.add_column(column, justify="right" if index else "left")
    for row in table.rows:
        grid.add_row(*row)
    console().print(Fitted(grid), "")


def markdown(table: Table) -> str:
    """Return a table as a section of Markdown.

    >>> print(markdown(Table("Copies", ["", "GB/s"], [["one core", "10"]], "A copy reads and writes.")))
    ## Copies
    <BLANKLINE>
    A copy reads and writes.
    <BLANKLINE>
    | | GB/s |
    |---|--:|
    | one core | 10 |
    """
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (table.columns, *table.rows)]
    rule = "|---" + "|--:" * (len(table.columns) - 1) + "|"
    text = [table.text, ""] if table.text else []
    return "\n".join([f"## {table.title}", "", *text, lines[0], rule, *lines[1:]])


def write(
    path: Path, tables: Sequence[Table], made: dict[str, Any], effort: Effort, took: float, absent: Sequence[str]
) -> None:
    """Write the page; it took `took` seconds to make, and sections may be `absent`.

    `made` is the `origin` of its beginning, with the load then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [preamble(made, effort, took, absent), *map(markdown, tables)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def preamble(made: dict[str, Any], effort: Effort, took: float, absent: Sequence[str]) -> str:
    """Say where, when and with what the page was measured, and which sections are `absent`."""
    versions = ", ".join(f"{name} {number}" for name, number in (made["versions"] | peers()).items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    device = f"{made['device']['kind']}, {memory:.0f} GiB of memory, {platform.system()} {platform.release()}"
    lines = [
        "# Benchmarks",
        "",
        *([QUICK_RUN, ""] if effort == QUICK else []),
        *([f"**Not whole: without {', '.join(absent)}.**", ""] if absent else []),
        f"`{made['command']}`, {made['started'][:10]}, commit {made['commit']}, {took / 60:.0f} minutes.",
        "",
        f"* {device}; load average at the beginning {made['load']}, at the end {load_average()}",
        f"* {versions}",
        f"* huge pages of memory: {huge_pages()}; GLIBC_TUNABLES: {os.environ.get('GLIBC_TUNABLES') or 'not set'}",
        "",
        f"Where a section says nothing else, contestants take turns in one process, {effort.rounds} each that count "
        f"after one to warm up, of {effort.seconds:g} s or one piece of work ({as_in_runs(effort).seconds:g} s in the "
        "sections on training steps, growth and one's own photographs); compiling is not counted. A figure is the "
        "median (least-most) of its turns, a ratio is of turns that followed each other: what else the machine did "
        "hits both; trust ratios more. Where another's time over ours is above 1, ours is faster.",
    ]
    return "\n".join(lines)


def load_average() -> str:
    """Return how many processes wanted a core, in the last 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def huge_pages() -> str:
    """Return when Linux gives a process pages of 2 MiB: "always", "madvise" (if asked to) or "never"."""
    try:
        choices = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return choices[choices.index("[") + 1 : choices.index("]")]


def peers() -> dict[str, str]:
    """Return the versions of what ours is compared with."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
