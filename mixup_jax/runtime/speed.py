"""What a run tells of its speed: seconds a step, the share of time that devices waited, operations, memory.

The loop waits for no step that it need not wait for. So a thread does, and notes when each call ended.
"""

import math
import sys
import threading
import time
from array import array
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

import jax
import numpy as np

from mixup_jax.runtime.devices.chips import chip_of

WARN_STEPS, WARN_SECONDS, WARN_SHARE = 100, 20.0, 0.2
"""A run that waits for its input is told so, once, after so many steps and seconds, where it waits so large a share."""

PREFIXES = ("µ", "m", "", "k", "M", "G", "T", "P")
QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
SPEEDS = ("waiting", "operations_per_second", "flop_utilisation", "device_memory", "process_memory")
"""What `in_words` says beside the quantiles."""
PRECISIONS = {
    None: "default",
    "bfloat16": "default",
    "tensorfloat32": "high",
    "bfloat16_3x": "high",
    "float32": "highest",
}
PRECISIONS |= {name: name for name in ("default", "high", "highest")}
"""JAX's names of the precision of matrix products; others are of one kind of chip."""


class StepTimes:
    """When the devices of this process worked on steps, and when they had none to do.

    The first call, which compiles, does not count, nor does the time between an evaluation's begin and the next call.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock = clock
        self.steps, self.busy, self.waited = 0, 0.0, 0.0
        self._counts, self._seconds, self._waits = array("q"), array("d"), array("d")
        self._calls: SimpleQueue[tuple[Any, int, float] | threading.Event | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended: float | None = None
        self._warm, self._line = False, 0

    def add(self, done: Any, steps: int, began: float) -> None:
        """Note a call of so many steps, given to the devices at `began`, which ends when the array `done` is there."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="step times", daemon=True)
            self._thread.start()
        self._calls.put((done, steps, began))

    def pause(self) -> None:
        """Wait for the calls so far; the time until the next call, an evaluation's, is not counted."""
        if self._thread is not None:
            reached = threading.Event()
            self._calls.put(reached)
            reached.wait()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _follow(self) -> None:
        while (call := self._calls.get()) is not None:
            if isinstance(call, threading.Event):
                self._ended = None
                call.set()
                continue
            done, steps, began = call
            try:
                jax.block_until_ready(done)
            except Exception:  # the loop meets the same error
                continue
            self.note(steps, began, self.clock())

    def note(self, steps: int, began: float, ended: float) -> None:
        """Count a call that was given to the devices at `began` and ended at `ended`, after all those before it."""
        start = began if self._ended is None else max(self._ended, began)
        if self._warm:
            wait = 0.0 if self._ended is None else start - self._ended
            self._counts.append(steps)
            self._seconds.append((ended - start) / steps)
            self._waits.append(wait)
            self.steps, self.busy, self.waited = self.steps + steps, self.busy + ended - start, self.waited + wait
        self._warm, self._ended = True, ended

    @property
    def waiting(self) -> float | None:
        """Return the share of the time in which the devices had no step to do."""
        return round(self.waited / (self.waited + self.busy), 4) if self.busy else None

    def of_line(self) -> dict[str, float | None]:
        """Return the median of the seconds a step and the share of waiting since the line before in metrics.jsonl."""
        first, self._line = self._line, len(self._counts)
        waited, busy = sum(self._waits[first:]), float(np.dot(self._counts[first:], self._seconds[first:]))
        return {
            "step_seconds": self._quantile(0.5, first),
            "waiting": round(waited / (waited + busy), 4) if busy else None,
        }

    def quantiles(self) -> dict[str, float | None]:
        """Return the median and two percentiles of the seconds a step, and those of the slowest call."""
        return {name: self._quantile(share) for name, share in QUANTILES.items()}

    def _quantile(self, share: float, first: int = 0) -> float | None:
        if len(self._counts) <= first:
            return None
        weights = np.array(self._counts[first:], float)
        return round(float(np.quantile(self._seconds[first:], share, weights=weights, method="inverted_cdf")), 7)

    def slow_input(self, examples_per_step: int) -> str:
        """Say that the devices wait for their input, where they often do and enough was seen to know; else nothing.

        >>> times = StepTimes()
        >>> for step in range(101):
        ...     times.note(1, began=step, ended=step + 0.625)
        >>> times.slow_input(64)
        'the devices wait for their input 38 % of the time: 64 images/s come, a step could take 102; give it more...'
        """
        whole = self.busy + self.waited
        if self.steps < WARN_STEPS or whole < WARN_SECONDS or self.waited < WARN_SHARE * whole:
            return ""
        came, could = (self.steps * examples_per_step / seconds for seconds in (whole, self.busy))
        return (
            f"the devices wait for their input {100 * self.waited / whole:.0f} % of the time: {came:,.0f} images/s "
            f"come, a step could take {could:,.0f}; give it more cores, more --workers, or photographs of fewer pixels"
        )


