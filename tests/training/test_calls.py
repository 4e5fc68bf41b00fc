"""Laws of the calls of the training program: compiled once, never waited for, longer and longer."""

import itertools
import time
from types import SimpleNamespace

import jax
import pytest
from tiny_runs import DATA, MLP, changed

from mixup_jax.runtime import resumable
from mixup_jax.runtime.checkpoint import Checkpoints
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.progress import Bar
from mixup_jax.training.loop import Run, fit

CONFIG = changed(MLP, epochs=5.0, eval_every=1.0)


@pytest.mark.thorough
def test_each_program_is_compiled_once_a_run(tmp_path, caplog):
    with jax.log_compiles():
        fit(CONFIG, DATA, Launch(), tmp_path)
    compiled = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Compiling jit(")]
    names = [message.split("(")[1].split(")")[0] for message in compiled]
    count = {name: names.count(name) for name in ("init", "train", "evaluate")}
    assert count == {"init": 1, "train": 1, "evaluate": 2}  # the training subset and the test set differ in size


@pytest.mark.thorough
def test_nothing_is_compiled_after_the_first_step_evaluation_and_checkpoint(tmp_path, monkeypatch):
    compiled, after_training, after_each = [], [], []
    count = lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None  # noqa: E731
    save = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda *each: (save(*each), after_each.append(len(compiled))))
    watch_training(monkeypatch, lambda: after_training.append(len(compiled)))
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        result = fit(CONFIG, DATA, Launch(), tmp_path)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert result["params_digest"]
    assert len(after_each) == 5
    assert after_each[0] > 0
    assert {*after_each, *after_training[3:]} == {after_each[0]}
    assert len(compiled) == after_each[0] + 1  # predictions of the test set, once at the end
    assert len(set(after_training[:3])) == 1  # the first epoch


def watch_training(monkeypatch, happened):
    """Call `happened` after each call of the training program."""
    advance = Run.advance

    def watched(run, state, step, count):
        result = advance(run, state, step, count)
        happened()
        return result

    monkeypatch.setattr(Run, "advance", watched)


def test_the_host_looks_at_a_chunk_only_while_the_next_one_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(resumable, "CALL_SECONDS", 0)  # a call is one step
    happened, look = [], resumable._Loop._check
    watch_training(monkeypatch, lambda: happened.append("train"))
    monkeypatch.setattr(resumable._Loop, "_check", lambda *each: (happened.append("look"), look(*each)))
    fit(CONFIG, DATA, Launch(), tmp_path)
    epoch = ["train", "train", "look", "train", "look", "look"]
    assert happened == epoch * 5


def test_calls_grow_to_an_epoch_and_the_bar_shows_the_speed_of_each(tmp_path, monkeypatch):
    shown, ticks = [], itertools.count()
    monkeypatch.setattr(resumable, "time", SimpleNamespace(time=time.time, perf_counter=lambda: next(ticks) / 4))
    monkeypatch.setattr(Bar, "update", lambda _, step, speed: shown.append((step, speed)))
    fit(CONFIG, DATA, Launch(), tmp_path)
    one = 4 * CONFIG.batch_size  # images a second: the clock shows a quarter more each time that it is looked at
    assert shown == [(1, one), (2, one), (3, one), *((step, 3 * one) for step in (6, 9, 12, 15))]
