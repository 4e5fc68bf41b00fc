"""Laws of several processes: they see the batches of one, and learn what one learns."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TRAIN = [
    "-m",
    "experiments.cifar",
    "small-mixup",
    "--dataset=digits",
    "--width=4",
    "--blocks=1",
    "--train-examples=256",
]
TRAIN += ["--batch-size=32", "--epochs=3", "--eval-every=1", "--seeds=1", "--lr=0.02"]
TOPOLOGIES = {"1 x 1": (1, 1), "1 x 2": (1, 2), "1 x 4": (1, 4), "1 x 8": (1, 8), "2 x 4": (2, 4)}
"""Processes and devices of each."""
DIGEST = re.compile(r"digest \d+ [0-9a-f]{64}")
TABLE = "mixup, alpha = 1"
"""Words of the table in which the first process shows its result."""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(processes, devices, command):
    """Run `command(coordinator, process)` in each process; return what each printed.

    Gloo, the library by which the processes talk, prints to the same place, piecewise from several threads: what is
    returned may hold whole lines and pieces of lines of its own.
    """
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'training'}",
    }
    coordinator = f"127.0.0.1:{free_port()}" if processes > 1 else None
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, command(coordinator, process))],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(processes)
    ]
    outputs = [process.communicate(timeout=400) for process in started]
    for process, (_, errors) in zip(started, outputs, strict=True):
        assert process.returncode == 0, errors
    return [out for out, _ in outputs]


@pytest.mark.slow
def test_two_processes_mix_the_batches_of_one():
    def command(coordinator, process):
        script = ROOT / "tests" / "training" / "mixed_batch_digests.py"
        return [script, coordinator, 2, process] if coordinator else [script]

    printed = [DIGEST.findall(out) for topology in TOPOLOGIES.values() for out in run(*topology, command)]
    assert len(printed) == 6
    assert len(printed[0]) == 9
    assert all(digests == printed[0] for digests in printed)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_one_of_them_writes(tmp_path):
    curves = {}
    for name, topology in TOPOLOGIES.items():

        def command(coordinator, process, folder=tmp_path / name):
            together = [f"--coordinator={coordinator}", "--processes=2", f"--process-id={process}"]
            return [*TRAIN, f"--workdir={folder}", *(together if coordinator else [])]

        outputs = run(*topology, command)
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [8, 16, 24]
        curves[name] = [line["train_loss"] for line in lines]
        assert TABLE in outputs[0]
        if topology[0] > 1:
            assert TABLE not in outputs[1]
            again = run(*topology, command)  # every process restores the last checkpoint, and there is nothing to do
            assert len((tmp_path / name / "metrics.jsonl").read_text().splitlines()) == 3
            assert TABLE in again[0]
            assert TABLE not in again[1]
    for name, curve in curves.items():
        np.testing.assert_allclose(curve, curves["1 x 1"], atol=1e-4, err_msg=name)
