"""Write a table of the paper with our numbers beside: table.json for the report, and a table in the terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mixup_jax.report.fields import text
from mixup_jax.report.tables import NAME, Table, to_json
from mixup_jax.report.wording import hardware
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.mesh import is_writer
from mixup_jax.runtime.provenance import origin


def write_table(folder: Path, table: Table, results: Iterable[Mapping[str, Any]] = ()) -> Table:
    """Write `table` to table.json in `folder`, with how it was made, and print it; return what was written.

    `results` are the runs behind the numbers: their commits, devices and versions are those of the table, for it may be
    put together later and elsewhere. Without any, the numbers were made by this very command.
    """
    from mixup_jax.report.terminal import paper_table  # scipy takes a second to import

    here = origin()
    made = list(results) or [here]
    words = {name: _all(text(each[name]) for each in made) for name in ("commit", "versions")}
    device = _all(hardware(each["device"]) for each in made)
    table = replace(table, command=text(here["command"]), device=device, **words)
    if is_writer():
        record.write_json(folder / NAME, to_json(table))
        Console(markup=False).print(paper_table(table))
    return table


def behind(networks: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Return where numbers about trained networks come from: the runs that trained them, and this process."""
    return [*(result for network in networks for result in network.results), origin()]


def _all(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
