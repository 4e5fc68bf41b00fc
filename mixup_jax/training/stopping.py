"""Stop between two steps when the operating system or the scheduler asks for it (SIGTERM, Ctrl-C)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils

from mixup_jax.errors import Stopped


class StopFlag:
    """Whether a signal has come, to any process of the run."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def stopped(self, message: str) -> Stopped:
        """Return the exception to raise."""
        return Stopped(message, self.signal or signal.SIGTERM)

    def requested(self) -> bool:
        """Ask all processes; each must ask at the same step, and each gets the same answer."""
        mine = self.signal is not None
        if jax.process_count() == 1:
            return mine
        return bool(np.any(multihost_utils.process_allgather(np.asarray(mine))))


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Catch the first SIGTERM or SIGINT; a second one ends the process at once."""
    flag = StopFlag()
    before = {}

    def note(number: int, _: object) -> None:
        flag.signal = number
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
