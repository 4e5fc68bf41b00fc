"""Contestants take turns in one process, A B C A B C ..., so that other load hits all of them; medians and ratios."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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

    def of_a_piece(self, pieces: int) -> "Timing":
        """Return the time of each of the `pieces` that what was timed consists of.

        >>> Timing([3.0, 6.0], [4.0, 8.0]).of_a_piece(2)
        Timing(seconds=[1.5, 3.0], processor=[2.0, 4.0])
        """
        return Timing([each / pieces for each in self.seconds], [each / pieces for each in self.processor])

    def over(self, other: "Timing", factor: float = 1.0) -> str:
        """Return its time over `factor` times the other's, turn by turn, as text."""
        return spread(self.ratios(other, factor))

    def processor_over(self, other: "Timing") -> str:
        """Return its processor time over the other's, turn by turn, as text."""
        return spread([mine / theirs for mine, theirs in zip(self.processor, other.processor, strict=True)])

    def ratios(self, other: "Timing", factor: float = 1.0) -> list[float]:
        """Return its time over `factor` times the other's, of turns that followed each other."""
        return [mine / (factor * theirs) for mine, theirs in zip(self.seconds, other.seconds, strict=True)]


def take_turns(runs: Mapping[str, Steps], effort: Effort, *, pause: float = 0.0) -> dict[str, Timing]:
    """Let every contestant have its turns; a first round, which is not counted, finds how much to do in one.

    After `pause` seconds the threads of the one before have gone to sleep; a step outside of the clock wakes one's own.
    """
    counts: dict[str, int] = {}
    timings = {name: Timing([], []) for name in runs}
    for index in track(range(effort.rounds + 1), description="taking turns", transient=True, console=STDERR):
        for name, run in runs.items():
            time.sleep(pause)
            run(1)
            seconds, processor = clocked(run, counts.get(name, 1))
            if index == 0:
                counts[name] = max(1, round(effort.seconds / max(seconds, 1e-6)))
            else:
                timings[name].seconds.append(seconds)
                timings[name].processor.append(processor)
    return timings


def clocked(run: Steps, count: int) -> tuple[float, float]:
    """Return the seconds and processor seconds that one of `count` pieces of work takes."""
    start, start_processor = time.perf_counter(), time.process_time()
    run(count)
    return (time.perf_counter() - start) / count, (time.process_time() - start_processor) / count


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


NO_TORCH = "PyTorch is not installed."


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


def printed(code: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run Python code; return the JSON of its last line. Raises RuntimeError with what it complained of.

    >>> printed("print([1, 2])")
    [1, 2]
    """
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{code}: exit status {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
