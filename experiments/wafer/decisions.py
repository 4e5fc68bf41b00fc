"""Decision rules: from a probability for each class to a set of classes, chosen on validation maps and then scored.

Every rule chooses at least the likeliest class, unless `empty` is set, for networks that have learned maps without a
defect. Thresholds and gaps are chosen on validation maps, never on test maps.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit, softmax

from experiments.wafer import label_sets
from experiments.wafer.label_sets import Sets, Weight, exact_match
from experiments.wafer.patterns import DEFECTS, PATTERNS

Probabilities = Float[np.ndarray, "_ _"]
Chosen = Bool[np.ndarray, "_ _"]
Rules = Mapping[str, Any]
Metric = Callable[[np.ndarray, np.ndarray], float]

CANDIDATES = np.concatenate([[0.001, 0.003, 0.01], np.arange(0.02, 1.0, 0.02), [0.99, 0.997, 0.999]])
"""Thresholds and gaps that are tried."""
RULES = ("argmax", "gap", "threshold", "thresholds", "pattern")
"""The likeliest class; all within a gap of it; one threshold; a threshold for each class; the likeliest of the 38
patterns of MixedWM38 (for its types only)."""
DEFAULT_RULE = "thresholds"
"""The rule of `predict` unless another is given, and of the first columns of a table."""
SCORES: dict[str, Metric] = {
    name: getattr(label_sets, name) for name in ("top_1_in_set", "recall_at_k", "known_k_exact")
}
"""Metrics of the probabilities, without a rule."""
CHOICES: dict[str, Metric] = {
    "exact_match": label_sets.exact_match,
    "hamming": label_sets.hamming_accuracy,
    "micro_f1": label_sets.micro_f1,
    "macro_f1": label_sets.macro_f1,
}
"""Metrics of the sets that a rule chooses."""


def probabilities(logits: Float[np.ndarray, "*n classes"], head: str, *, none: bool = False) -> np.ndarray:
    """Return the probabilities of the defects under a head, "softmax" or "sigmoid".

    With `none` the last class of the softmax is no defect: it is left out, as what the others leave of 1.

    Raises ValueError for an answer of NaN: a rule would take it for a small probability, an argmax for the largest.
    """
    with np.errstate(invalid="ignore"):  # an infinite share of infinity, refused below
        found = softmax(logits, axis=-1) if head == "softmax" else expit(logits)
    if np.isnan(found).any():
        raise ValueError("a network's answer to a map is NaN: its training diverged.")
    return found[..., :-1] if none else found


def unless_none(chosen: Chosen, probability: Probabilities) -> Chosen:
    """Choose nothing where no defect is the likeliest class of a softmax.

    >>> unless_none(np.full((2, 2), True), np.array([[0.3, 0.2], [0.6, 0.1]])).tolist()
    [[False, False], [True, True]]
    """
    return chosen & (probability.max(axis=1) >= 1 - probability.sum(axis=1))[:, None]


def likeliest(probability: Probabilities) -> Chosen:
    """Choose the class with the largest probability only.

    >>> likeliest(np.array([[0.2, 0.7, 0.6]])).tolist()
    [[False, True, False]]
    """
    return np.arange(probability.shape[1]) == probability.argmax(axis=1)[:, None]


def above(probability: Probabilities, threshold: float | np.ndarray, *, empty: bool = False) -> Chosen:
    """Choose the classes whose probability is at least the threshold, which is one number or one for each class.

    >>> above(np.array([[0.2, 0.7, 0.6], [0.1, 0.2, 0.3]]), 0.5).tolist()
    [[False, True, True], [False, False, True]]
    """
    chosen = probability >= threshold
    return chosen if empty else chosen | likeliest(probability)


def within_gap(probability: Probabilities, gap: float) -> Chosen:
    """Choose the likeliest class and all classes whose probability is less than `gap` below it.

    With two defects this is the rule of Byun and Baek (ICPRAM 2020), who call a map mixed if its two largest
    probabilities differ by less than a threshold.

    >>> within_gap(np.array([[0.5, 0.4, 0.1]]), 0.2).tolist()
    [[True, True, False]]
    """
    return (probability.max(axis=1, keepdims=True) - probability < gap) | likeliest(probability)


def likeliest_pattern(probability: Probabilities, threshold: np.ndarray, patterns: Sets) -> Chosen:
    """Choose the set, among `patterns`, with the largest sum of log-odds relative to the thresholds.

    If all sets are among the patterns, this is `above` with `empty`.

    >>> half = np.full(2, 0.5)
    >>> likeliest_pattern(np.array([[0.9, 0.6]]), half, np.array([[1, 0], [0, 1]])).tolist()
    [[True, False]]
    """
    inside = [np.clip(np.asarray(each, np.float64), 1e-6, 1 - 1e-6) for each in (probability, threshold)]
    evidence = logit(inside[0]) - logit(inside[1])
    return patterns[(evidence @ (patterns > 0).T).argmax(axis=1)] > 0


def best_threshold(
    probability: Probabilities, truth: Sets, *, empty: bool = False, weight: Weight | None = None
) -> float:
    """Return the threshold with the most exact matches, the middle one of several; `weight` has one number a map.

    >>> best_threshold(np.array([[0.9, 0.2], [0.8, 0.7]]), np.array([[1, 0], [1, 1]]))
    0.44
    """
    return _best(exact_match(above(probability, each, empty=empty), truth, weight) for each in CANDIDATES)


def best_gap(probability: Probabilities, truth: Sets, *, none: bool = False, weight: Weight | None = None) -> float:
    """Return the gap with the most exact matches, the middle one of several; with `none` as `apply_rule` does."""
    rules = [{"gap": each, "none": none} for each in CANDIDATES]
    return _best(exact_match(apply_rule("gap", probability, each), truth, weight) for each in rules)


def best_thresholds(
    probability: Probabilities, truth: Sets, *, empty: bool = False, rounds: int = 3, weight: Weight | None = None
) -> np.ndarray:
    """Return a threshold for each class, improved class by class from the best common threshold."""
    found = np.full(probability.shape[1], best_threshold(probability, truth, empty=empty, weight=weight))
    for _ in range(rounds):
        for column in range(len(found)):
            tried = np.tile(found, (len(CANDIDATES), 1))
            tried[:, column] = CANDIDATES
            found[column] = _best(exact_match(above(probability, each, empty=empty), truth, weight) for each in tried)
    return found


def _best(shares: Iterable[float]) -> float:
    """Return the middle one of the best candidates, given the exact match of each candidate."""
    share = np.fromiter(shares, float)
    best = CANDIDATES[share > share.max() - 1e-9]  # weighted shares are rounded
    return round(float(best[(len(best) - 1) // 2]), 6)


def choose_rules(
    probability: np.ndarray, truth: Sets, *, empty: bool, none: bool = False, weight: Weight | None = None
) -> dict[str, Any]:
    """Choose gap and thresholds on validation maps; `none` says that no defect is a class of its own."""
    return {
        "gap": best_gap(probability, truth, none=none, weight=weight),
        "threshold": best_threshold(probability, truth, empty=empty, weight=weight),
        "thresholds": best_thresholds(probability, truth, empty=empty, weight=weight).tolist(),
        "empty": empty,
        "none": none,
    }


def apply_rule(rule: str, probability: np.ndarray, rules: Rules) -> np.ndarray:
    """Return the sets that a rule of `RULES` chooses, bool (n, classes)."""
    if rule in ("argmax", "gap"):
        chosen = likeliest(probability) if rule == "argmax" else within_gap(probability, rules["gap"])
        return unless_none(chosen, probability) if rules.get("none") else chosen
    if rule == "pattern":
        patterns = PATTERNS if rules["empty"] else PATTERNS[PATTERNS.sum(axis=1) > 0]
        return likeliest_pattern(probability, np.array(rules["thresholds"]), patterns)
    return above(probability, np.array(rules[rule]), empty=rules["empty"])


def rules_for(defects: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rules that apply to these types: "pattern" needs the types of MixedWM38."""
    return RULES if defects == DEFECTS else RULES[:-1]


def measure(probability: np.ndarray, truth: Sets, rules: Rules, defects: tuple[str, ...]) -> dict[str, Any]:
    """Return every metric by name, then by number of defects ("1", ..., and "mixed": all maps with several).

    Metrics of the sets of a rule are under the name of the rule.
    """
    number = truth.sum(axis=1)
    groups = {str(int(k)): number == k for k in np.unique(number[number > 0])}
    if (number > 1).any():
        groups["mixed"] = number > 1

    def by_number(metric: Metric, value: np.ndarray) -> dict[str, float]:
        return {name: metric(value[group], truth[group]) for name, group in groups.items()}

    found: dict[str, Any] = {name: by_number(metric, probability) for name, metric in SCORES.items()}
    for rule in rules_for(defects):
        chosen = apply_rule(rule, probability, rules)
        found[rule] = {name: by_number(metric, chosen) for name, metric in CHOICES.items()}
        if (number == 0).any():
            found[rule]["exact_match"]["0"] = exact_match(chosen[number == 0], truth[number == 0])
            found[rule]["false_alarms"] = {"0": float(chosen[number == 0].any(axis=1).mean())}
    return found
