"""Stop between two steps when the system, the scheduler or the terminal asks for it (SIGTERM, Ctrl-C, SIGHUP)."""

import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from mixup_jax.runtime.distributed import store, wait_for
from mixup_jax.runtime.errors import SIGNALS, Stopped

QUESTIONS = "mixup_jax/questions"
KEPT = 8
"""Answers that stay in the store."""
_questions = itertools.count()  # a name in the store is used once


class StopFlag:
    """Whether a signal has come, to any process of the run."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def stopped(self, message: str) -> Stopped:
        """Return the exception to raise."""
        return Stopped(message, self.signal or signal.SIGTERM)

    def agreed(self, steps: int) -> tuple[bool, int]:
        """Return whether a signal has come to any process, and the `steps` of process 0: its clock counts for all.

        Each process must ask at the same step, and each gets the same answer: that of process 0, which may learn of
        another's signal one question late. Through the store of the coordinator: devices take no part, and go on.
        """
        stop = self.signal is not None
        if jax.process_count() == 1:
            return stop, steps
        values, number = store(), next(_questions)
        if jax.process_index() == 0:
            stop = stop or bool(values.key_value_dir_get(f"{QUESTIONS}/stop/"))
            values.key_value_set(f"{QUESTIONS}/{number}", f"{int(stop)} {steps}")
            if number >= KEPT:  # no process is as many calls behind: a step needs all of them
                values.key_value_delete(f"{QUESTIONS}/{number - KEPT}")
        elif stop:
            values.key_value_set(f"{QUESTIONS}/stop/{jax.process_index()}", "1", allow_overwrite=True)
        stop, steps = map(int, wait_for(f"{QUESTIONS}/{number}").split())
        return bool(stop), steps


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Catch the first SIGTERM, SIGINT or SIGHUP; a second one ends the process at once.

    A SIGHUP that is ignored, as under nohup, stays ignored.
    """
    flag = StopFlag()
    before = {}

    def note(number: int, _: object) -> None:
        flag.signal = number
        signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
