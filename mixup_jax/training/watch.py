"""Watch the calls of the training program from outside: time them, trace some, count operations; no bit changes."""

import contextlib
import ctypes
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.models.operations import count_operations
from mixup_jax.runtime.profiling import Profile, profiling
from mixup_jax.runtime.speed import StepTimes, speed


class Watch:
    """What is seen of the calls of a run; `images_per_step` only where these come in a stream, which may be slow."""

    def __init__(self, images_per_step: int = 0):
        self.times, self.profile, self.operations = StepTimes(), Profile(), None
        self._images = images_per_step

    @contextlib.contextmanager
    def opened(self, workdir: Path, traced: int) -> Iterator[None]:
        """Watch in the body, and trace so many of its steps."""
        with contextlib.closing(self.times), profiling(workdir, traced, self.times.pause) as self.profile:
            yield

    def train(self, program: Any, state: Any, totals: Any, alpha: Any, examples: Any, steps: int) -> tuple[Any, Any]:
        """Call the training program for so many steps; return its state and totals, without waiting for them."""
        for part in self.profile.parts(steps):
            began, others = self.times.clock(), (alpha, examples, np.int32(part))
            if self.operations is None:  # the call finds what is traced and compiled here
                traced = program.trace(state, totals, *others)
                self.operations = count_operations(traced.jaxpr)
                traced.lower().compile()
                release_memory()
            state, totals = program(state, totals, *others)
            self.times.add(totals.bad_step, part, began)
        if self._images and (word := self.times.slow_input(self._images)):
            self._images = 0  # it is said once
            warnings.warn(word, stacklevel=2)
        return state, totals

    def speed(self, devices: list[Any], dtype: str, precision: str) -> dict[str, Any]:
        """Return what result.json says of the speed."""
        self.times.pause()
        return speed(self.times, self.operations, devices, dtype, precision)


def release_memory() -> None:
    """Give the memory that compiling took back to the system, before a program asks for its own; glibc alone can."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
