"""Laws of joining and leaving: what is missing is named, and who waits in vain says so in one line."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments.commands.errors import one_line_errors
from mixup_jax.runtime.devices import distributed
from mixup_jax.runtime.devices.distributed import _lost, ends_together, join, unused_gpus
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.launch import Launch

ROOT = Path(__file__).parents[2]


def test_options_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="--process-id missing"):
        join("host:1", 2, None)
    with pytest.raises(ValueError, match="--process-id must be between 0 and 1, got 2"):
        join("host:1", 2, 2)
    with pytest.raises(ValueError, match="--coordinator must be host:port, got 'host'"):
        join("host", 2, 0)


def test_a_process_that_is_alone_fails_in_its_usual_way():
    with pytest.raises(ValueError, match="mine"), ends_together():
        raise ValueError("mine")


ENDINGS = {
    "lost": (
        jax.errors.JaxRuntimeError("Gloo all-reduce failed: Connection closed by peer"),
        "another process of the run was lost",
    ),
    "own": (ValueError("n01440764_7.JPEG cannot be read"), "error: n01440764_7.JPEG cannot be read"),
}


class Left(BaseException):
    """The end of a process."""


@pytest.fixture
def one_of_several(monkeypatch):
    """Two processes, of which this is one; where it ends, `Left` is raised."""

    def leave(code):
        raise Left(code)

    monkeypatch.setattr(distributed, "several", lambda: True)
    monkeypatch.setattr(os, "_exit", leave)


@pytest.mark.parametrize("name", ENDINGS)
def test_one_of_several_ends_at_once_and_says_why(one_of_several, capsys, name):
    error, message = ENDINGS[name]
    with pytest.raises(Left) as left, ends_together():
        raise error
    assert left.value.args == (1,)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_fault_of_one_of_several_is_shown_whole_and_waits_for_nobody(one_of_several, capsys):
    with pytest.raises(Left) as left, one_line_errors():
        raise KeyError("mine")
    assert left.value.args == (1,)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last == "error: 'mine'"


def test_who_waits_for_process_0_at_the_end_says_that_it_was_lost(one_of_several, capsys, monkeypatch):
    def lost(name):
        raise jax.errors.JaxRuntimeError("UNAVAILABLE: failed to connect")

    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(distributed, "wait_for", lost)
    with pytest.raises(Left), one_line_errors():
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert "another process of the run was lost" in line


def test_what_all_find_out_together_goes_its_usual_way(monkeypatch):
    monkeypatch.setattr(distributed, "several", lambda: True)
    with pytest.raises(CheckpointError, match="the disk is full"), ends_together():
        raise CheckpointError("the disk is full")


def test_a_lost_connection_is_seen_behind_the_error_that_it_caused():
    error = CheckpointError("the checkpoint could not be written")
    error.__cause__ = RuntimeError("UNAVAILABLE: the coordinator is gone")
    assert _lost(error)
    assert not _lost(CheckpointError("the disk is full"))


@pytest.mark.parametrize(
    ("tasks", "visible", "used"),
    [("1(x2)", "0,1,2,3", "1"), ("2,1", "0,1,2,3", "2"), ("4(x2)", "0,1,2,3", None), ("1", None, "1"), ("1", "", None)],
)
def test_gpus_that_no_task_uses_are_counted(tmp_path, tasks, visible, used):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    step = {"SLURM_LOCALID": "0", "SLURM_STEP_TASKS_PER_NODE": tasks}
    environment = step | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    word = unused_gpus(environment, str(tmp_path))
    assert unused_gpus(environment | {"SLURM_LOCALID": "1"}, str(tmp_path)) == ""
    if used is None:
        assert word == ""
    else:
        seen = "2" if visible is None else "4"
        assert {used, seen} <= set(re.findall(r"\d+", word))


@pytest.mark.parametrize("timeout", [0, 86_401, 10**20])
def test_a_join_timeout_of_more_than_a_day_or_none_is_refused(timeout):
    with pytest.raises(ValueError, match=rf"join_timeout .* got {timeout}"):
        Launch(join_timeout=timeout)


@pytest.mark.slow
def test_a_coordinator_that_is_not_there_is_one_line():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{found.getsockname()[1]}"
    options = [f"--coordinator={where}", "--processes=2", "--process-id=1", "--join-timeout=3"]
    command = [sys.executable, "-m", "experiments.cifar", "small-mixup", "--dataset=digits", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"the processes of the run did not find each other at {where} within 3 s" in line
