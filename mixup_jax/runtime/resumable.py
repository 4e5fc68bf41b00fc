"""The loop of everything that trains: calls of many steps, metrics one call late, evaluations, checkpoints, signals.

CIFAR, ImageNet and speech (training/loop.py), wafer maps and GANs give it what differs, a `Resumable`. Stopped, killed
or not, a run ends with the same bits: its state is a pytree that holds everything, and a step is a function of it.
"""

import time
from pathlib import Path
from typing import Any, NoReturn, Protocol, runtime_checkable

import numpy as np
from etils import epath
from jax import Array

from mixup_jax.runtime.checkpoint import Checkpoints, open_checkpoints
from mixup_jax.runtime.devices.distributed import ends_together
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.errors import NotFinite
from mixup_jax.runtime.progress import Bar, progress_bar
from mixup_jax.runtime.signals import StopFlag, TimeLimit, stop_on_signals

NEVER = 2**31 - 1
"""The first step that was not finite, where all were."""

CALL_SECONDS = 2.0
"""How long a call should last: the progress bar waits for one, a signal for up to two, and each call pays for fresh
memory, on a CPU up to a quarter of a ResNet's step (docs/log/cpu-convolutions.md)."""


@runtime_checkable
class Resumable(Protocol):
    """What the loop needs to know of a training; `state` is whatever the training makes of it."""

    @property
    def eval_steps(self) -> tuple[int, ...]:
        """Steps after which to evaluate, ascending; the last one ends the training."""
        ...

    @property
    def examples_per_step(self) -> int:
        """Examples a step, those of all networks together, for the speed that is shown."""
        ...

    @property
    def max_steps_per_call(self) -> int:
        """Most steps of a call."""
        ...

    @property
    def save_seconds(self) -> float:
        """Seconds between two checkpoints, for one process; 0 saves after every evaluation, and only there."""
        ...

    def restored(self, snapshot: Any) -> tuple[Any, int]:
        """Return the state and the step of a snapshot, which comes from a checkpoint or is the start."""
        ...

    def advance(self, state: Any, step: int, count: int) -> tuple[Any, Array]:
        """Start `count` steps; return the new state and the first bad step of each network (int32), or `NEVER`."""
        ...

    def evaluate(self, state: Any, step: int, examples_per_second: float) -> tuple[Any, float | None, str]:
        """Return the state to go on with, the error by which the best is chosen, and a line for the terminal."""
        ...

    def snapshot(self, state: Any) -> Any:
        """Return the pytree of arrays that a checkpoint holds."""
        ...

    def network(self, index: int) -> str:
        """Name a network: its seed, and what else tells it from the others."""
        ...


def train(
    run: Resumable,
    start: Any,
    folder: epath.Path | Path,
    *,
    keep: int,
    title: str,
    unit: str = "images",
    began: float | None = None,
    limit: TimeLimit | None = None,
) -> tuple[Any, float | None]:
    """Train from the newest whole checkpoint in `folder`, or from the snapshot `start`, to the last step.

    Returns the state, and the seconds from `began` (`time.time`; now if left out) to the end of the first call, None if
    there was nothing left to train. `keep` checkpoints are kept, and the best one.

    Raises `Stopped` after a signal and before the end of the time `limit`, `NotFinite`, and `CheckpointError`.
    """
    began = time.time() if began is None else began
    with stop_on_signals(limit) as stop, open_checkpoints(folder, keep) as checkpoints, ends_together():
        state, step = run.restored(checkpoints.restore(start) or start)
        with progress_bar(title, run.eval_steps[-1], step, unit, show=is_writer()) as bar:
            loop = _Loop(run, checkpoints, stop, bar, began)
            return loop.to_the_end(state, step), loop.first_step_seconds


def next_steps_per_call(steps: int, rate: float) -> int:
    """Return the number of steps of the next call, after one of `steps` steps at `rate` steps a second.

    >>> next_steps_per_call(1, 1000.0), next_steps_per_call(8, 5.0), next_steps_per_call(8, 0.1)
    (2, 10, 1)
    """
    return max(1, min(2 * steps, int(CALL_SECONDS * rate)))


