"""Laws of watching: it changes no bit, traces no program again, counts the operations of a step, and waits for none."""

import threading
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from tiny_runs import DATA, MLP, PREACT, Run, changed

from mixup_jax.models.operations import count_operations
from mixup_jax.runtime import profiling
from mixup_jax.runtime.launch import Launch
from mixup_jax.training import programs
from mixup_jax.training.loop import fit
from mixup_jax.training.watch import Watch


def test_operations_are_those_of_the_loops_bodies_branches_and_seeds():
    x = jnp.ones((4, 4))
    assert count_operations(jax.make_jaxpr(lambda x: x @ x)(x)) == 128
    assert count_operations(jax.make_jaxpr(jax.vmap(lambda x: x @ x))(jnp.ones((3, 4, 4)))) == 3 * 128
    assert count_operations(jax.make_jaxpr(lambda x: jax.lax.scan(lambda c, _: (c @ c, 0), x, length=5))(x)) == 5 * 128
    assert count_operations(jax.make_jaxpr(lambda x, n: jax.lax.fori_loop(0, n, lambda _, c: c @ c, x))(x, 7)) == 128
    branches = lambda x, n: jax.lax.switch(n, [lambda x: x, lambda x: x @ x @ x], x)  # noqa: E731
    assert count_operations(jax.make_jaxpr(branches)(x, 0)) == 2 * 128


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_a_convolution_take_twice_its_operations(stride):
    image, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def convolve(image, kernel):
        options = {"window_strides": (stride, stride), "padding": ((1, 1), (1, 1))}
        return jax.lax.conv_general_dilated(image, kernel, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options).sum()

    forward = count_operations(jax.make_jaxpr(convolve)(image, kernel))
    assert forward == 2 * 2 * (8 // stride) ** 2 * 5 * 27
    both = count_operations(jax.make_jaxpr(jax.value_and_grad(convolve, argnums=(0, 1)))(image, kernel))
    assert both == pytest.approx(3 * forward, rel=0.3 if stride == 2 else 0)  # at borders zeros count


@pytest.mark.thorough
def test_counting_traces_no_program_again_and_seeds_add_up(monkeypatch):
    traced, step, counted = [], programs.train_step, []
    monkeypatch.setattr(programs, "train_step", lambda *each: (traced.append(1), step(*each))[1])
    for seeds in (1, 2):
        run, watch = Run(changed(MLP, seeds=seeds), devices=1), Watch()
        state = run.start()
        for _ in range(2):
            state = watch.train(run.programs.train, *state, run.run.alpha, run.run.train, 3)
        watch.times.close()
        counted.append(watch.operations)
    assert len(traced) == 2
    assert 0 < 2 * counted[0] == counted[1]


@pytest.mark.parametrize(
    ("asked", "calls", "traced"), [(5, [1, 2, 4, 8], [2, 3]), (20, [1, 2, 4], [2, 4]), (3, [1], [])]
)
def test_as_many_steps_are_traced_as_were_asked_for_and_were_left(tmp_path, monkeypatch, capsys, asked, calls, traced):
    happened = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder, **_: happened.append("start"))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: happened.append("stop"))
    with profiling.profiling(tmp_path, asked, lambda: happened.append("wait")) as profile:
        for count in calls:
            parts = [happened.append(part) or part for part in profile.parts(count)]
            assert sum(parts) == count
    inner = happened[happened.index("start") + 1 : happened.index("stop")] if traced else []
    assert inner == [*traced, "wait"][: len(inner)]
    assert happened.count("start") == happened.count("stop") == bool(traced)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"profile: {sum(traced)} steps" in line
    assert ("no more were left" in line) == (sum(traced) < asked)


@pytest.mark.slow
def test_a_trace_changes_no_bit_and_can_be_opened_by_perfetto(tmp_path):
    config = changed(PREACT, epochs=3.0, eval_every=1.0)
    plain = fit(config, DATA, Launch(), tmp_path / "plain")
    seen = fit(config, DATA, Launch(profile=4), tmp_path / "seen")
    assert seen["params_digest"] == plain["params_digest"]
    (trace,) = (tmp_path / "seen" / "profile").rglob("perfetto_trace.json.gz")
    assert trace.stat().st_size > 1000
    assert not (tmp_path / "plain" / "profile").exists()
    assert seen["speed"]["operations_per_step"] == plain["speed"]["operations_per_step"] > 0


class Computing:
    """An array that is not there yet: who wants its value waits for the devices, and only a thread may."""

    def __getattr__(self, name):
        assert threading.current_thread() is not threading.main_thread(), name
        return lambda *_: self

    __array__ = __bool__ = __int__ = __float__ = __index__ = __len__ = None


def test_the_loop_waits_for_no_step_between_two_looks_at_the_metrics():
    watch, calls = Watch(), []

    def program(state, totals, alpha, examples, count):
        calls.append(int(count))
        return Computing(), SimpleNamespace(bad_step=Computing())

    program.trace = lambda *_: jax.jit(lambda x: x).trace(0.0)
    state = Computing(), SimpleNamespace(bad_step=Computing())
    for count in (1, 2, 4):
        state = watch.train(program, *state, None, None, count)
    watch.times.pause()
    assert calls == [1, 2, 4]
    assert watch.times.steps == 6
    watch.times.close()
