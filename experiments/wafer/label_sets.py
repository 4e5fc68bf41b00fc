"""Metrics of sets of labels, as shares from 0 to 1.

`truth` and `chosen` are multi-hot (n, classes); `score` is float (n, classes), larger for likelier classes. The metrics
answer different questions: a network may name one defect of every map (top-1-in-set 1) and never all of them (exact
match 0).
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

Sets = Integer[np.ndarray, "_ _"] | Bool[np.ndarray, "_ _"]
Scores = Float[np.ndarray, "_ _"]
Weight = Float[np.ndarray, " _"]


def top_1_in_set(score: Scores, truth: Sets) -> float:
    """Return how often the class with the largest score is one of the labels; with single labels, the accuracy.

    >>> top_1_in_set(np.array([[0.9, 0.4], [0.8, 0.3]]), np.array([[1, 0], [0, 1]]))
    0.5
    """
    _check(score, truth)
    return float(np.mean(truth[np.arange(len(truth)), score.argmax(axis=1)] > 0))


def recall_at_k(score: Scores, truth: Sets) -> float:
    """Return the mean share of a map's k labels that are among its k largest scores.

    >>> recall_at_k(np.array([[0.9, 0.4, 0.5]]), np.array([[1, 1, 0]]))
    0.5
    """
    found = known_k(score, truth) & (truth > 0)
    return float(np.mean(found.sum(axis=1) / truth.sum(axis=1)))


def known_k_exact(score: Scores, truth: Sets) -> float:
    """Return how often the k largest scores are exactly the k labels: the exact match if k were known."""
    return exact_match(known_k(score, truth), truth)


def known_k(score: Scores, truth: Sets) -> np.ndarray:
    """Return the sets of the k largest scores, where k is the number of labels; the first class wins a tie.

    Raises ValueError for an empty set of labels.
    """
    _check(score, truth)
    number = truth.sum(axis=1).astype(int)
    if (number == 0).any():
        raise ValueError("truth holds an empty set, which has no largest scores.")
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1)
    return rank < number[:, None]


def exact_match(chosen: Sets, truth: Sets, weight: Weight | None = None) -> float:
    """Return the share of rows whose whole set is right (subset accuracy), weighted by `weight` if it is given.

    >>> exact_match(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]]))
    0.5
    """
    _check(chosen, truth)
    # Not sklearn's accuracy_score, which takes 18 times as long: the search for thresholds calls this 1,400 times.
    return float(np.average(np.all((chosen > 0) == (truth > 0), axis=1), weights=weight))


def even_weight(truth: Sets) -> Weight:
    """Return a weight for each row that makes every set of labels count the same, however often it occurs.

    The exact match is then the mean over sets of labels.

    >>> even_weight(np.array([[1, 0], [1, 0], [1, 1]])).tolist()
    [0.5, 0.5, 1.0]
    """
    _, of, count = np.unique(truth > 0, axis=0, return_inverse=True, return_counts=True)
    return 1 / count[of.ravel()]


def hamming_accuracy(chosen: Sets, truth: Sets) -> float:
    """Return the share of right decisions over all rows and classes: 1 minus the Hamming loss."""
    _check(chosen, truth)
    return float(np.mean((chosen > 0) == (truth > 0)))


def micro_f1(chosen: Sets, truth: Sets) -> float:
    """Return the F1 of all decisions together; 0 where nothing is chosen and nothing is there."""
    return _f1(chosen, truth, "micro")


def macro_f1(chosen: Sets, truth: Sets) -> float:
    """Return the mean F1 of the classes that occur in `chosen` or `truth`; 0 where none does.

    >>> macro_f1(np.array([[1, 1, 0]]), np.array([[1, 0, 0]]))
    0.5
    """
    return _f1(chosen, truth, "macro")


def _f1(chosen: Sets, truth: Sets, average: str) -> float:
    from sklearn.metrics import f1_score  # here: it takes a second

    _check(chosen, truth)
    # scikit-learn reads a single column as two classes. A column of zeros prevents that and changes no F1.
    chosen, truth = (np.pad(each > 0, ((0, 0), (0, 1))) for each in (chosen, truth))
    undefined: Any = np.nan  # its annotation says str
    return float(np.nan_to_num(f1_score(truth, chosen, average=average, zero_division=undefined)))


def _check(value: np.ndarray, truth: np.ndarray) -> None:
    if value.shape != truth.shape or value.ndim != 2 or 0 in truth.shape:
        raise ValueError(f"both must be (n, classes) with n > 0, got {value.shape} and {truth.shape}.")
    if value.dtype.kind == "f" and np.isnan(value).any():
        raise ValueError("NaN is no score: no class would be larger, and argmax would take it.")
