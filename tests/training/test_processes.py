"""Laws of several processes: they see the batches of one, and learn what one learns."""

import itertools
import json
import re
import signal
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils
from several_processes import ROOT, TRAIN, run
from tiny_runs import DATA, MLP, PREACT, Run, changed
from trained_networks import NETWORKS

from experiments.imagenet.archives import photograph
from mixup_jax.runtime import resumable, signals
from mixup_jax.runtime.checkpoint import Checkpoints
from mixup_jax.runtime.devices import distributed
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.progress import Bar
from mixup_jax.runtime.signals import StopFlag
from mixup_jax.training.loop import fit

ALONE, SHARDS, TOGETHER = "1 x 1", "1 x 2", "2 x 1"
TOPOLOGIES = {"1 x 1": (1, 1), "1 x 2": (1, 2), "2 x 1": (2, 1), "2 x 2": (2, 2), "4 x 1": (4, 1)}
"""Processes and devices of each."""
DIGEST = re.compile(r"digest \d+ [0-9a-f]{64}")
LEARNED = re.compile(r"learned (\{.*\})")
TABLE = "mixup, alpha = 1"
"""Words of the table in which the first process shows its result."""
COMPARED = ("step", "train_loss", "valid_error", "test_error", "test_loss")
"""Of a line of metrics.jsonl; the clock says the rest."""


def script(name, processes):
    """Return the command of a script beside this test, which takes the coordinator and the numbers of processes."""

    def command(coordinator, process):
        together = [coordinator, processes, process] if coordinator else []
        return [ROOT / "tests" / "support" / name, *together]

    return command


