"""Summarise values over seeds: mean, 95 % Student-t interval, paired differences, p-values, Holm's correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from mixup_jax.report.format import MISSING, decimal


@dataclass(frozen=True)
class Summary:
    """Values over n seeds. One seed has no spread: `sd`, `low` and `high` are then None, not zero."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        """Return mean and standard deviation: ``5.53 ± 0.12``."""
        return self.format()

    def format(self, digits: int = 2, *, signed: bool = False) -> str:
        """Return mean and standard deviation with another number of decimal places, or with a plus sign."""
        return " ".join(filter(None, (decimal(self.mean, digits, signed=signed), self.spread(digits))))

    def spread(self, digits: int = 2) -> str:
        """Return the standard deviation: ``± 0.12``; empty for one seed."""
        return f"± {decimal(self.sd, digits)}" if self.sd is not None and self.known else ""

    @property
    def known(self) -> bool:
        """Whether all values are finite."""
        return math.isfinite(self.mean)

    @property
    def interval(self) -> str:
        """The 95 % interval: ``5.15 to 5.91``; an em dash for one seed."""
        return MISSING if self.low is None or self.high is None else f"{decimal(self.low)} to {decimal(self.high)}"

    @property
    def half_width(self) -> float | None:
        """Half the length of the 95 % interval."""
        return None if self.high is None else self.high - self.mean

    @property
    def p(self) -> float | None:
        """The two-sided p-value of Student's t-test that the mean is 0; None for one seed.

        It is below 0.05 exactly where the interval leaves out 0.
        """
        if self.half_width is None:
            return None
        quantile = float(stdtrit(self.n - 1, 0.975))
        ratio = abs(self.mean) / self.half_width if self.half_width else math.inf if self.mean else 0.0
        return 2 * float(stdtr(self.n - 1, -ratio * quantile))

    @property
    def with_half_width(self) -> str:
        """Mean and half of the 95 % interval: ``5.53 ± 0.38``."""
        return decimal(self.mean) + ("" if self.half_width is None else f" ± {decimal(self.half_width)}")


UNKNOWN = Summary(math.nan, None, None, None, 0)


def summarise(values: Sequence[float], overlap: float = 0.0) -> Summary:
    """Summarise one value per seed, the seeds a sample of all seeds (n - 1 in the standard deviation).

    Values of n random splits of the same rows are not independent, since their training sets share rows: `overlap` is
    the number of test rows over that of training rows, by which the variance of the mean grows from 1/n to 1/n +
    overlap (Nadeau and Bengio, 2003, doi:10.1023/A:1024068626366). 0 is for independent values.

    Raises ValueError without values.

    >>> summary = summarise([5.4, 5.5, 5.7])
    >>> str(summary), summary.interval
    ('5.53 ± 0.15', '5.15 to 5.91')
    >>> summarise([5.4])
    Summary(mean=5.4, sd=None, low=None, high=None, n=1)
    """
    if not len(values):
        raise ValueError("values is empty; a summary needs one value per seed")
    n = len(values)
    with np.errstate(over="ignore"):  # a file may hold numbers whose mean is infinite
        mean = float(np.mean(values))
        if n == 1 or not np.all(np.isfinite(values)):
            return Summary(mean, None, None, None, n)
        sd = float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * sd * math.sqrt(1 / n + overlap)
    return Summary(mean, sd, mean - half, mean + half, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of several comparisons, so that one below 0.05 is wrong at most once in twenty tables.

    The i-th smallest of m is multiplied by m - i + 1, and none is smaller than one before it (Holm, 1979, Scandinavian
    Journal of Statistics 6, 65-70).

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Summary | None:
    """Summarise ``second - first`` over the shared seeds, which have equal data order and initial weights.

    None where no seed is shared.

    >>> difference = paired_difference({0: 5.5, 1: 5.6, 2: 5.7}, {0: 4.2, 1: 4.2, 2: 4.5})
    >>> str(difference), difference.interval
    ('−1.30 ± 0.10', '−1.55 to −1.05')
    """
    shared = sorted(first.keys() & second.keys())
    return summarise([second[seed] - first[seed] for seed in shared]) if shared else None
