"""Summarise values over seeds: mean, sample standard deviation, 95 % Student-t interval, paired differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """Values over n seeds. One seed has no spread: `sd`, `low` and `high` are then None, not zero."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        """Write mean and standard deviation as the field does: ``5.53 ± 0.12``."""
        mean = decimal(self.mean)
        return mean if self.sd is None or not math.isfinite(self.mean) else f"{mean} ± {decimal(self.sd)}"

    @property
    def interval(self) -> str:
        """The 95 % interval in words, or nothing for one seed."""
        return "" if self.low is None or self.high is None else f"{decimal(self.low)} to {decimal(self.high)}"

    @property
    def half_width(self) -> float | None:
        """Half the length of the 95 % interval."""
        return None if self.high is None else self.high - self.mean


def summarise(values: Sequence[float]) -> Summary:
    """Summarise one value a seed, taking the seeds as a sample of all seeds (n - 1 in the standard deviation).

    >>> summary = summarise([5.4, 5.5, 5.7])
    >>> str(summary), summary.interval
    ('5.53 ± 0.15', '5.15 to 5.91')
    >>> summarise([5.4])
    Summary(mean=5.4, sd=None, low=None, high=None, n=1)
    """
    if not len(values):
        raise ValueError("values is empty; a summary needs one value a seed")
    n = len(values)
    with np.errstate(over="ignore"):  # a file may hold any number: infinity it is
        mean = float(np.mean(values))
        if n == 1 or not np.all(np.isfinite(values)):
            return Summary(mean, None, None, None, n)
        sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return Summary(mean, sd, mean - half, mean + half, n)


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Summary | None:
    """Summarise ``second - first`` over the seeds that both have (equal seeds share data order and initial weights).

    None where no seed is shared.

    >>> difference = paired_difference({0: 5.5, 1: 5.6, 2: 5.7}, {0: 4.2, 1: 4.2, 2: 4.5})
    >>> str(difference), difference.interval
    ('−1.30 ± 0.10', '−1.55 to −1.05')
    """
    shared = sorted(first.keys() & second.keys())
    return summarise([second[seed] - first[seed] for seed in shared]) if shared else None


def decimal(value: float, digits: int = 2) -> str:
    """Write a number with a real minus sign; a missing one is an em dash.

    >>> decimal(-1.3), decimal(float("nan"))
    ('−1.30', '—')
    """
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else "\N{EM DASH}"