COLLECTIVE = re.compile(r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(-start)?\(")


@pytest.mark.thorough
def test_all_that_devices_say_to_each_other_is_in_the_loop_over_steps_itself():
    """XLA runs the collectives of a computation that is called beside those of the caller: in the order of each process
    on its own."""
    run = Run(PREACT, devices=2)
    arguments = *run.start(), run.run.alpha, run.run.train, np.int32(3)
    text = run.programs.train.lower(*arguments).compile().as_text()
    holding = [each for each in text.split("\n\n") if COLLECTIVE.search(each)]
    names = {each.lstrip().removeprefix("ENTRY ").split(" ")[0] for each in holding}
    assert names
    assert names <= set(re.findall(r" while\(.*body=(%\S+?)[,\s]", text))


@pytest.mark.thorough
def test_processes_take_the_steps_that_process_0_says_whatever_their_own_clocks_say(tmp_path, monkeypatch):
    taken = {}
    for name, tick in (("fast", 1e-6), ("slow", 1e3)):
        ticks, steps, wishes = itertools.count(), [], []
        clock = SimpleNamespace(time=time.time, perf_counter=lambda ticks=ticks, tick=tick: next(ticks) * tick)

        def agreed(_, wish, wishes=wishes):
            wishes.append(wish)
            return False, 3  # what process 0 says

        with monkeypatch.context() as patch:
            patch.setattr(resumable, "time", clock)
            patch.setattr(StopFlag, "agreed", agreed)
            patch.setattr(Bar, "update", lambda _, step, speed, steps=steps: steps.append(step))
            fit(changed(MLP, epochs=8.0, eval_every=4.0), DATA, Launch(), tmp_path / name)
        taken[name] = steps, len(wishes)
        assert max(wishes) == (6 if name == "fast" else 1)
    assert taken["fast"] == taken["slow"] == ([1, 4, 7, 10, 12, 15, 18, 21, 24], 9)


@pytest.mark.thorough
def test_between_two_questions_no_process_asks_another(tmp_path, monkeypatch):
    asked, between = [], []
    with monkeypatch.context() as patch:
        patch.setattr(StopFlag, "agreed", lambda _, wish: (asked.append(wish) or False, wish))
        patch.setattr(multihost_utils, "process_allgather", lambda *_, **__: between.append(len(asked)))
        advance = resumable._Loop._advance

        def counted(*each):
            patch.setattr(jax, "process_count", lambda: 2)
            try:
                return advance(*each)
            finally:
                patch.setattr(jax, "process_count", lambda: 1)

        patch.setattr(resumable._Loop, "_advance", counted)
        patch.setattr(Checkpoints, "save", lambda *_: None)  # one that ends later would count two processes, too
        fit(changed(MLP, seeds=2, epochs=8.0, eval_every=4.0), DATA, Launch(), tmp_path)
    assert len(asked) > 2
    assert between == []


class Store(dict):
    """The coordinator's store, in memory."""

    def key_value_set(self, name, value, allow_overwrite=False):
        assert allow_overwrite or name not in self
        self[name] = value

    def key_value_dir_get(self, folder):
        return [each for each in self.items() if each[0].startswith(folder)]

    def key_value_delete(self, name):
        del self[name]

    def blocking_key_value_get(self, name, _):
        return self[name]


def test_all_processes_hear_of_a_signal_that_one_has_got_and_the_steps_of_process_0(monkeypatch):
    store, numbers = Store(), [itertools.count() for _ in range(3)]
    flags = [StopFlag() for _ in numbers]
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(distributed, "store", lambda: store)
    monkeypatch.setattr(signals, "store", lambda: store)

    def ask():
        """Let all of them ask, in the order of their numbers."""
        heard = set()
        for process, (flag, questions) in enumerate(zip(flags, numbers, strict=True)):
            monkeypatch.setattr(jax, "process_index", lambda process=process: process)
            monkeypatch.setattr(signals, "_questions", questions)
            heard.add(flag.agreed(40 + process))
        (answer,) = heard
        return answer

    assert [ask() for _ in range(20)] == [(False, 40)] * 20
    assert len(store) <= signals.KEPT
    flags[2].signal = signal.SIGHUP
    assert [ask()[0], ask()[0]] == [False, True]  # process 0 had answered before
    assert [flag.stopped("x").exit_code for flag in flags] == [143, 143, 129]
    flags[2].signal, flags[0].signal = None, signal.SIGTERM
    assert ask() == (True, 40)


@pytest.mark.slow
def test_two_processes_hear_of_a_signal_through_the_real_store():
    script = """
import sys
import jax
from mixup_jax.runtime.devices.distributed import store
from mixup_jax.runtime.signals import StopFlag
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
flag = StopFlag()
heard = [flag.agreed(10 * jax.process_index() + step) for step in range(12)]
flag.signal = 15 if jax.process_index() else None
heard.append(flag.agreed(50)[1])
store().wait_at_barrier("asked", 60_000)
print("heard", heard == [(False, step) for step in range(12)] + [50], flag.agreed(60))
"""
    outputs = run(2, 1, lambda coordinator, process: ["-c", script, coordinator, process])
    assert all("heard True (True, 60)" in out for out in outputs), outputs


@pytest.mark.slow
def test_the_others_wait_for_what_process_0_still_writes_however_long_it_takes():
    script = """
import sys, time
from experiments.commands.errors import one_line_errors
from mixup_jax.runtime.devices import distributed
distributed.LOST_SECONDS = 10  # JAX lets no process wait longer than this for the others to leave
with one_line_errors():
    distributed.join(sys.argv[1], 2, int(sys.argv[2]))
    time.sleep(0 if int(sys.argv[2]) else 15)
print("left")
"""
    assert all("left" in out for out in run(2, 1, lambda *together: ["-c", script, *together]))


@pytest.mark.slow
def test_several_processes_mix_the_batches_of_one():
    printed = [
        DIGEST.findall(out)
        for processes, devices in TOPOLOGIES.values()
        for out in run(processes, devices, script("mixed_batch_digests.py", processes))
    ]
    assert len(printed) == 10
    assert len(printed[0]) == 9
    assert all(digests == printed[0] for digests in printed)


def trained_networks(name):
    """What the networks of the presets have learned, by their names; every process has to say the same."""
    processes, devices = TOPOLOGIES[name]
    outputs = run(processes, devices, script("trained_networks.py", processes))
    found = [[json.loads(line) for line in LEARNED.findall(out)] for out in outputs]
    assert all(each == found[0] for each in found)
    return {each["network"]: each for each in found[0]}


@pytest.mark.slow
def test_two_processes_train_the_network_of_every_preset_to_the_bits_of_one():
    learned = trained_networks(SHARDS)
    assert learned.keys() == NETWORKS.keys()
    assert trained_networks(TOGETHER) == learned  # the same sums of the same two shards


@pytest.mark.exhaustive
def test_processes_of_two_devices_train_the_network_of_every_preset():
    two, four = trained_networks(SHARDS), trained_networks("2 x 2")
    for network in NETWORKS:
        np.testing.assert_allclose(four[network]["loss"], two[network]["loss"], rtol=1e-2, err_msg=network)


@pytest.mark.slow
def test_several_processes_learn_what_one_learns_and_one_of_them_writes(tmp_path):
    curves, digests = {}, {}
    for name, topology in TOPOLOGIES.items():

        def command(coordinator, process, folder=tmp_path / name, processes=topology[0]):
            together = [f"--coordinator={coordinator}", f"--processes={processes}", f"--process-id={process}"]
            return [*TRAIN, f"--workdir={folder}", *(together if coordinator else [])]

        outputs = run(*topology, command)
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [8, 16, 24]
        curves[name] = [line["train_loss"] for line in lines]
        digests[name] = json.loads((tmp_path / name / "result.json").read_text())["params_digest"]
        assert [TABLE in out for out in outputs] == [True] + [False] * (topology[0] - 1)
        if name == TOGETHER:
            again = run(*topology, command)  # every process restores the last checkpoint, and there is nothing to do
            assert len((tmp_path / name / "metrics.jsonl").read_text().splitlines()) == 3
            assert [TABLE in out for out in again] == [True, False]
    for name, curve in curves.items():
        np.testing.assert_allclose(curve, curves[ALONE], atol=1e-3, err_msg=name)
    assert digests[TOGETHER] == digests[SHARDS]


NETWORKS_APART, BATCH_APART = ["--seeds=2", "--alphas", 0.2, 1], ["--seeds=3"]
"""What two devices share out: two seeds of two strengths; or each batch, since they cannot share out three seeds."""


@pytest.mark.slow
@pytest.mark.parametrize("networks", [NETWORKS_APART, BATCH_APART], ids=["networks", "batch"])
def test_two_processes_learn_from_photographs_what_one_with_two_devices_learns(tmp_path, networks):
    pictures = tmp_path / "photographs"
    for number in range(40):
        (pictures / "abc"[number % 3]).mkdir(parents=True, exist_ok=True)
        (pictures / "abc"[number % 3] / f"{number}.jpg").write_bytes(photograph(number % 3, number))
    options = [f"--dataset=folder:{pictures}", "--split", 0.8, 0.1, 0.1, "--image-size=16", "--batch-size=8"]
    options += ["--block=4", "--model=mlp", "--width=8", "--epochs=3", "--eval-every=1", *networks]
    lines, digests = {}, {}
    for name in (SHARDS, TOGETHER):

        def command(coordinator, process, folder=tmp_path / name):
            together = [f"--coordinator={coordinator}", "--processes=2", f"--process-id={process}"]
            return [*TRAIN[:3], *options, f"--workdir={folder}", *(together if coordinator else [])]

        run(*TOPOLOGIES[name], command)
        written = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        lines[name] = [{key: json.loads(line)[key] for key in COMPARED} for line in written]
        digests[name] = json.loads((tmp_path / name / "result.json").read_text())["params_digest"]
    assert len(lines[SHARDS]) == 3
    assert lines[TOGETHER] == lines[SHARDS]
    assert digests[TOGETHER] == digests[SHARDS]
