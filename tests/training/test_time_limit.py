"""Laws of --max-hours: a run leaves before its time is up, on all processes alike, and loses nothing."""

import itertools
import os
import subprocess
import sys
import time
from unittest.mock import Mock

import jax
import pytest
from several_processes import ROOT, TRAIN, free_port
from tiny_runs import DATA, MLP, changed

from mixup_jax.runtime import signals
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.signals import StopFlag, TimeLimit
from mixup_jax.training.loop import fit

CONFIG = changed(MLP, epochs=5.0, eval_every=1.0)


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_no_time_is_refused(hours):
    with pytest.raises(ValueError, match=f"max_hours must be above 0 .*, got {hours:g}"):
        Launch(max_hours=hours)


@pytest.mark.parametrize(("call", "evaluation"), [(2.0, 5.0), (200.0, 5.0), (2.0, 900.0), (300.0, 300.0)])
def test_a_run_leaves_in_time_however_long_its_calls_and_evaluations_are(monkeypatch, call, evaluation):
    now = 1000.0
    monkeypatch.setattr(signals.time, "time", lambda: now)
    limit = TimeLimit(2.0, began=1000.0)
    now += 100 + call  # compiled
    for number in itertools.count(1):
        limit.measure(evaluated=number % 4 == 0)
        if limit.is_near():
            break
        now += evaluation if number % 4 == 3 else call
    assert now + signals.MARGIN <= 1000 + 7200  # there is time for a save
    assert now + signals.MARGIN + 3 * call + 2 * evaluation >= 1000 + 7200  # and little more is given away


@pytest.mark.thorough
def test_a_run_whose_time_is_up_goes_on_from_there_and_ends_with_the_same_bits(tmp_path, monkeypatch):
    whole = fit(CONFIG, DATA, Launch(), tmp_path / "whole")
    steps = []
    for _ in range(2):  # it is late from the start, and each start trains a call
        with monkeypatch.context() as patch:
            patch.setattr(Launch, "time_limit", lambda _: TimeLimit(1.0, began=time.time() - 3590))
            with pytest.raises(signals.TimeIsUp) as left:
                fit(CONFIG, DATA, Launch(), tmp_path / "parts")
        assert left.value.exit_code == 75
        steps.append(int(str(left.value).split("step ")[1].split()[0]))
    assert 0 < steps[0] < steps[1] < 15
    assert fit(CONFIG, DATA, Launch(), tmp_path / "parts")["params_digest"] == whole["params_digest"]


def test_all_processes_leave_by_the_clock_of_process_0_and_a_signal_says_more(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(signals, "store", Mock)
    monkeypatch.setattr(signals, "wait_for", lambda name: answer)
    answer, flag = "1 1 4", StopFlag(TimeLimit(1.0, began=time.time()))  # stop, late, steps: of process 0
    assert flag.agreed(7) == (True, 4)
    assert flag.stopped("x").exit_code == 75
    answer, flag = "0 0 4", StopFlag(TimeLimit(1.0, began=time.time() - 3600))
    assert flag.agreed(7) == (False, 4)
    answer, flag.signal = "1 1 4", 15
    assert flag.agreed(7) == (True, 4)
    assert flag.stopped("x").exit_code == 143


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_command_leaves_with_a_status_of_its_own_and_the_same_command_goes_on(tmp_path, processes):
    quick = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    for hours, code in ((1e-4, 75), (2.0, 0)):
        options = [*TRAIN, f"--workdir={tmp_path}", f"--max-hours={hours}"]
        where = f"--coordinator=127.0.0.1:{free_port()}"
        started = []
        for process in range(processes):
            together = [where, f"--processes={processes}", f"--process-id={process}"] if processes > 1 else []
            command = [sys.executable, *options, *together]
            started.append(subprocess.Popen(command, cwd=ROOT, env=quick, stderr=subprocess.PIPE, text=True))
        said = [process.communicate(timeout=600)[1] for process in started]
        assert [process.returncode for process in started] == [code] * processes, said
        if code:
            assert all("stopped: after 0.0001 hours at step" in each for each in said)
