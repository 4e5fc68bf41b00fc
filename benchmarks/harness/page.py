"""The page of all benchmarks: tables, where and with what they were measured, on the terminal and as Markdown."""

import inspect
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.table import Table as Grid

from benchmarks.harness.turns import FULL, QUICK, Effort, as_in_runs
from mixup_jax.runtime.console import Fitted, console, write_any_character

QUICK_RUN = "**A quick run, small and hardly optimised, to see that everything works: the numbers mean nothing.**"
USED = ("grain", "simplejpeg", "opencv-python-headless", "pillow")
PEERS = ("torch", "timm", "torchvision", "keras", "tensorflow-cpu")


@dataclass(frozen=True)
class Table:
    """A table of the page: rows of text under the names of the columns, and a paragraph on what is compared."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: str = ""


Measure = Callable[[Effort], list[Table]]
"""What each module of a section offers, as `measure`."""


def alone(measure: Measure) -> None:
    """Run the benchmark of one module from the command line: ``python -m benchmarks.NAME [--quick]``."""

    def main(quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False) -> None:
        """Measure, and print the tables.

        Args:
            quick: Small sizes and few turns: does it work? The numbers mean little.
        """
        for table in measure(effort_of(quick)):
            show(table)

    write_any_character()
    tyro.cli(main, description=inspect.getdoc(inspect.getmodule(measure)))


def effort_of(quick: bool) -> Effort:
    """Return how much to do; what is quick also compiles to slower code, here and in the processes that are started."""
    if quick:
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        jax.config.update("jax_disable_most_optimizations", True)
    return QUICK if quick else FULL


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


def preamble(made: dict[str, Any], effort: Effort, took: float, absent: Sequence[str]) -> str:
    """Say where, when and with what the page was measured, and which sections are `absent`.

    `made` is the `origin` of its beginning, with the load then.
    """
    installed = made["versions"] | {name: _version(name) for name in (*USED, *PEERS)}
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in installed.items())
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
        "sections on training steps, seeds and growth); compiling is not counted. A figure is the median (least-most) "
        "of its turns, a ratio is of turns that followed each other: what else the machine did hits both; trust ratios "
        "more.",
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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(
    path: Path, tables: Sequence[Table], made: dict[str, Any], effort: Effort, took: float, absent: Sequence[str]
) -> None:
    """Write the page; it took `took` seconds to make, and sections may be `absent`."""
    parts = [preamble(made, effort, took, absent), *map(markdown, tables)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
