"""How right a set of labels is: metrics of many names, each by its name, as shares from 0 to 1.

`truth` and `chosen` are multi-hot (n, classes), `score` float (n, classes): the larger, the likelier. Most of them
answer different questions: a network may name one of the defects of every map (top-1-in-set 1) and never all of them
(exact match 0).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Integer

Sets = Integer[np.ndarray, "_ _"] | Bool[np.ndarray, "_ _"]
Scores = Float[np.ndarray, "_ _"]
Weight = Float[np.ndarray, " _"]


def single_accuracy(score: Scores, truth: Sets) -> float:
    """Return how often the largest score is that of the only label; raises ValueError for other than single labels.

    >>> single_accuracy(np.array([[0.9, 0.4], [0.8, 0.3]]), np.array([[1, 0], [0, 1]]))
    0.5
    """
    if (truth.sum(axis=1) != 1).any():
        raise ValueError("truth must hold exactly one label a row; for sets see top_1_in_set.")
    return top_1_in_set(score, truth)


def top_1_in_set(score: Scores, truth: Sets) -> float:
    """Return how often the largest score is that of any of the labels."""
    _check(score, truth)
    return float(np.mean(truth[np.arange(len(truth)), score.argmax(axis=1)] > 0))


def recall_at_k(score: Scores, truth: Sets) -> float:
    """Return the mean share of the k labels that are among the k largest scores, k being each map's own number.

    >>> recall_at_k(np.array([[0.9, 0.4, 0.5]]), np.array([[1, 1, 0]]))
    0.5
    """
    found = known_k(score, truth) & (truth > 0)
    return float(np.mean(found.sum(axis=1) / truth.sum(axis=1)))


def known_k_exact(score: Scores, truth: Sets) -> float:
    """Return how often the k largest scores are exactly the k labels: exact match if somebody told k."""
    return exact_match(known_k(score, truth), truth)


def known_k(score: Scores, truth: Sets) -> np.ndarray:
    """Return the sets of the k largest scores, k being the number of labels; a tie goes to the first class."""
    _check(score, truth)
    number = truth.sum(axis=1).astype(int)
    if (number == 0).any():
        raise ValueError("truth holds an empty set; the k largest scores of it are none.")
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1)
    return rank < number[:, None]


def exact_match(chosen: Sets, truth: Sets, weight: Weight | None = None) -> float:
    """Return how often the set is right, all of it (subset accuracy); with a `weight` for each row, by their share.

    >>> exact_match(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]]))
    0.5
    """
    _check(chosen, truth)
    return float(np.average(np.all((chosen > 0) == (truth > 0), axis=1), weights=weight))


def even_weight(truth: Sets) -> Weight:
    """Return a weight for each row with which every set of labels that occurs counts the same, however often it does.

    The exact match is then the mean of the sets' own.

    >>> even_weight(np.array([[1, 0], [1, 0], [1, 1]])).tolist()
    [0.5, 0.5, 1.0]
    """
    _, of, count = np.unique(truth > 0, axis=0, return_inverse=True, return_counts=True)
    return 1 / count[of.ravel()]


def hamming_accuracy(chosen: Sets, truth: Sets) -> float:
    """Return the share of the single decisions, class by class, that are right: 1 minus the Hamming loss."""
    _check(chosen, truth)
    return float(np.mean((chosen > 0) == (truth > 0)))


def micro_f1(chosen: Sets, truth: Sets) -> float:
    """Return the F1 of all decisions together; 0 where nothing is chosen and nothing is there."""
    return float(_f1(*(counts.sum(keepdims=True) for counts in _counts(chosen, truth)))[0])


def macro_f1(chosen: Sets, truth: Sets) -> float:
    """Return the mean of the classes' F1, over those that occur in `chosen` or `truth`.

    >>> macro_f1(np.array([[1, 1, 0]]), np.array([[1, 0, 0]]))
    0.5
    """
    hits, extra, missed = _counts(chosen, truth)
    occurs = hits + extra + missed > 0
    return float(np.mean(_f1(hits, extra, missed)[occurs])) if occurs.any() else 0.0


def by_number(metric: Callable[[np.ndarray, np.ndarray], float], value: np.ndarray, truth: Sets) -> dict[int, float]:
    """Return a metric for each number of labels that occurs, from 1 on.

    >>> by_number(exact_match, np.array([[1, 0], [1, 0]]), np.array([[1, 0], [1, 1]]))
    {1: 1.0, 2: 0.0}
    """
    number = truth.sum(axis=1).astype(int)
    return {int(k): metric(value[number == k], truth[number == k]) for k in np.unique(number[number > 0])}


def _counts(chosen: Sets, truth: Sets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check(chosen, truth)
    here, there = chosen > 0, truth > 0
    return (here & there).sum(axis=0), (here & ~there).sum(axis=0), (~here & there).sum(axis=0)


def _f1(hits: np.ndarray, extra: np.ndarray, missed: np.ndarray) -> np.ndarray:
    return 2 * hits / np.maximum(2 * hits + extra + missed, 1)


def _check(value: np.ndarray, truth: np.ndarray) -> None:
    if value.shape != truth.shape or value.ndim != 2 or 0 in truth.shape:
        raise ValueError(f"both must be (n, classes) with n > 0, got {value.shape} and {truth.shape}.")
