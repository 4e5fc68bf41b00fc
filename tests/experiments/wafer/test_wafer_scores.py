"""Laws of scoring a network on wafer maps."""

import numpy as np
import pytest

from experiments.wafer import label_sets
from experiments.wafer.patterns import DEFECTS, PATTERNS
from experiments.wafer.scores import RULES, apply_rule, choose_rules, measure, probabilities, rules_for

TRUTH = np.repeat(PATTERNS[1:], 10, axis=0)


@pytest.fixture(scope="module")
def probability():
    """Right more often than not."""
    noise = np.random.default_rng(0).normal(0, 1.0, TRUTH.shape)
    return probabilities(np.where(TRUTH > 0, 1.5, -1.5) + noise, "sigmoid")


@pytest.fixture(scope="module")
def rules(probability):
    return choose_rules(probability, TRUTH, empty=False)


def test_probabilities_are_those_of_the_head():
    logits = np.random.default_rng(1).normal(size=(2, 5, 8))
    np.testing.assert_allclose(probabilities(logits, "softmax").sum(axis=-1), 1)
    np.testing.assert_allclose(probabilities(logits, "sigmoid"), 1 / (1 + np.exp(-logits)))


def test_every_metric_is_there_for_every_number_and_is_that_of_these_maps(probability, rules):
    measured = measure(probability, TRUTH, rules, DEFECTS)
    number = TRUTH.sum(axis=1)
    groups = {"1": number == 1, "2": number == 2, "3": number == 3, "4": number == 4, "mixed": number > 1}
    assert set(measured["top_1_in_set"]) == set(groups)
    for name, group in groups.items():
        assert measured["recall_at_k"][name] == label_sets.recall_at_k(probability[group], TRUTH[group])
        for rule in RULES:
            chosen = apply_rule(rule, probability, rules, DEFECTS)[group]
            assert measured[rule]["micro_f1"][name] == label_sets.micro_f1(chosen, TRUTH[group])
    assert measured["argmax"]["exact_match"]["1"] == measured["top_1_in_set"]["1"]
    assert measured["argmax"]["exact_match"]["mixed"] == 0


def test_patterns_are_a_rule_for_their_types_only(probability, rules):
    assert rules_for(DEFECTS) == RULES
    assert "pattern" not in rules_for(("Arc", "Blob"))
    chosen = apply_rule("pattern", probability, rules, DEFECTS)
    assert all((row == PATTERNS).all(axis=1).any() for row in chosen)
    assert chosen.any(axis=1).all()


def test_where_maps_without_a_defect_are_learned_sets_may_be_empty_and_are_scored(probability):
    truth = np.concatenate([TRUTH, np.zeros((10, 8), np.uint8)])
    both = np.concatenate([probability, np.full((10, 8), 0.05)])
    rules = choose_rules(both, truth, empty=True)
    for rule in ("threshold", "thresholds", "pattern"):
        assert not apply_rule(rule, both, rules, DEFECTS)[-10:].any()
        assert measure(both, truth, rules, DEFECTS)[rule]["exact_match"]["0"] == 1
