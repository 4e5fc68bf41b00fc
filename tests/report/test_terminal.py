"""Laws of the terminal tables: they fit 80 columns, and names are never markup."""

import io

from rich.console import Console

from mixup_jax.report.runs import load_runs
from mixup_jax.report.terminal import results_table, summary_table


def printed(renderable):
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_row_is_mean_half_interval_and_seeds():
    text = printed(summary_table({"ERM": [5.0, 6.0], "mixup [red]": [4.2]}, title="CIFAR-10"))
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["ERM", "5.50", "±", "6.35", "2"],
        ["mixup", "[red]", "4.20", "1"],
    ]


def test_the_table_of_runs_fits_eighty_columns(two_methods, make_run):
    make_run("unfinished", alpha=8.0, errors=[9.0], done=7)
    text = printed(results_table(load_runs([two_methods])[0], title="Results"))
    assert "ERM                       5.60 ± 0.10   5.35 to 5.85      3      —  12 min 34 s" in text
    assert "at epoch 7 of 20" in text
    assert "fashion_mnist · preact_resnet · SYNTHETIC" in text
