"""Write a table of the paper with our numbers beside: table.json for the report, and a table in the terminal."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mixup_jax.config import Config
from mixup_jax.report.fields import text
from mixup_jax.report.tables import NAME, Table, to_json
from mixup_jax.report.wording import hardware
from mixup_jax.training import record
from mixup_jax.training.mesh import is_writer
from mixup_jax.training.provenance import describe


def write_table(folder: Path, table: Table) -> Table:
    """Write `table` to table.json in `folder`, with how it was made, and print it; return what was written."""
    from mixup_jax.report.terminal import paper_table  # scipy takes a second to import

    made = describe(Config(), table.experiment, "")
    words = {name: text(made[name]) for name in ("command", "commit", "versions")}
    table = replace(table, device=hardware(made["device"]), **words)
    if is_writer():
        record.write_json(folder / NAME, to_json(table))
        Console().print(paper_table(table))
    return table
