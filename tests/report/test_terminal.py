"""Laws of the terminal tables: no width cuts a value, a pipe has a line for each row, and names are never markup."""

import io
import os
import sys

import pytest
from rich.console import Console
from rich.table import Table

from experiments.models import entries
from experiments.models import table as table_of_models
from mixup_jax.report.conditions import group
from mixup_jax.report.runs import load_runs
from mixup_jax.report.terminal import results_table, summary_table
from mixup_jax.runtime.console import PIPE, Fitted, console


def printed(renderable, width=80):
    screen = Console(width=width, file=io.StringIO(), markup=False)
    screen.print(renderable)
    return screen.file.getvalue()


def words(text):
    return " ".join(text.split())


def test_a_row_is_mean_half_interval_and_seeds():
    text = printed(summary_table({"ERM": [5.0, 6.0], "mixup [red]": [4.2]}, title="CIFAR-10"))
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["ERM", "5.50", "±", "6.35", "2"],
        ["mixup", "[red]", "4.20", "1"],
    ]


@pytest.mark.parametrize("width", [80, 50, 30])
def test_the_table_of_runs_fits_and_cuts_no_value(two_methods, make_run, width):
    make_run("unfinished", alpha=8.0, errors=[9.0], done=7)
    text = printed(results_table(group(load_runs([two_methods])[0]), title="Results"), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for value in ("5.60 ± 0.10", "5.35 to 5.85", "12 min 34 s"):
        assert value in text  # on one line
    assert "at epoch 7 of 20" in words(text)
    assert "fashion_mnist · preact_resnet · SYNTHETIC" in words(text)


def test_a_pipe_gets_a_line_for_each_row(two_methods, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert console().width == PIPE
    monkeypatch.setitem(os.environ, "COLUMNS", "0")  # of who could not find it out
    assert console().width == PIPE
    monkeypatch.setitem(os.environ, "COLUMNS", "50")
    assert console().width == 50
    text = printed(results_table(group(load_runs([two_methods])[0]), title="Results"), PIPE)
    assert [line for line in text.splitlines() if line.startswith("ERM ") and "12 min 34 s" in line]
    assert max(map(len, text.splitlines())) < 120


@pytest.mark.parametrize("width", [80, 50, 20])
def test_every_word_of_a_table_is_shown_whatever_the_width(width):
    chosen = [entry for entry in entries() if "mlp" in entry.name or "lenet" in entry.name]
    text = printed(Fitted(table_of_models(chosen)), width)
    assert max(map(len, text.splitlines())) <= width
    for entry in chosen:
        assert entry.name in text
        assert entry.setting.paper in words(text)


def test_rows_of_several_tables_share_their_columns_until_they_are_blocks():
    tables = [Table("name", "value", title=title, box=None) for title in ("first", "second")]
    tables[0].add_row("a", "1")
    tables[1].add_row("[b]", "a sentence of six words here")
    lines = printed(Fitted(*tables), 60).splitlines()
    assert len({line.index(value) for line in lines for value in ("1 ", "a sentence") if value in line}) == 1
    assert "  value: 1" in printed(Fitted(*tables), 12)