def speed(
    times: StepTimes, operations: float | None, devices: list[Any], dtype: str, precision: str = "default"
) -> dict[str, Any]:
    """Return what result.json says of the speed; a value is None where it is not known.

    `operations` are those of a step on all `devices` together, `dtype` is that of the network's products, `precision`
    `Config.matmul_precision`.
    """
    quantiles, peak = times.quantiles(), peak_of(devices[0].device_kind, dtype, precision)
    per_second = operations / quantiles["median"] if operations and quantiles["median"] else None
    return {
        "step_seconds": quantiles,
        "waiting": times.waiting,
        "operations_per_step": operations,
        "operations_per_second": per_second,
        "flop_utilisation": per_second / peak / len(devices) if per_second and peak else None,
        "device_memory": device_memory(),
        "process_memory": process_memory(),
    }


def peak_of(kind: str, dtype: str, precision: str = "default") -> float | None:
    """Return the peak of operations a second of a kind of device; None where it is unknown, as a CPU's is.

    >>> peak_of("NVIDIA H100 80GB HBM3", "bfloat16"), peak_of("cpu", "float32")
    (989400000000000.0, None)
    """
    chosen = jax.config.jax_default_matmul_precision if precision == "default" else precision  # pyright: ignore
    chip, known = chip_of(kind), PRECISIONS.get(chosen)
    return chip.flops(dtype, known) if chip and known else None


def device_memory() -> int | None:
    """Return the most bytes of memory that a device of this process has had in use; None where it does not tell."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    return max((peak for peak in peaks if peak is not None), default=None)


def process_memory() -> int | None:
    """Return the most bytes of main memory that this process has had; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_words(speed: Mapping[str, Any]) -> str:
    """Return one line on the speed; nothing where no call was timed.

    >>> seconds = {"median": 0.0123, "p90": 0.013, "p99": 0.02, "max": 0.021}
    >>> in_words({"step_seconds": seconds, "waiting": 0.02, "operations_per_second": 4.5e13, "process_memory": 2**31})
    'a step 12.3 ms (p90 13 ms, p99 20 ms), devices waited 2 % of the time, 45 TFLOP/s, memory 2.15 GB'
    """
    seconds = speed.get("step_seconds", {})
    if seconds.get("median") is None:
        return ""
    slower = ", ".join(f"{name} {_unit(seconds[name], 's')}" for name in ("p90", "p99") if name in seconds)
    parts = [f"a step {_unit(seconds['median'], 's')}" + f" ({slower})" * bool(slower)]
    if (waiting := speed.get("waiting")) is not None:
        parts.append(f"devices waited {100 * waiting:.0f} % of the time")
    if per_second := speed.get("operations_per_second"):
        parts.append(_unit(per_second, "FLOP/s"))
    if share := speed.get("flop_utilisation"):
        parts.append(f"{100 * share:.1f} % of the chips' peak")
    if memory := speed.get("device_memory") or speed.get("process_memory"):
        parts.append(f"memory {_unit(memory, 'B')}")
    return ", ".join(parts)


def _unit(value: float, unit: str) -> str:
    """Write a number with three digits and the prefix of its size.

    >>> _unit(0.0000123, "s"), _unit(4.567e13, "FLOP/s"), _unit(0.0, "s")
    ('12.3 µs', '45.7 TFLOP/s', '0 s')
    """
    exponent = max(-2, min(0 if unit == "s" else 5, math.floor(math.log10(value) / 3))) if value else 0
    return f"{float(f'{value / 1000.0**exponent:.3g}'):g} {PREFIXES[exponent + 2]}{unit}"
