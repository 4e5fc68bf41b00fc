"""The commands of the experiments that train shortly: they run, without a network, and leave what they say."""

import csv

import numpy as np
import pytest
from test_grid_smoke import call

from mixup_jax.report.runs import load_runs
from mixup_jax.report.tables import find_tables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("toy", ["figures/surfaces.png"]),
        ("tabular", ["figures/differences.png", "tabular.json"]),
        ("gan", ["figures/points.png", "gan.json"]),
    ],
)
def test_the_smoke_command_leaves_its_table_and_its_picture(name, files, tmp_path, monkeypatch):
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("MIXUP_JAX_DATA", str(tmp_path / "nothing"))
    for protocol in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(protocol, "http://127.0.0.1:9")  # where nobody answers
    folder = tmp_path / name
    printed = call(f"experiments.{name}", "--smoke", "--workdir", folder)
    [(_, table)], warnings = find_tables([folder])
    assert not warnings
    assert table.experiment == name
    assert f"-m experiments.{name} --smoke" in table.command
    for file in ["table.json", *files]:
        assert (folder / file).stat().st_size > 0
        assert file in printed


@pytest.mark.slow
def test_the_wafer_commands_leave_two_tables_and_a_csv(tmp_path):
    folder, output = tmp_path / "wafer", tmp_path / "out" / "defects.csv"
    printed = call("experiments.wafer", "--smoke", "--only", "overlay-sigmoid", "--workdir", folder)
    tables, warnings = find_tables([folder])
    assert not warnings
    assert [table.experiment for _, table in tables] == ["wafer", "wafer"]
    assert str(folder) in printed
    for file in ("table.json", "by_number/table.json", "figures/confusion.png", "figures/judged.png"):
        assert (folder / file).stat().st_size > 0
    (tmp_path / "new").mkdir()
    np.save(tmp_path / "new" / "a.npy", np.random.default_rng(0).integers(0, 3, (30, 30)))
    printed = call("experiments.wafer", "predict", folder / "overlay-sigmoid", tmp_path / "new", "-o", output)
    assert "defects.csv: 1 maps" in printed
    with output.open() as file:
        assert [row["map"] for row in csv.DictReader(file)] == ["a.npy"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "methods"),
    [
        (["gridmix", "--alphas", "0", "1", "--cells", "8"], ["ERM", "GridMix, alpha = 1"]),
        (["regmixup", "--partner", "optimal"], ["RegMixup, alpha = 20 + k-mixup, k = 16"]),
    ],
)
def test_a_method_of_the_library_is_trained_named_and_not_trained_twice(options, methods, tmp_path):
    words = ["experiments.cifar", "small-mixup", "--method", *options, "--smoke", "--seeds", "2", "--workdir", tmp_path]
    printed = call(*words)
    runs, warnings = load_runs([tmp_path])
    assert not warnings
    assert [run.method for run in runs] == methods
    assert all(run.finished and len(run.seeds) == 2 for run in runs)
    assert all(name.split(",")[0] in printed for name in methods)
    assert "epoch 1:" in printed
    assert "epoch 1:" not in call(*words)
