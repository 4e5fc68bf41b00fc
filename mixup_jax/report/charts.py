"""The figures of the page as places on a small canvas, with the values told on hover; `charts.html` draws them.

The page's own letters are HTML, in any script; matplotlib (`plots`) draws what is a file of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mixup_jax.report.conditions import Condition
from mixup_jax.report.format import decimal
from mixup_jax.report.plots.figures import calibration_errors
from mixup_jax.report.statistics import Summary, summarise


class Box(NamedTuple):
    """Where the axes of a panel lie on its canvas, which has room for their numbers."""

    left: float = 42
    right: float = 440
    top: float = 8
    bottom: float = 220

    @property
    def across(self) -> tuple[float, float]:
        """The ends of the axis from left to right."""
        return self.left, self.right

    @property
    def up(self) -> tuple[float, float]:
        """The ends of the axis upwards."""
        return self.bottom, self.top


BOX = Box()
MOST = 12
"""More lines or diagrams than these cannot be told apart: those with the lowest error are drawn."""
TINY = 1e-100
"""Curves that do not rise above it are drawn as 0: a file may hold numbers that cannot be divided into ticks."""
MOST_PLACES = 300  # of a line; values on hover are told at a third of them


@dataclass(frozen=True)
class Axis:
    """A linear axis from 0 to `high`, which lies between two places on the canvas."""

    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return round(self.start + (self.end - self.start) * value / self.high, 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Return the places and the text of up to seven round values.

        >>> [text for _, text in Axis(23.0, 0, 100).ticks]
        ['0', '5', '10', '15', '20']
        """
        power = 10.0 ** math.floor(math.log10(self.high / 6))
        step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if self.high / step <= 6.001)
        values = [step * index for index in range(int(self.high / step + 1e-9) + 1)]
        return [(self(value), f"{value:.6g}") for value in values]


@dataclass(frozen=True)
class Line:
    """The mean over seeds at some epochs, and the band from the lowest to the highest seed."""

    look: int
    label: str
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dotted: bool = False

    def told(self, epoch: float) -> str:
        """Return the values at an epoch in words; empty where there are none."""
        place = np.flatnonzero(self.epochs == epoch)
        if not len(place):
            return ""
        low, mean, high = (decimal(float(values[place[0]])) for values in (self.low, self.mean, self.high))
        return f"\n{self.label}: {mean}" + (f" ({low} to {high})" if low != high else "")


@dataclass(frozen=True)
class Panel:
    """Curves over epochs: a quantity of some conditions."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]

    def points(self, line: Line) -> str:
        """Return the places of a line for SVG."""
        return self._places(line.epochs, line.mean)

    def band(self, line: Line) -> str:
        """Return the outline of a line's band for SVG; empty where it has no height."""
        if np.array_equal(line.low, line.high):
            return ""
        return f"{self._places(line.epochs, line.low)} {self._places(line.epochs[::-1], line.high[::-1])}"

    def _places(self, epochs: np.ndarray, values: np.ndarray) -> str:
        return " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in zip(epochs.tolist(), values.tolist(), strict=True))

    def stops(self) -> list[tuple[float, float, str]]:
        """Return where values are told on hover: left edge, width, words."""
        epochs = _thinned(np.unique(np.concatenate([line.epochs for line in self.lines])), MOST_PLACES // 3).tolist()
        edges = [BOX.left, *[self.x((a + b) / 2) for a, b in pairwise(epochs)], BOX.right]
        words = [f"epoch {epoch:g}" + "".join(line.told(epoch) for line in self.lines) for epoch in epochs]
        return [(a, round(b - a, 1), each) for (a, b), each in zip(pairwise(edges), words, strict=True)]


def curve_panels(conditions: Sequence[Condition]) -> list[Panel]:
    """Return the panels of test error and training loss; the mean validation error is a dotted line in the first."""
    panels = []
    for title, names in (("Test error, %", ("test_error", "valid_error")), ("Training loss", ("train_loss",))):
        lines = [_line(condition, look, name) for name in names for look, condition in enumerate(conditions)]
        lines = [line for line in lines if len(line.epochs)]
        if lines:
            right = max(float(line.epochs[-1]) for line in lines)
            top = max(float(line.high.max()) for line in lines)
            x, y = Axis(right if right > TINY else 1.0, *BOX.across), Axis(1.05 * top if top > TINY else 1.0, *BOX.up)
            panels.append(Panel(title, x, y, lines))
    return panels


def _line(condition: Condition, look: int, name: str) -> Line:
    epochs, values = condition.curve(name)
    usable = (np.abs(values) < 1e30).all(axis=1) & (epochs >= 0) & (epochs < 1e30)  # a file may hold any number
    kept = _thinned(np.flatnonzero(usable), MOST_PLACES)
    epochs, values, validation = epochs[kept], values[kept], name == "valid_error"
    mean = values.mean(axis=1)
    low, high = (mean, mean) if validation else (values.min(axis=1), values.max(axis=1))
    return Line(look, condition.label + ", validation" * validation, epochs, mean, low, high, validation)


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the values, evenly chosen, the first and the last among them."""
    return values if len(values) <= most else values[np.linspace(0, len(values) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Bin:
    """A bin of a reliability diagram; accuracy and confidence from 0 to 1."""

    start: float
    width: float
    accuracy: float
    confidence: float
    count: float

    @property
    def words(self) -> str:
        """Say what the bin holds."""
        ends = f"confidence {self.start:.2f} to {self.start + self.width:.2f}"
        told = f"accuracy {decimal(100 * self.accuracy, 1)} %, mean confidence {decimal(100 * self.confidence, 1)} %"
        return f"{ends}\n{told}\n{self.count:,.0f} test examples"


@dataclass(frozen=True)
class Diagram:
    """The bins of a condition that hold examples, seeds pooled by their counts, and its calibration error."""

    condition: Condition
    error: Summary
    bins: Sequence[Bin]
    most: float
    """The largest count of a bin, mean over seeds."""


def has_bins(condition: Condition) -> bool:
    """Return whether all runs of a condition have bins, and as many: files may come from anywhere."""
    bins = [run.reliability["count"].shape[1] if run.reliability else 0 for run in condition.runs]
    return bool(min(bins)) and len({*bins}) == 1


def reliability_diagram(condition: Condition) -> Diagram:
    """Return the diagram of a condition whose runs have bins."""
    count, accuracy, confidence = condition.bins()
    width, error = 1 / len(count), summarise([each for run in condition.runs for each in calibration_errors(run)])
    rows = zip(*(values.tolist() for values in (accuracy, confidence, count)), strict=True)
    bins = [Bin(place * width, width, *row) for place, row in enumerate(rows) if row[-1] > 0]
    return Diagram(condition, error, bins, max((each.count for each in bins), default=1.0))
