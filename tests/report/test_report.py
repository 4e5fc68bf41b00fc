"""Laws of the command: a page and a table, or one line and exit 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands.errors import one_line_errors
from experiments.report import main

ROOT = Path(__file__).parents[2]


PROGRAM = """
import runpy, sys
sys.argv[0] = "experiments.report"
runpy.run_module("experiments.report", run_name="__main__")
print([name for name in sys.modules if name.startswith("mixup_jax.training")])
"""


@pytest.mark.thorough
def test_the_command_writes_the_page_and_prints_the_table_without_the_training_code(two_methods, tmp_path):
    output = tmp_path / "new" / "report.html"
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(two_methods), "-o", str(output)]
    environment = {**os.environ, "COLUMNS": "80", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert "mixup, alpha = 1" in done.stdout
    assert "95 % interval −1.55 to −1.05" in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-2:] == [f"page: {output.resolve()}", "[]"]
    assert output.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("runs", "output", "message"),
    [
        ("nowhere", "report.html", "nowhere: no such folder"),
        ("empty", "report.html", "no runs found under"),
        ("runs", "file/report.html", "report.html could not be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(capsys, make_run, tmp_path, runs, output, message):
    make_run("erm", alpha=0.0, errors=[5.5], reliability=None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop, one_line_errors():
        main((tmp_path / runs,), tmp_path / output)
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert line.startswith("error: ")
    assert message in line


def test_a_malformed_run_is_a_warning_and_the_rest_is_reported(capsys, two_methods, tmp_path):
    (two_methods / "erm" / "config.json").write_text(json.dumps({"nothing": 1}))
    main((two_methods,), tmp_path / "report.html")
    captured = capsys.readouterr()
    assert captured.err.count("warning: ") == 1
    assert "Skipped files" in (tmp_path / "report.html").read_text()


def test_of_many_malformed_runs_the_first_are_named_and_the_page_names_all(capsys, two_methods, tmp_path):
    for number in range(30):
        (two_methods / f"bad{number}").mkdir()
        (two_methods / f"bad{number}" / "config.json").write_text("{")
    main((two_methods,), tmp_path / "report.html")
    *named, others = capsys.readouterr().err.splitlines()
    assert len(named) + int(others.split()[1]) == 30
    assert len(named) < 30
    page = (tmp_path / "report.html").read_text()
    assert all(f"bad{number}/config.json" in page for number in range(30))


def test_where_no_run_can_be_used_all_are_named(capsys, tmp_path):
    for number in range(30):
        (tmp_path / f"bad{number}").mkdir()
        (tmp_path / f"bad{number}" / "config.json").write_text("{")
    with pytest.raises(ValueError, match="no runs found"):
        main((tmp_path,), tmp_path / "report.html")
    assert len(capsys.readouterr().err.splitlines()) == 30
