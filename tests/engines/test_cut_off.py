"""A host that is cut off in the middle of a training, without a connection being closed: all processes end soon."""

import os
import subprocess
import sys
import time

import pytest
from hosts import hosts, needs, until

from mixup_jax.runtime.devices.distributed import LOST_SECONDS

pytestmark = pytest.mark.engines

TRAIN = ["-m", "experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=256", "--batch-size=32"]
TRAIN += ["--seeds=1", "--lr=0.02", "--eval-every=1", "--model=mlp", "--width=32", "--epochs=100000"]


def test_a_host_without_a_network_ends_and_so_do_the_others(tmp_path):
    needs()
    flags = "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0"
    environment = os.environ | {"XLA_FLAGS": flags}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": environment}
    command = [sys.executable, *TRAIN, f"--workdir={tmp_path / 'run'}", "--coordinator=h0:1234", "--processes=2"]
    command += ["--join-timeout=600"]
    with hosts(tmp_path, 2) as both:
        processes = [host.start(*command, f"--process-id={number}", **pipes) for number, host in enumerate(both)]
        metrics = tmp_path / "run" / "metrics.jsonl"
        until(lambda: metrics.exists() or all(each.poll() is not None for each in processes), 600)
        assert metrics.exists(), [each.communicate()[1] for each in processes]
        both[1].run("ip", "link", "set", "eth0", "down")
        cut = time.monotonic()
        errors = [process.communicate(timeout=3 * LOST_SECONDS)[1] for process in processes]
        taken = time.monotonic() - cut
    assert taken < LOST_SECONDS
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 1, error
        assert "error: another process of the run was lost, start the same command again" in error
