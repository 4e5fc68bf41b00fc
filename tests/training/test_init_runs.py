"""Laws of whole runs that start from weights: the same on several processes, and after an interruption."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save_file
from several_processes import FROM_WEIGHTS, ROOT, run
from weight_files import TINY_VIT, random_timm

SHARDS, TOGETHER = (1, 2), (2, 1)
"""Processes and devices of each."""


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """An earlier run, and a file of weights."""
    folder = tmp_path_factory.mktemp("starts")
    run(1, 1, lambda *_: [*FROM_WEIGHTS, f"--workdir={folder / 'run'}"])
    save_file(random_timm(TINY_VIT, 8, 10), folder / "weights.safetensors")
    return {"run": folder / "run", "file": folder / "weights.safetensors"}


def result(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("start", "seeds"), [("run", 1), ("file", 2)])
def test_several_processes_start_from_the_weights_that_one_starts_from(starts, tmp_path, start, seeds):
    for name, (processes, devices) in {"shards": SHARDS, "together": TOGETHER}.items():

        def command(coordinator, process, folder=tmp_path / name, processes=processes):
            together = [f"--coordinator={coordinator}", f"--processes={processes}", f"--process-id={process}"]
            options = [f"--init={starts[start]}", f"--seeds={seeds}", f"--workdir={folder}"]
            return [*FROM_WEIGHTS, *options, *(together if coordinator else [])]

        outputs = run(processes, devices, command)
        assert ["initial weights" in out for out in outputs] == [True] + [False] * (processes - 1)
    one, two = result(tmp_path / "shards"), result(tmp_path / "together")
    assert one["params_digest"] == two["params_digest"]
    np.testing.assert_array_equal(one["test_loss"], two["test_loss"])


@pytest.mark.slow
def test_a_run_from_weights_that_is_stopped_goes_on_to_the_same_bits_and_with_no_others(tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_file(random_timm(TINY_VIT, 8, 10), weights)
    options = [f"--init={weights}", "--epochs=40", "--eval-every=5", "--seeds=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_backend_optimization_level=0"}

    def start(name):
        command = [sys.executable, *FROM_WEIGHTS, *options, f"--workdir={tmp_path / name}"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)

    whole, stopped = start("whole"), start("stopped")
    lines = tmp_path / "stopped" / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not lines.exists() and time.monotonic() < deadline and stopped.poll() is None:
        time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    _, errors = stopped.communicate()
    assert stopped.returncode == 143, errors
    assert not (tmp_path / "stopped" / "result.json").exists()

    save_file(random_timm(TINY_VIT, 8, 10, seed=1), weights)
    refused = start("stopped")
    _, errors = refused.communicate()
    assert refused.returncode == 2, errors
    assert "sha256 is" in errors

    save_file(random_timm(TINY_VIT, 8, 10), weights)
    resumed = start("stopped")
    for process in (whole, resumed):
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    for name in ("params_digest", "test_loss", "test_error"):
        assert result(tmp_path / "whole")[name] == result(tmp_path / "stopped")[name]
