"""Stop between two steps when the system, the scheduler, the terminal (SIGTERM, Ctrl-C, SIGHUP) or the clock asks."""

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from mixup_jax.runtime.devices.distributed import store, wait_for
from mixup_jax.runtime.errors import SIGNALS, Stopped, TimeIsUp
from mixup_jax.runtime.progress import leave_lost_terminals

MARGIN, SHARE = 60.0, 0.05
"""Seconds that are left for the last save and the end of the process, and the share of a short limit."""


class TimeLimit:
    """When to stop so that a run has ended `hours` after `began` (`time.time`): by what its calls and evaluations took.

    >>> TimeLimit(1.0, began=time.time()).is_near(), TimeLimit(1.0, began=time.time() - 3560).is_near()
    (False, True)
    """

    def __init__(self, hours: float, began: float):
        self.hours, self.end = hours, began + 3600 * hours - min(MARGIN, SHARE * 3600 * hours)
        self._asked: float | None = None  # nothing is known of the first call, which waits for the compiler
        self._took = {False: 0.0, True: 0.0}  # seconds, the last time: a call, and one with an evaluation

    def measure(self, evaluated: bool) -> None:
        """Note how long it was to this question, whether an evaluation lay between it and the one before."""
        now = time.time()
        if self._asked is not None:
            self._took[evaluated] = now - self._asked
        self._asked = now

    def is_near(self) -> bool:
        """Whether the next call, of up to twice as many steps, and an evaluation would not end in time."""
        return time.time() + 2 * self._took[False] + self._took[True] >= self.end


QUESTIONS = "mixup_jax/questions"
KEPT = 8
"""Answers that stay in the store."""
_questions = itertools.count()  # a name in the store is used once


class StopFlag:
    """Whether a signal has come, to any process of the run, or its time is up."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        self.signal: int | None = None
        self.limit, self.late = limit, False

    def stopped(self, message: str) -> Stopped:
        """Return the exception to raise."""
        if self.late and self.limit is not None and not self.signal:
            return TimeIsUp(f"after {self.limit.hours:g} hours {message}")
        return Stopped(message, self.signal or signal.SIGTERM)

    def agreed(self, steps: int) -> tuple[bool, int]:
        """Return whether to stop, and the `steps` of process 0: its clock counts for all.

        Each process must ask at the same step, and each gets the same answer: that of process 0, which may learn of
        another's signal one question late. Through the store of the coordinator: devices take no part, and go on.
        """
        self.late = self.limit is not None and self.limit.is_near()
        stop = self.late or self.signal is not None
        if jax.process_count() == 1:
            return stop, steps
        values, number = store(), next(_questions)
        if jax.process_index() == 0:
            stop = stop or bool(values.key_value_dir_get(f"{QUESTIONS}/stop/"))
            values.key_value_set(f"{QUESTIONS}/{number}", f"{int(stop)} {int(self.late)} {steps}")
            if number >= KEPT:  # no process is as many calls behind: a step needs all of them
                values.key_value_delete(f"{QUESTIONS}/{number - KEPT}")
        elif self.signal is not None:
            values.key_value_set(f"{QUESTIONS}/stop/{jax.process_index()}", "1", allow_overwrite=True)
        stop, late, steps = map(int, wait_for(f"{QUESTIONS}/{number}").split())
        self.late = bool(late)
        return bool(stop), steps


@contextmanager
def stop_on_signals(limit: TimeLimit | None = None) -> Iterator[StopFlag]:
    """Catch the first SIGTERM, SIGINT or SIGHUP; a second one ends the process at once. A time limit asks, too.

    A SIGHUP that is ignored, as under nohup, stays ignored.
    """
    flag = StopFlag(limit)
    before = {}

    def note(number: int, _: object) -> None:
        flag.signal = number
        signal.signal(number, signal.SIG_DFL)
        if number == getattr(signal, "SIGHUP", None):
            leave_lost_terminals()

    for number in SIGNALS:
        if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
