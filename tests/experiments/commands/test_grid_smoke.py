"""The smoke runs of the experiments that make a table of many runs: from the command to the page."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import prepare_speech, report
from mixup_jax.report.tables import find_tables

ROOT = Path(__file__).parents[3]


def call(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # one device, as at home
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("corrupted_labels", 4),
        ("ablation", 4),
        ("speech", 4),
    ],
)
@pytest.mark.slow
def test_the_smoke_run_leaves_a_table_that_the_report_shows_and_starts_nothing_twice(name, rows, tmp_path, capsys):
    folder = tmp_path / name
    printed = call(f"experiments.{name}", "--smoke", "--workdir", folder)
    [(_, table)], warnings = find_tables([folder])
    assert not warnings
    assert len(table.rows) == rows
    seeds = {len(values) for row in table.rows for values in row.values if row.label != "ERM"}
    assert seeds == {len(table.seeds)} == {1}
    assert all(len(row.values[0]) == 1 for row in table.rows)  # ERM has no difference to ERM
    assert table.dataset.startswith("chirps" if name == "speech" else "digits")
    assert "epoch 1:" in printed
    again = call(f"experiments.{name}", "--smoke", "--workdir", folder)
    assert "epoch 1:" not in again
    page = tmp_path / "report.html"
    report.main((folder,), page)
    assert table.title.split(":")[0] in capsys.readouterr().out
    html = page.read_text()
    assert table.title in html
    assert all(row.label in html for row in table.rows)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(prepare_speech.ENGINE) is None, reason="espeak-ng is not installed")
def test_from_spoken_words_to_a_table_of_them(tmp_path):
    assert "120 recordings" in call("experiments.prepare_speech", tmp_path / "words", "--smoke")
    options = ["--networks", "lenet", "--lenet-width", 4, "--alphas", 0, 0.2, "--train-examples", 50, "--seeds", 1]
    recipe = ["--batch-size", 10, "--epochs", 2, "--unmixed-epochs", 1, "--decay-epochs", 1, "--eval-every", 1]
    source = ["--dataset", f"speech:{tmp_path / 'words'}", "--workdir", tmp_path / "run"]
    printed = call("experiments.speech", "small", *source, *options, *recipe)
    assert "epoch 2:" in printed
    [(_, table)], _ = find_tables([tmp_path / "run"])
    assert (table.mark, [len(row.values[0]) for row in table.rows]) == ("SYNTHETIC", [1, 1])
    assert "first 50 recordings" in table.dataset
