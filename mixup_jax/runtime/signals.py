"""Stop between two steps when the system, the scheduler or the terminal asks for it (SIGTERM, Ctrl-C, SIGHUP)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils

from mixup_jax.runtime.errors import SIGNALS, Stopped


class StopFlag:
    """Whether a signal has come, to any process of the run."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def stopped(self, message: str) -> Stopped:
        """Return the exception to raise."""
        return Stopped(message, self.signal or signal.SIGTERM)

    def agreed(self, steps: int) -> tuple[bool, int]:
        """Return whether a signal has come to any process, and the `steps` of process 0: its clock counts for all.

        Each process must ask at the same step, and each gets the same answer.
        """
        mine = self.signal is not None
        if jax.process_count() == 1:
            return mine, steps
        every = multihost_utils.process_allgather(np.array([mine, steps], np.int32)).reshape(-1, 2)
        return bool(every[:, 0].any()), int(every[0, 1])


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
