"""Trace some steps of a training with `jax.profiler`, once the first call has compiled the program."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from mixup_jax.runtime.devices.mesh import is_writer


class Profile:
    """Traces `steps` steps into `folder`, after the first call; `wait` waits for the calls that were begun before."""

    def __init__(self, folder: Path = Path(), steps: int = 0, wait: Callable[[], Any] = lambda: None):
        self._folder, self._wanted, self._left, self._wait = folder, steps, steps, wait
        self._warm = self._running = False

    def parts(self, count: int) -> Iterator[int]:
        """Cut a call of `count` steps: those that are traced are calls of their own."""
        if self._left and self._warm:
            if not self._running:
                self._wait()
                options = jax.profiler.ProfileOptions()
                options.python_tracer_level = 0  # calls of Python would be most of the trace
                jax.profiler.start_trace(self._folder, create_perfetto_trace=True, profiler_options=options)
                self._running = True
            part = min(count, self._left)
            yield part
            self._left, count = self._left - part, count - part
            if not self._left:
                self._stop()
        if count:
            yield count
        self._warm = True

    def close(self) -> None:
        """End a trace that has not got all its steps, and say where it is and how many it has."""
        self._stop()
        if self._wanted and is_writer():
            traced = self._wanted - self._left
            fewer = f" of {self._wanted}: no more were left after the first call" if self._left else ""
            where = f", in {self._folder} (docs/launching.md)" if traced else ""
            print(f"profile: {traced} steps{fewer}{where}")

    def _stop(self) -> None:
        if self._running:
            self._wait()
            jax.profiler.stop_trace()
            self._running = False


@contextlib.contextmanager
def profiling(workdir: Path, steps: int, wait: Callable[[], Any]) -> Iterator[Profile]:
    """Trace steps into the folder `profile` of a run; each of several processes into one of its own below it."""
    folder = workdir / "profile"
    if jax.process_count() > 1:
        folder /= f"process{jax.process_index()}"
    with contextlib.closing(Profile(folder, steps, wait)) as profile:
        yield profile
