"""Make one HTML page, and tables in the terminal, of run folders and the tables of the paper. Nothing is trained.

    python -m experiments.report                        # every run below runs/ -> report.html
    python -m experiments.report runs/cifar -o cifar.html

The page contains its pictures and needs no network. Its tables sort and filter, and its figures tell values on hover.
"""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from experiments.commands.errors import call, one_line_errors
from mixup_jax.report.conditions import compare, group
from mixup_jax.report.page import write_page
from mixup_jax.report.plots import illustrations
from mixup_jax.report.runs import load_runs
from mixup_jax.report.tables import find_tables
from mixup_jax.report.terminal import paper_table, results_table
from mixup_jax.runtime.console import console

DENSITIES = (
    "How strongly each alpha mixes: in brackets the average share of the smaller part of a mixed example, from 0 (ERM) "
    "to 0.5 (always half and half)."
)

MOST_WARNINGS = 20
"""Warnings that are shown in the terminal where there is a page, which shows them all."""


def main(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUNS ...]")] = (Path("runs"),),
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("report.html"),
    title: Annotated[str, tyro.conf.arg(metavar="TEXT")] = "mixup: results",
) -> None:
    """Write a report of finished and unfinished runs: one self-contained HTML page, and a table in the terminal.

    Args:
        runs: Run folders, or folders that hold run folders at any depth.
        output: The page to write; an older one is replaced.
        title: The heading of the page.
    """
    missing = [path for path in runs if not path.exists()]
    if missing:
        raise ValueError(f"{missing[0]}: no such folder")
    found, warnings = load_runs(runs)
    tables, unusable = find_tables(runs)
    warnings += unusable
    named = MOST_WARNINGS if found or tables else len(warnings)  # without a page all are named here
    for warning in warnings[:named]:
        print(f"warning: {warning}", file=sys.stderr)
    if len(warnings) > named:
        print(f"warning: {len(warnings) - named:,} more stand at the end of the page", file=sys.stderr)
    if not (found or tables):
        raise ValueError(f"no runs found under {', '.join(map(str, runs))}; a run is a folder with a config.json")
    figures = [(DENSITIES, illustrations.beta_densities())]
    write_page(found, output, title=title, tables=tables, figures=figures, warnings=warnings)
    conditions, screen = group(found), console()
    screen.print()
    screen.print(results_table(conditions, title=title))
    screen.print()
    for comparison in compare(conditions):
        screen.print(comparison.sentence())
    for _, table in tables:
        screen.print()
        screen.print(paper_table(table))
    screen.print(f"\npage: {output.resolve()}", soft_wrap=True)


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.report")
