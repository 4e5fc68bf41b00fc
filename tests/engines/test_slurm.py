"""docs/launching/slurm.sh under a real SLURM of two nodes: what stops a job, and that no bit changes."""

import json
import math
import sys
import time

import pytest
from cluster import cluster
from hosts import ROOT, needs, until

pytestmark = pytest.mark.engines

SCRIPT = ROOT / "docs" / "launching" / "slurm.sh"
TRAIN = ["-m", "experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=256", "--batch-size=32"]
TRAIN += ["--seeds=1", "--lr=0.02", "--eval-every=1", "--model=mlp", "--width=32"]
TASKS = ["--ntasks-per-node=1", "--cpus-per-task=1"]
"""Of the script's own options only how many processes a node has: this machine has two cores."""
CHECKS = 30
"""Seconds between two looks of SLURM at time limits: it may warn so much earlier than it was told."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    needs("slurmctld", "slurmd", "munged", "sbatch")
    with cluster(tmp_path_factory.mktemp("slurm")) as found:
        found.environment |= {
            "PYTHON": sys.executable,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0",
            "XDG_CACHE_HOME": str(found.folder / "cache"),
        }
        yield found


def train(slurm, name, epochs, *options, **environment):
    """Queue a training; return the number of its job."""
    command = [*TRAIN, f"--epochs={epochs}", f"--workdir={slurm.folder / name}"]
    return slurm.submit(*TASKS, *options, SCRIPT, *command, **environment)


def lines(slurm, name):
    path = slurm.folder / name / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def learns(slurm, name, job):
    """Wait until a run has learned for an epoch more."""
    before = len(lines(slurm, name))
    until(lambda: len(lines(slurm, name)) > before, 200, lambda: slurm.output(job))


def digest(slurm, name):
    return json.loads((slurm.folder / name / "result.json").read_text())["params_digest"]


@pytest.fixture(scope="module")
def pace(slurm):
    """How many seconds a start and an epoch take here; the programs are compiled by then."""
    slurm.wait(train(slurm, "compiled", 1), "COMPLETED", 300)
    began = time.monotonic()
    job = train(slurm, "timed", 8)
    learns(slurm, "timed", job)
    start = time.monotonic() - began
    slurm.wait(job, "COMPLETED", 300)
    times = [line["seconds"] for line in lines(slurm, "timed")]
    return start, (times[-1] - times[0]) / 7


def test_a_job_that_is_stopped_and_then_loses_a_task_comes_to_the_bits_of_one_left_alone(slurm, pace):
    """Its time limit stops it, and a lost task: both times it is queued again and goes on by itself."""
    start, epoch = pace
    epochs = math.ceil((CHECKS + 20) / epoch)
    limit = math.ceil((start + CHECKS + 25) / 60)
    signal = f"--signal=TERM@{int(60 * limit - start - CHECKS - 5)}"
    job = train(slurm, "stopped", epochs, f"--time={limit}", signal)
    until(lambda: "stopped: at step" in slurm.output(job), 400, lambda: slurm.output(job))
    until(lambda: slurm.shown(job)["Restarts"] != "0", 60)
    slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=60")
    learns(slurm, "stopped", job)
    restarts = int(slurm.shown(job)["Restarts"])  # 1, or more where it was stopped before its first step, too
    slurm.nodes[1].kill(f"^{sys.executable} ")
    shown = slurm.wait(job, "COMPLETED", 300)
    assert int(shown["Restarts"]) == restarts + 1
    assert "another process of the run was lost, start the same command again" in slurm.output(job)
    assert [line["epoch"] for line in lines(slurm, "stopped")] == list(range(1, epochs + 1))

    slurm.wait(train(slurm, "alone", epochs), "COMPLETED", 300)
    assert digest(slurm, "stopped") == digest(slurm, "alone")


def test_a_job_is_not_queued_again_after_so_many_times(slurm):
    job = train(slurm, "bounded", 1000, RESTARTS="0")
    learns(slurm, "bounded", job)
    slurm.nodes[0].kill(f"^{sys.executable} ")  # and not the script of the job, which runs here
    assert slurm.wait(job, "FAILED", 100)["Restarts"] == "0"
    assert "not queued again" in slurm.output(job)


def test_tasks_that_were_started_differently_say_so_and_are_not_queued_again(slurm):
    """And it is said that of four GPUs of a node one will be used."""
    python = slurm.folder / "python"
    python.write_text(f'#!/bin/bash\nexec {sys.executable} "$@" --alpha=0.$((SLURM_PROCID + 1))\n')
    python.chmod(0o755)
    job = train(slurm, "different", 1, PYTHON=str(python))
    assert slurm.wait(job, "FAILED", 200)["ExitCode"] == "2:0"
    errors = [line for line in slurm.output(job).splitlines() if line.startswith("error")]
    assert errors
    assert all("alpha" in line for line in errors)
    assert "of the 4 GPUs of this host 1 will be used" in slurm.output(job)
