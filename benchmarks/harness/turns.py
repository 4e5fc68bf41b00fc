"""Contestants take turns in one process, A B C A B C ..., so that other load hits all of them; medians and ratios."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
from rich.console import Console
from rich.progress import track

from mixup_jax.runtime.resumable import CALL_SECONDS

STDERR = Console(stderr=True)
"""For progress: what is printed may be somebody's data."""

Steps = Callable[[int], None]
"""Does its work that many times, and returns when it is done."""


@dataclass(frozen=True)
class Effort:
    """How many turns each contestant gets that count, and how long one should last, in seconds."""

    rounds: int
    seconds: float


FULL, QUICK = Effort(rounds=9, seconds=0.5), Effort(rounds=3, seconds=0.03)


def as_in_runs(effort: Effort) -> Effort:
    """Let a turn last as long as a call in a run; on small data sets it is several calls, of an epoch each."""
    return effort if effort == QUICK else replace(effort, seconds=CALL_SECONDS)


@dataclass(frozen=True)
class Timing:
    """Seconds and processor seconds of one piece of work, a number for each turn."""

    seconds: list[float]
    processor: list[float]

    @property
    def median(self) -> float:
        """Return the median of the seconds."""
        return statistics.median(self.seconds)

    def ms(self) -> str:
        """Return milliseconds as text: the median, the least and the most."""
        return spread([1000 * each for each in self.seconds])

    def rate(self, count: int) -> str:
        """Return how many a second, where a piece of work is `count` of them."""
        return spread([count / each for each in self.seconds])

    def over(self, other: "Timing") -> str:
        """Return its time over the other's, of turns that followed each other, as text."""
        return spread([mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)])

    def of_processor(self) -> "Timing":
        """Return processor seconds in place of seconds."""
        return Timing(self.processor, self.processor)


def repeated(work: Callable[[], Any]) -> Steps:
    """Return work that is done again and again; of JAX's arrays the last is waited for."""

    def run(count: int) -> None:
        for _ in range(count):
            result = work()
        jax.block_until_ready(result)

    return run


def take_turns(runs: Mapping[str, Steps], effort: Effort, *, pause: float = 0.0) -> dict[str, Timing]:
    """Let every contestant have its turns; a first round, which is not counted, finds how much to do in one.

    After `pause` seconds the threads of the one before have gone to sleep; a step outside of the clock wakes one's own.
    """
    counts = dict.fromkeys(runs, 1)
    timings = {name: Timing([], []) for name in runs}
    for index in track(range(effort.rounds + 1), description="taking turns", transient=True, console=STDERR):
        for name, run in runs.items():
            time.sleep(pause)
            run(1)
            start, start_processor = time.perf_counter(), time.process_time()
            run(counts[name])
            seconds = (time.perf_counter() - start) / counts[name]
            processor = (time.process_time() - start_processor) / counts[name]
            if index == 0:
                counts[name] = max(1, round(effort.seconds / max(seconds, 1e-6)))
            else:
                timings[name].seconds.append(seconds)
                timings[name].processor.append(processor)
    return timings


def spread(values: Sequence[float]) -> str:
    """Return the median, the least and the most of some numbers as text, to three digits.

    >>> spread([3.0, 1.0, 2.5]), spread([1234.4, 1000.0, 2000.0]), spread([0.01234])
    ('2.50 (1.00-3.00)', '1,234 (1,000-2,000)', '0.0123')
    """
    if len(values) == 1:
        return digits(values[0])
    return f"{digits(statistics.median(values))} ({digits(min(values))}-{digits(max(values))})"


def digits(value: float) -> str:
    """Return a number as text, to three digits at least.

    >>> digits(0.98765), digits(12.345), digits(123.4), digits(0.0), digits(-1.5)
    ('0.988', '12.3', '123', '0', '-1.50')
    """
    size = abs(value)
    if size == 0:
        return "0"
    places = next((places for limit, places in ((100, 0), (10, 1), (1, 2), (0.1, 3)) if size >= limit), 4)
    return f"{value:,.{places}f}"


def import_torch() -> Any | None:
    """Import PyTorch with a thread for each core, threads that wait asleep; None where it is not installed.

    Threads that wait by spinning slow down whoever comes next, and everybody on a busy machine. Triton, which comes
    with it and loads late, ends the process where TensorFlow was loaded before: it is loaded here.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
    except ImportError:
        return None
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401  # pyright: ignore[reportMissingImports]
    torch.set_num_threads(os.cpu_count() or 1)
    return torch


def add_installed(runs: dict[str, Steps], makers: Mapping[str, Callable[[], Steps]]) -> str:
    """Add what others have and is installed, by what makes it; return a sentence on what is not."""
    import_torch()
    missing = []
    for name, make in makers.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runs[name] = make()
        except (ImportError, RuntimeError) as error:  # a torchvision built for another PyTorch raises the second
            missing.append(f"{name} ({str(error).splitlines()[0]})")
    return f" Not installed and left out: {'; '.join(missing)}." if missing else ""


def python(*arguments: str, **environment: str) -> str:
    """Run Python with more environment variables; return what it printed, or raise RuntimeError with its complaint.

    >>> python("-c", "import os; print(os.environ['WORD'])", WORD="so")
    'so\\n'
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout
