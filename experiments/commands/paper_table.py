"""Write a table of the paper with our numbers: table.json for the report, and a table in the terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixup_jax.report.format import hardware, text
from mixup_jax.report.tables import NAME, Table, to_json
from mixup_jax.report.terminal import paper_table
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.console import console
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.provenance import origin


def write_table(folder: Path, table: Table, results: Iterable[Mapping[str, Any]] = ()) -> Table:
    """Write `table` to table.json in `folder`, with its provenance, and print it; return what was written.

    `results` are the runs that made the numbers, whose commits, devices and versions the table gets. Without any, this
    process made them.
    """
    here = origin()
    made = list(results) or [here]
    words = {name: _all(text(each[name]) for each in made) for name in ("commit", "versions")}
    device = _all(hardware(each["device"]) for each in made)
    table = replace(table, command=text(here["command"]), device=device, **words)
    if is_writer():
        write_json(folder / NAME, to_json(table))
        console().print(paper_table(table))
    return table


def provenance_of(networks: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Return the provenance of numbers about trained networks: the runs that trained them, and this process."""
    return [*(result for network in networks for result in network.results), origin()]


def _all(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
