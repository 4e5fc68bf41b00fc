"""From ImageNet's archives to a result, on two processes of which one is killed, and then on one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.imagenet_archives import build_archives
from mixup_jax.data.imagenet_prepare import prepare
from mixup_jax.training.distributed import LOST_SECONDS

ROOT = Path(__file__).parents[2]
TINY = {
    "model": "mlp",
    "blocks": 1,
    "width": 8,
    "image-size": 16,
    "batch-size": 8,
    "block": 4,
    "epochs": 20,
    "eval-every": 1,
    "warmup-epochs": 1,
    "lr": 0.01,
}
OPTIONS = [f"--{name}={value}" for name, value in TINY.items()]


def start(folder, *options, devices=1):
    """Start a process of the run of a folder."""
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-m", "experiments.imagenet", "resnet50-mixup", *OPTIONS, *map(str, options)]
    command += [f"--data-dir={folder / 'data'}", f"--workdir={folder / 'run'}", f"--checkpoints={folder / 'shared'}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def start_two(folder):
    """Start both processes of a run over loopback."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        together = [f"--coordinator=127.0.0.1:{found.getsockname()[1]}", "--processes=2"]
    return [start(folder, *together, f"--process-id={process}") for process in range(2)]


def lines(folder):
    """Return the whole lines of metrics.jsonl."""
    path = folder / "run" / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


@pytest.mark.slow
def test_archives_to_a_result_through_two_processes_a_kill_and_another_number_of_processes(tmp_path):
    archives = build_archives(tmp_path / "archives", classes=2, train=12, validation=5)
    prepare(*archives, tmp_path / "data" / "imagenet", partial=True, mark="SYNTHETIC")

    first, second = start_two(tmp_path)
    try:
        deadline = time.monotonic() + 300
        while len(lines(tmp_path)) < 3 and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        second.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        _, errors = first.communicate(timeout=3 * LOST_SECONDS)
    finally:
        first.kill()
        second.kill()
        second.communicate()
    assert time.monotonic() - killed < 2 * LOST_SECONDS
    # Where it waits for nothing of the lost process, JAX's heartbeats end it, in JAX's words (docs/launching.md).
    assert first.returncode in (1, -signal.SIGABRT), errors
    assert first.returncode != 1 or "another process of the run was lost" in errors
    before = lines(tmp_path)
    assert 3 <= len(before) < TINY["epochs"], errors

    again = start(tmp_path)
    _, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors
    after = lines(tmp_path)
    assert [line["epoch"] for line in after] == list(range(1, TINY["epochs"] + 1))
    assert after[0] == before[0]  # what was learned before the kill was kept, to the second
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert sum(result["reliability"]["count"][0]) == 10  # every validation image once, in two batches of eight
    assert result["mark"] == "SYNTHETIC"
    assert not (tmp_path / "run" / "checkpoints").exists()
