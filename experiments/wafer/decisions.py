"""Decision rules: from a probability for each class to a set of them.

Rules that choose by probability always choose the likeliest class, so that no set is empty; unless `empty`, for
networks that have learned maps without a defect. Thresholds and gaps are chosen on validation maps by `best_threshold`,
`best_thresholds` and `best_gap`, never on test maps; with a `weight` for each map, such as `even_weight`'s.
"""

import numpy as np
from jaxtyping import Bool, Float

from experiments.wafer.label_sets import Sets, Weight, exact_match

Probabilities = Float[np.ndarray, "_ _"]
Chosen = Bool[np.ndarray, "_ _"]
CANDIDATES = np.concatenate([[0.001, 0.003, 0.01], np.arange(0.02, 1.0, 0.02), [0.99, 0.997, 0.999]])
"""Thresholds and gaps that are tried."""


def likeliest(probability: Probabilities) -> Chosen:
    """Choose the class with the largest probability and no other.

    >>> likeliest(np.array([[0.2, 0.7, 0.6]])).tolist()
    [[False, True, False]]
    """
    return np.arange(probability.shape[1]) == probability.argmax(axis=1)[:, None]


def above(probability: Probabilities, threshold: float | np.ndarray, *, empty: bool = False) -> Chosen:
    """Choose the classes whose probability is at least the threshold, one number or one for each class.

    >>> above(np.array([[0.2, 0.7, 0.6], [0.1, 0.2, 0.3]]), 0.5).tolist()
    [[False, True, True], [False, False, True]]
    """
    chosen = probability >= threshold
    return chosen if empty else chosen | likeliest(probability)


def within_gap(probability: Probabilities, gap: float) -> Chosen:
    """Choose the classes whose probability is less than `gap` below the largest, and that one.

    Byun and Baek (ICPRAM 2020) call a map mixed if its two largest probabilities differ by less than a threshold; for
    two defects this is their rule.

    >>> within_gap(np.array([[0.5, 0.4, 0.1]]), 0.2).tolist()
    [[True, True, False]]
    """
    return (probability.max(axis=1, keepdims=True) - probability < gap) | likeliest(probability)


def likeliest_pattern(probability: Probabilities, threshold: np.ndarray, patterns: Sets) -> Chosen:
    """Choose, among sets that are possible, the one with the largest sum of log-odds above the thresholds'.

    Where all sets are possible this is `above` with `empty`: each class is decided by itself.

    >>> half = np.full(2, 0.5)
    >>> likeliest_pattern(np.array([[0.9, 0.6]]), half, np.array([[1, 0], [0, 1]])).tolist()
    [[True, False]]
    """
    evidence = log_odds(probability) - log_odds(np.asarray(threshold))
    return patterns[(evidence @ (patterns > 0).T).argmax(axis=1)] > 0


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log p / (1 - p), of probabilities kept 1e-6 away from 0 and 1."""
    inside = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(inside) - np.log1p(-inside)


def best_threshold(
    probability: Probabilities, truth: Sets, *, empty: bool = False, weight: Weight | None = None
) -> float:
    """Return the threshold with the most exact matches; the middle one where several have as many.

    >>> best_threshold(np.array([[0.9, 0.2], [0.8, 0.7]]), np.array([[1, 0], [1, 1]]))
    0.44
    """
    return _best([(exact_match(above(probability, each, empty=empty), truth, weight), each) for each in CANDIDATES])


def best_gap(probability: Probabilities, truth: Sets, *, weight: Weight | None = None) -> float:
    """Return the gap with the most exact matches; the middle one where several have as many."""
    return _best([(exact_match(within_gap(probability, each), truth, weight), each) for each in CANDIDATES])


def best_thresholds(
    probability: Probabilities, truth: Sets, *, empty: bool = False, rounds: int = 3, weight: Weight | None = None
) -> np.ndarray:
    """Return a threshold for each class: from the best common one on, class by class that with most exact matches."""
    found = np.full(probability.shape[1], best_threshold(probability, truth, empty=empty, weight=weight))
    for _ in range(rounds):
        for column in range(len(found)):
            tried = []
            for each in CANDIDATES:
                found_here = np.where(np.arange(len(found)) == column, each, found)
                tried.append((exact_match(above(probability, found_here, empty=empty), truth, weight), each))
            found[column] = _best(tried)
    return found


def _best(tried: list[tuple[float, float]]) -> float:
    """Return the middle one of the best candidates."""
    most = max(share for share, _ in tried)
    best = [value for share, value in tried if share > most - 1e-9]  # weighted shares are rounded
    return round(float(best[(len(best) - 1) // 2]), 6)
