"""Laws of ImageNet on several processes: they learn what one learns, end together when one is killed, and go on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.imagenet.archives import build_archives
from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.runtime.devices.distributed import LOST_SECONDS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TINY = {
    "model": "mlp",
    "width": 8,
    "compute-dtype": "float32",  # bfloat16, the preset's, rounds what is compared
    "image-size": 16,
    "batch-size": 8,
    "block": 4,
    "epochs": 12,
    "eval-every": 1,
    "warmup-epochs": 1,
    "lr": 0.01,
}
OPTIONS = [f"--{name}={value}" for name, value in TINY.items()]
VALIDATION = 10
"""Images: the second of two batches of eight is padded."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared archives of a few invented photographs."""
    folder = tmp_path_factory.mktemp("data")
    archives = build_archives(folder / "archives", classes=2, train=12, validation=VALIDATION // 2)
    prepare(*archives, folder / "imagenet", partial=True, mark="SYNTHETIC")
    return folder


@pytest.fixture(scope="module")
def by_one(data, tmp_path_factory):
    """The folder of a run of one process."""
    return finish(start(data, tmp_path_factory.mktemp("one"), 1))


@pytest.fixture(scope="module")
def by_two(data, tmp_path_factory):
    """The folder of a run of two processes that nothing happened to."""
    return finish(start(data, tmp_path_factory.mktemp("two"), 2))


def start(data, folder, processes):
    """Start the processes of a run over loopback, of one device each; return the folder and them."""
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    command = [sys.executable, "-m", "experiments.imagenet", "resnet50-mixup", *OPTIONS]
    command += [f"--data-dir={data}", f"--workdir={folder / 'run'}", f"--checkpoints={folder / 'shared'}"]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        together = [f"--coordinator=127.0.0.1:{found.getsockname()[1]}", f"--processes={processes}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return folder, [
        subprocess.Popen(
            command + ([*together, f"--process-id={process}"] if processes > 1 else []),
            cwd=ROOT,
            env=environment,
            **pipes,
        )
        for process in range(processes)
    ]


def finish(started):
    """Wait for the end of a run; return its folder."""
    folder, processes = started
    try:
        errors = [process.communicate(timeout=400)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), errors
    return folder


def kill(started, number):
    """Kill one process of a run in the middle, and see the others end soon, each with a line that says why."""
    folder, processes = started
    others = [process for process in processes if process is not processes[number]]
    try:
        deadline = time.monotonic() + 300
        while len(lines(folder)) < 3 and processes[0].poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        processes[number].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        errors = [process.communicate(timeout=3 * LOST_SECONDS)[1] for process in others]
    finally:
        for process in processes:
            process.kill()
        processes[number].communicate()
    assert time.monotonic() - killed < 2 * LOST_SECONDS
    for process, error in zip(others, errors, strict=True):
        assert process.returncode == 1, error
        assert "error: another process of the run was lost, start the same command again" in error
    assert 3 <= len(lines(folder)) < TINY["epochs"], errors


def lines(folder):
    """Return the whole lines of metrics.jsonl."""
    path = folder / "run" / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


def result(folder):
    return json.loads((folder / "run" / "result.json").read_text())


def assert_learned_alike(folder, other):
    """To the rounding of sums that are made in another order."""
    assert [line["epoch"] for line in lines(folder)] == list(range(1, TINY["epochs"] + 1))
    for name in ("train_loss", "test_loss"):
        ours, theirs = ([line[name] for line in lines(each)] for each in (folder, other))
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=name)


def test_two_processes_learn_what_one_learns(by_one, by_two):
    assert_learned_alike(by_two, by_one)
    assert result(by_two)["mark"] == "SYNTHETIC"


def test_two_processes_count_each_validation_image_once_and_measure_what_one_measures(data, by_two, tmp_path):
    """One process measures the network of two: with the result gone, what is left to do is the last evaluation."""
    shutil.copytree(by_two, tmp_path, dirs_exist_ok=True)
    (tmp_path / "run" / "result.json").unlink()
    theirs, ours = result(by_two), result(finish(start(data, tmp_path, 1)))
    assert ours["params_digest"] == theirs["params_digest"]
    assert sum(theirs["reliability"]["count"][0]) == VALIDATION
    assert ours["reliability"]["count"] == theirs["reliability"]["count"]
    assert ours["test_error"] == theirs["test_error"]
    np.testing.assert_allclose(ours["test_loss"], theirs["test_loss"], rtol=1e-6)


def test_the_first_of_two_is_killed_and_started_again_they_come_to_the_same_bits(data, by_two, tmp_path):
    """The first process is the one that the others have found each other through."""
    kill(start(data, tmp_path, 2), 0)
    before = lines(tmp_path)
    finish(start(data, tmp_path, 2))
    assert lines(tmp_path)[0] == before[0]  # what was learned before the kill was kept, to the second
    assert result(tmp_path)["params_digest"] == result(by_two)["params_digest"]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_one_of_four_is_killed_and_two_go_on(data, by_one, tmp_path):
    kill(start(data, tmp_path, 4), 2)
    finish(start(data, tmp_path, 2))
    assert_learned_alike(tmp_path, by_one)
    assert sum(result(tmp_path)["reliability"]["count"][0]) == VALIDATION