class _Loop:
    """The loop; its attributes are what it accumulates on the host."""

    def __init__(self, run: Resumable, checkpoints: Checkpoints, stop: StopFlag, bar: Bar, began: float):
        self.run, self.checkpoints, self.stop, self.bar, self.began = run, checkpoints, stop, bar, began
        self.steps_per_call, self.rate, self.saved = 1, 0.0, time.perf_counter()
        self.first_step_seconds: float | None = None

    def to_the_end(self, state: Any, step: int) -> Any:
        """Train, evaluate and save until the last step."""
        for end in (each for each in self.run.eval_steps if each > step):
            started, first = time.perf_counter(), step
            state, step = self._advance(state, step, end)
            seconds = max(time.perf_counter() - started, 1e-6)
            state, error, text = self.run.evaluate(state, step, (step - first) * self.run.examples_per_step / seconds)
            self.bar.evaluated(text)
            stop = self._stop_requested(evaluated=True)
            if stop or step == self.run.eval_steps[-1] or self._save_is_due():
                self._save(state, step, error)
            if stop:
                self._stop(step)
        self.checkpoints.wait()
        return state

    def _advance(self, state: Any, step: int, end: int) -> tuple[Any, int]:
        """Train from `step` to `end`, looking at the metrics of a call while the next one is computed.

        After `steps_per_call` steps, one call or several, all processes ask each other whether to stop.
        """
        asked, pending, clock = step, None, time.perf_counter()
        while step < end:
            count = min(asked + self.steps_per_call - step, end - step, self.run.max_steps_per_call)
            state, bad_step = self.run.advance(state, step, count)
            if pending is not None:
                clock = self._log_metrics(*pending, step, clock)
            step += count
            pending = (bad_step, count)
            if step == end or step < asked + self.steps_per_call:  # the evaluation comes before the next question
                continue
            asked = step
            stop = self._stop_requested()
            if stop or (self.run.save_seconds and self._save_is_due()):
                self._check(bad_step, step)
                self._save(state, step, None)
            if stop:
                self._stop(step)
        if pending is not None:
            self._log_metrics(*pending, step, clock)
        return state, step

    def _log_metrics(self, bad_step: Array, count: int, step: int, clock: float) -> float:
        """Wait for the `count` steps up to `step` and show their speed since `clock`; return the time."""
        self._check(bad_step, step)
        now = time.perf_counter()
        self.rate = count / max(now - clock, 1e-6)
        self.bar.update(step, self.rate * self.run.examples_per_step)
        return now

    def _check(self, bad_step: Array, step: int) -> None:
        """Wait for the steps up to `step`; raise `NotFinite` if a loss or a gradient was not."""
        first_bad = np.asarray(bad_step)  # every process has all of it
        if self.first_step_seconds is None:
            self.first_step_seconds = round(time.time() - self.began, 3)
            self.bar.started(self.first_step_seconds)
        if first_bad.min() < NEVER:
            network, whole = self.run.network(int(first_bad.argmin())), self.checkpoints.steps()
            last = f"the last good checkpoint is step {whole[0]}" if whole else "there is no checkpoint yet"
            raise NotFinite(f"loss or gradient is not finite at step {first_bad.min()} of {network}; {last}.")

    def _save_is_due(self) -> bool:
        return time.perf_counter() - self.saved >= self.run.save_seconds

    def _save(self, state: Any, step: int, error: float | None) -> None:
        self.checkpoints.save(self.run.snapshot(state), step, error)
        self.saved = time.perf_counter()

    def _stop_requested(self, evaluated: bool = False) -> bool:
        """Ask all processes, seconds apart, and agree with them on the steps until the next question."""
        if self.stop.limit:
            self.stop.limit.measure(evaluated)
        stop, self.steps_per_call = self.stop.agreed(next_steps_per_call(self.steps_per_call, self.rate))
        return stop

    def _stop(self, step: int) -> NoReturn:
        self.checkpoints.wait()
        raise self.stop.stopped(f"at step {step} of {self.run.eval_steps[-1]}; the same command goes on from there.")
