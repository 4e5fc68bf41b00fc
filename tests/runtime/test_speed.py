"""Laws of what a run tells of its speed: the devices' time is divided into steps and waiting, and nothing else."""

import jax
import jax.numpy as jnp
import pytest

from mixup_jax.runtime import speed as module
from mixup_jax.runtime.speed import StepTimes, peak_of, speed


def test_the_time_between_the_first_and_the_last_call_is_steps_and_waiting():
    times = StepTimes()
    for steps, began, ended in ((1, 0.0, 30.0), (2, 10.0, 34.0), (4, 36.0, 44.0), (1, 40.0, 45.0)):
        times.note(steps, began, ended)
    assert (times.steps, times.busy, times.waited) == (7, 4 + 8 + 1, 2)  # the first call compiles
    assert times.busy + times.waited == 45 - 30
    assert times.waiting == round(2 / 15, 4)
    assert times.quantiles() == {"median": 2.0, "p90": 2.0, "p99": 2.0, "max": 2.0}


def test_an_evaluation_is_neither_a_step_nor_waiting():
    now = iter([1.0, 2.0, 9.0, 10.0])
    times = StepTimes(lambda: next(now))
    for began in (0.0, 1.0):
        times.add(jnp.zeros(()), 1, began)
    times.pause()
    assert times.of_line() == {"step_seconds": 1.0, "waiting": 0.0}
    for began in (8.0, 9.5):
        times.add(jnp.zeros(()), 1, began)
    times.pause()
    assert times.of_line() == {"step_seconds": 0.5, "waiting": 0.25}
    assert times.of_line() == {"step_seconds": None, "waiting": None}
    assert (times.busy, times.waited) == (2.5, 0.5)
    thread = times._thread
    times.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_quantile_is_over_steps_not_calls():
    times = StepTimes()
    for steps, ended in ((1, 0.0), (97, 97.0), (2, 117.0), (1, 137.0)):
        times.note(steps, 0.0, ended)
    assert times.quantiles() == {"median": 1.0, "p90": 1.0, "p99": 10.0, "max": 20.0}


@pytest.mark.parametrize(
    ("steps", "busy", "seconds", "told"),
    [(101, 0.5, 1.0, True), (101, 0.9, 1.0, False), (50, 0.5, 9.0, False), (101, 0.05, 0.1, False)],
)
def test_only_a_run_that_waits_often_and_long_is_told_of_its_input(steps, busy, seconds, told):
    times = StepTimes()
    for step in range(steps):
        times.note(1, step * seconds, step * seconds + busy)
    assert bool(times.slow_input(64)) == told


def test_what_is_not_known_is_none_and_the_peak_is_that_of_all_devices(monkeypatch):
    times, devices = StepTimes(), jax.devices()[:2]
    assert speed(times, 10.0, devices, "float32")["operations_per_second"] is None
    for ended in (0.0, 2.0):
        times.note(1, 0.0, ended)
    found = speed(times, 10.0, devices, "float32")
    assert (found["operations_per_second"], found["flop_utilisation"], found["device_memory"]) == (5.0, None, None)
    assert found["process_memory"] > 2**20
    monkeypatch.setattr(module, "peak_of", lambda kind, dtype, precision: 100.0)
    assert speed(times, 10.0, devices, "float32")["flop_utilisation"] == pytest.approx(5 / 200)
    assert speed(times, None, devices, "float32")["flop_utilisation"] is None


def test_the_peak_follows_the_precision_of_products():
    kind = "NVIDIA H100 80GB HBM3"
    with jax.default_matmul_precision("float32"):
        assert peak_of(kind, "float32") == 67e12
    assert peak_of(kind, "float32") == 494.7e12
    with jax.default_matmul_precision("BF16_BF16_F32"):
        assert peak_of(kind, "float32") is None
