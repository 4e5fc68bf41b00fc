"""Score a network on wafer maps: rules chosen on validation maps, every metric by the number of defects."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit, softmax

from experiments.wafer import decisions, label_sets
from experiments.wafer.label_sets import Sets, Weight
from experiments.wafer.patterns import DEFECTS, PATTERNS

SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "top_1_in_set": label_sets.top_1_in_set,
    "recall_at_k": label_sets.recall_at_k,
    "known_k_exact": label_sets.known_k_exact,
}
"""Metrics of the probabilities themselves, without a rule."""
CHOICES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "exact_match": label_sets.exact_match,
    "hamming": label_sets.hamming_accuracy,
    "micro_f1": label_sets.micro_f1,
    "macro_f1": label_sets.macro_f1,
}
"""Metrics of the sets that a rule chooses."""
RULES = ("argmax", "gap", "threshold", "thresholds", "pattern")
"""argmax; all within a gap; one threshold; one for each class; the likeliest of the 38 patterns (their types only)."""
DEFAULT_RULE = "thresholds"
"""What `predict` chooses sets by if it is not told otherwise, and so what the first numbers of a table are about."""

Rules = Mapping[str, Any]


def probabilities(logits: Float[np.ndarray, "*n classes"], head: str) -> np.ndarray:
    """Return the probabilities that logits stand for under a head, "softmax" or "sigmoid"."""
    return softmax(logits, axis=-1) if head == "softmax" else expit(logits)


def choose_rules(probability: np.ndarray, truth: Sets, *, empty: bool, weight: Weight | None = None) -> dict[str, Any]:
    """Choose gap and thresholds on validation maps, each of which counts by its weight, if there is one."""
    return {
        "gap": decisions.best_gap(probability, truth, weight=weight),
        "threshold": decisions.best_threshold(probability, truth, empty=empty, weight=weight),
        "thresholds": decisions.best_thresholds(probability, truth, empty=empty, weight=weight).tolist(),
        "empty": empty,
    }


def apply_rule(rule: str, probability: np.ndarray, rules: Rules, defects: tuple[str, ...]) -> np.ndarray:
    """Return the sets that a rule of `RULES` chooses, bool (n, classes)."""
    if rule == "argmax":
        return decisions.likeliest(probability)
    if rule == "gap":
        return decisions.within_gap(probability, rules["gap"])
    if rule == "pattern":
        patterns = PATTERNS if rules["empty"] else PATTERNS[PATTERNS.sum(axis=1) > 0]
        return decisions.likeliest_pattern(probability, np.array(rules["thresholds"]), patterns)
    return decisions.above(probability, np.array(rules[rule]), empty=rules["empty"])


def rules_for(defects: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rules that make sense for these types: the 38 patterns are known of MixedWM38's only."""
    return RULES if defects == DEFECTS else RULES[:-1]


def measure(probability: np.ndarray, truth: Sets, rules: Rules, defects: tuple[str, ...]) -> dict[str, Any]:
    """Return every metric, by name, then by number of defects ("1", ..., and "mixed": all maps with several).

    Metrics of a rule's sets are under the rule's name.
    """
    number = truth.sum(axis=1)
    groups = {str(int(k)): number == k for k in np.unique(number[number > 0])}
    if (number > 1).any():
        groups["mixed"] = number > 1

    def each(metric: Callable[[np.ndarray, np.ndarray], float], value: np.ndarray) -> dict[str, float]:
        return {name: metric(value[group], truth[group]) for name, group in groups.items()}

    found: dict[str, Any] = {name: each(metric, probability) for name, metric in SCORES.items()}
    for rule in rules_for(defects):
        chosen = apply_rule(rule, probability, rules, defects)
        found[rule] = {name: each(metric, chosen) for name, metric in CHOICES.items()}
        if (number == 0).any():
            found[rule]["exact_match"]["0"] = label_sets.exact_match(chosen[number == 0], truth[number == 0])
    return found
