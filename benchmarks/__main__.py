"""All benchmarks on one page: docs/benchmarks.md.

    python -m benchmarks                       # three quarters of an hour on two cores
    python -m benchmarks --quick               # two minutes: does everything work?
    python -m benchmarks --only mixing memory   # some of it

Peers that are not installed are skipped with a note (pip install torch torchvision timm keras tensorflow-cpu). The page
is written after each section; one that fails says so there, and the others go on. An accelerator is checked by
python -m benchmarks.accelerator.
"""

import os
import time
import traceback
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated

import jax
import tyro

from benchmarks.harness.page import Table, load_average, show, write
from benchmarks.harness.turns import FULL, QUICK, STDERR, Effort, import_torch
from mixup_jax.runtime.console import write_any_character
from mixup_jax.runtime.provenance import origin

SECTIONS = (
    "limits",
    "mixing",
    "training_step",
    "time_to_accuracy",
    "growth",
    "input_pipeline",
    "predict",
    "augmentation",
    "checkpoints",
    "memory",
    "first_step",
)
"""Modules of this package, in the order of the page; each offers ``measure(effort) -> list of tables``."""
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main(
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = (),
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    rounds: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
) -> None:
    """Measure, print the tables and write the page.

    Args:
        only: Sections to measure: limits, mixing, training_step, ... (the names of the modules).
        quick: Small sizes, few turns and a compiler in a hurry, to see that everything works.
        rounds: Turns of each contestant; 9 if left out.
        out: Where the page goes; docs/benchmarks.md if left out, nowhere if only a part or --quick was asked for.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if rounds is not None and rounds < 1:
        raise SystemExit(f"error: --rounds must be at least 1, got {rounds}")
    if rounds is not None and quick:
        raise SystemExit("error: --rounds does not go with --quick, whose turns are few")
    if unknown:
        raise SystemExit(f"error: --only {' '.join(unknown)}: must be among {', '.join(SECTIONS)}")
    if quick:  # slower code, sooner, also in the processes that are started
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        jax.config.update("jax_disable_most_optimizations", True)
    out = out if out or quick or only else PAGE
    tables, failed, began = list[Table](), list[str](), time.time()
    effort = QUICK if quick else replace(FULL, rounds=rounds or FULL.rounds)
    names, made = only or SECTIONS, origin() | {"load": load_average()}
    import_torch()
    for index, name in enumerate(names):
        minutes = (time.time() - began) / 60
        STDERR.print(f"{index + 1} of {len(names)}: {name}, {minutes:.1f} minutes so far", highlight=False)
        found = tables_of(name, effort)
        failed += [] if found else [name]
        for table in found:
            show(table)
        tables += found
        if out:  # after each section: an hour's work is not lost to the last one
            write(out, tables, made, effort, time.time() - began, [*failed, *names[index + 1 :]])
    if out:
        STDERR.print(f"{out}", highlight=False, soft_wrap=True)
    if failed:
        raise SystemExit(f"error: failed, see above: {', '.join(failed)}")


def tables_of(name: str, effort: Effort) -> list[Table]:
    """Measure a section; where it fails, print why and return nothing: the others are not to be lost."""
    try:
        return import_module(f"benchmarks.{name}").measure(effort)
    except Exception:  # whatever it was
        traceback.print_exc()
        return []


if __name__ == "__main__":
    write_any_character()
    tyro.cli(main, prog="python -m benchmarks", description=__doc__)
