"""Laws of table 4's experiment: errors of the same splits beside each other, from the command to the page."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import report
from experiments.commands.settings import run_settings
from experiments.tabular import __main__ as tabular
from experiments.tabular.train import Tabular, load_tables, plan, train_and_test
from mixup_jax.data.tables.splits import Split
from mixup_jax.report.plots.paper_figures import differences
from mixup_jax.report.tables import find_tables


@pytest.mark.slow
def test_the_smoke_run_leaves_a_table_that_the_report_shows_and_the_same_numbers_again(tmp_path):
    table = tabular.run(Tabular(smoke=True), tmp_path)
    ((_, found),), _ = find_tables([tmp_path])
    assert found == table
    assert [row.label for row in table.rows] == ["ERM", "mixup, alpha = 0.1"]
    content = json.loads((tmp_path / "tabular.json").read_text())
    errors = content["errors"]["iris"]
    assert content["settings"].items() >= {"seeds": 2, "epochs": 2.0, "width": 128}.items()
    test = np.array(errors["test"])
    assert test.shape == (2, 2)
    assert table.rows[1].values[0] == tuple(test[:, 1])
    assert table.rows[1].values[1] == tuple(test[:, 1] - test[:, 0])
    assert table.rows[0].paper[0] == 21.3
    tabular.run(Tabular(smoke=True), tmp_path / "again")
    assert json.loads((tmp_path / "again" / "tabular.json").read_text())["errors"]["iris"] == errors
    report.main((tmp_path,), tmp_path / "report.html")
    assert "cannot be reproduced from its text" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_a_csv_file_of_two_far_classes_is_learned(tmp_path):
    rows = [f"{i % 2 * 4 + i / 100},{'left' if i % 2 else 'right'},{'yes' if i % 2 else 'no'}" for i in range(60)]
    (tmp_path / "far.csv").write_text("\n".join(["position,side,answer", *rows]))
    job = Tabular(csv=tmp_path / "far.csv", target="answer", alphas=(0.2,), seeds=2, epochs=60.0)
    table = tabular.run(job, tmp_path)
    assert (table.title, table.dataset, table.mark, table.source) == ("Tabular data: far", "far", "REAL", "")
    assert "paper" not in table.text
    assert json.loads((tmp_path / "tabular.json").read_text())["settings"]["csv"] == str(tmp_path / "far.csv")
    assert all(row.values[0] == (0.0, 0.0) and row.paper == (None,) * 3 for row in table.rows)


@pytest.mark.parametrize(("rows", "batch_size", "steps"), [(12, 12, 10), (16, 16, 10), (120, 16, 75), (4000, 16, 2500)])
def test_ten_epochs_are_ten_passes_through_however_few_rows(rows, batch_size, steps):
    short = plan(Tabular(), rows, classes=2)
    assert (short.batch_size, short.steps) == (batch_size, steps)


def test_an_answer_of_nan_is_an_error_whatever_the_label():
    x, label = np.eye(8, 3, dtype=np.float32), np.arange(8, dtype=np.int32) % 2
    split = Split(x, label, x * np.float32(np.nan), label)
    _, error, _ = train_and_test(np.int32(0), split, np.float32(0), plan(Tabular(), 8, 2), kept=False)
    assert error == 100


def test_the_mark_is_that_of_the_data():
    errors = {"made": {"test": np.zeros((2, 2)), "train": np.zeros((2, 2))}}
    job = Tabular(csv=Path("made.csv"), target="kind", alphas=(0.2,), seeds=2)
    assert tabular.table(errors, job, mark="SYNTHETIC").mark == "SYNTHETIC"


def test_the_picture_tells_the_differences():
    figure = differences({"iris": {"alpha = 1": [1.0, 2.0]}, "htru2": {"alpha = 1": [-0.5]}}, "points")
    assert "iris, alpha = 1: 1.50; htru2, alpha = 1: −0.50" in figure.get_label()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"csv": "a.csv"}, "--csv and --target go together"),
        ({"datasets": ("iris", "wine")}, "datasets must be among .*, got wine"),
        ({"alphas": (0.0,)}, "alphas must be different positive numbers"),
        ({"alphas": (0.2, 0.2)}, "alphas must be different positive numbers"),
        ({"seeds": 0}, "seeds must be at least 1 .*, got 0"),
        ({"epochs": float("nan")}, "epochs must be positive.*, got nan"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Tabular(**options)


def test_what_was_understood_of_a_table_is_printed_before_training(tmp_path, monkeypatch, capfd):
    rows = "".join(f"{i % 13},{'red' if i % 3 else '?'},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "boxes.csv").write_text("size,colour,kind\n" + rows)
    options = ["--csv", str(tmp_path / "boxes.csv"), "--target", "kind", "--smoke", "--workdir", str(tmp_path / "w")]
    monkeypatch.setattr(sys, "argv", ["tabular.py", *options])
    run_settings("tabular", "", tabular.PRESETS, lambda job, _: load_tables(job), default="paper", leaves="")
    printed = capfd.readouterr().err
    assert "boxes: size: number, 0 to 12" in printed
    assert "boxes: colour: category, 1 value: red; 20 missing (20 ?)" in printed
    assert "copies of others" in printed
