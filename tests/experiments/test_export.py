"""The command `export`: a run's folder to a folder for others."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.export import main
from mixup_jax import load
from mixup_jax.weights.exported import sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(trained_pair):
    """The folder of a finished run of three seeds."""
    return trained_pair.erm[0]


def images_of(network):
    return np.random.RandomState(0).randint(0, 256, (40, *network.image_shape)).astype(np.uint8)


def seed_of(network, index):
    """Return a network of several seeds as that of one."""
    params, stats = jax.tree.map(lambda leaf: leaf[index : index + 1], (network.params, network.batch_stats))
    return replace(network, params=params, batch_stats=stats, seeds=network.seeds[index : index + 1])


@pytest.mark.thorough
def test_an_export_predicts_what_its_run_does(run, tmp_path, capsys):
    main(run, tmp_path / "export", seed=1)
    there, here = load(run), load(tmp_path / "export")
    images = images_of(there)
    np.testing.assert_array_equal(here(images), seed_of(there, 1)(images))
    assert "seed 1 of 3" in capsys.readouterr().out


@pytest.mark.thorough
def test_its_description_is_the_runs(run, tmp_path):
    main(run, tmp_path / "export", seed=2, program=False)
    content = json.loads((tmp_path / "export" / "model.json").read_text())
    config, result = (json.loads((run / name).read_text()) for name in ("config.json", "result.json"))
    assert content["config"] == config["config"]
    assert content["data"] == config["data"]
    assert content["results"] == result
    assert content["measured"]["test_error"] == result["test_error"]["last"][2]
    assert content["measured"]["test_ece"] == result["test_ece"][2]
    assert content["files"] == {
        path.name: sha256(path) for path in (tmp_path / "export").iterdir() if path.name != "model.json"
    }


@pytest.mark.thorough
def test_the_same_run_has_the_same_tensors(run, tmp_path):
    for name in "ab":
        main(run, tmp_path / name, program=False)
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"}) == 1


@pytest.mark.thorough
def test_the_best_checkpoint_is_that_of_the_lowest_error(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    first, last = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    [note] = (tmp_path / "run").rglob(f"{first['step']}/metrics/metrics")
    note.write_text('{"test_error": 1.0}')
    for checkpoint, line in (("best", first), ("newest", last)):
        main(tmp_path / "run", tmp_path / "export", checkpoint=checkpoint, program=False)
        content = json.loads((tmp_path / "export" / "model.json").read_text())
        assert content["step"] == load(tmp_path / "export").step == line["step"]
        assert content["measured"]["test_error"] == line["test_error"][0]


@pytest.mark.thorough
def test_what_cannot_be_exported_is_one_line(run, tmp_path):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_bytes((run / "config.json").read_bytes())
    with pytest.raises(ValueError, match="not finished"):
        main(tmp_path / "unfinished", tmp_path / "export")
    with pytest.raises(ValueError, match="--seed must be one of"):
        main(run, tmp_path / "export", seed=7)
    with pytest.raises(ValueError, match="choose another --output"):
        main(run, run)
    main(run, tmp_path / "export", program=False)
    with pytest.raises(ValueError, match="is an export"):
        main(tmp_path / "export", tmp_path / "again")


@pytest.mark.thorough
def test_every_file_is_for_the_same_readers_and_a_disk_that_is_full_leaves_none(run, tmp_path):
    main(run, tmp_path / "export", program=False)
    assert len({path.stat().st_mode for path in (tmp_path / "export").iterdir()}) == 1
    resource = pytest.importorskip("resource")  # not on Windows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="second could not be written"):
            main(run, tmp_path / "second", program=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


@pytest.mark.thorough
def test_the_command_ends_with_one_line_for_a_folder_that_is_no_run(tmp_path):
    command = [sys.executable, "-m", "experiments.export", str(tmp_path), "-o", str(tmp_path / "export")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
