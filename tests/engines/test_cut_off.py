"""A host that is cut off in the middle of a training, without a connection being closed: all processes end soon."""

import os
import subprocess
import sys
import time

import pytest
from hosts import hosts, needs, until

from mixup_jax.runtime.distributed import LOST_SECONDS

pytestmark = pytest.mark.engines

TRAIN = ["-m", "experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=256", "--batch-size=32"]
TRAIN += ["--seeds=1", "--lr=0.02", "--eval-every=1", "--model=mlp", "--width=32", "--epochs=100000"]


def test_a_host_without_a_network_ends_and_so_do_the_others(tmp_path):
    needs()
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": environment}
    command = [sys.executable, *TRAIN, f"--workdir={tmp_path / 'run'}", "--coordinator=h0:1234", "--processes=2"]
    with hosts(tmp_path, 2) as both:
        processes = [host.start(*command, f"--process-id={number}", **pipes) for number, host in enumerate(both)]
        until((tmp_path / "run" / "metrics.jsonl").exists, 200)
        both[1].run("ip", "link", "set", "eth0", "down")
        cut = time.monotonic()
        errors = [process.communicate(timeout=3 * LOST_SECONDS)[1] for process in processes]
    assert time.monotonic() - cut < LOST_SECONDS + 5
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 1, error
        assert "error: another process of the run was lost, start the same command again" in error
