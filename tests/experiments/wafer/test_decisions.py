"""Laws of the decision rules and of the measurement of a network."""

import numpy as np
import pytest

from experiments.wafer import decisions, label_sets
from experiments.wafer.label_sets import even_weight, exact_match
from experiments.wafer.patterns import DEFECTS, PATTERNS


@pytest.fixture(scope="module")
def probability():
    return np.random.default_rng(0).random((100, 8))


def test_the_likeliest_class_is_always_chosen_and_alone_at_the_ends(probability):
    one = decisions.likeliest(probability)
    assert (one.sum(axis=1) == 1).all()
    for chosen in (decisions.above(probability, 0.6), decisions.within_gap(probability, 0.2)):
        assert (chosen | ~one).all()
    assert np.array_equal(decisions.above(probability, 1.01), one)
    assert np.array_equal(decisions.within_gap(probability, 0.0), one)
    assert not decisions.above(probability, 1.01, empty=True).any()
    assert decisions.above(probability, 0.0).all()


def test_a_lower_threshold_and_a_wider_gap_choose_more(probability):
    low, high = decisions.above(probability, 0.3), decisions.above(probability, 0.7)
    assert (low | ~high).all()
    assert (decisions.within_gap(probability, 0.5) | ~decisions.within_gap(probability, 0.1)).all()


def test_one_threshold_for_each_class_is_one_for_all_where_they_are_equal(probability):
    assert np.array_equal(decisions.above(probability, np.full(8, 0.4)), decisions.above(probability, 0.4))


def test_the_gap_rule_of_two_is_byun_and_baeks():
    probability = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]])
    assert decisions.within_gap(probability, 0.25).tolist() == [[True, True, False], [True, False, False]]


def test_the_likeliest_pattern_is_possible_and_every_class_alone_where_all_are(probability):
    chosen = decisions.likeliest_pattern(probability, np.full(8, 0.5), PATTERNS)
    assert all(any(np.array_equal(row, pattern) for pattern in PATTERNS) for row in chosen)
    all_sets = (np.arange(256)[:, None] >> np.arange(8)) & 1
    thresholds = np.linspace(0.2, 0.8, 8)
    free = decisions.likeliest_pattern(probability, thresholds, all_sets)
    assert np.array_equal(free, decisions.above(probability, thresholds, empty=True))


def test_what_is_already_possible_is_left_as_it_is():
    probability = np.where(PATTERNS > 0, 0.9, 0.1)
    assert np.array_equal(decisions.likeliest_pattern(probability, np.full(8, 0.5), PATTERNS), PATTERNS > 0)


@pytest.fixture(scope="module")
def validation():
    """True sets, and probabilities that a different threshold in each class takes apart."""
    generator = np.random.default_rng(1)
    truth = generator.random((300, 4)) < 0.4
    truth[~truth.any(axis=1), 0] = True
    middle = np.array([0.3, 0.4, 0.5, 0.6])
    return middle + np.where(truth, 1, -1) * generator.uniform(0.02, 0.3, truth.shape), truth


def test_thresholds_that_take_the_classes_apart_are_found(validation):
    probability, truth = validation
    thresholds = decisions.best_thresholds(probability, truth, empty=True)
    assert exact_match(decisions.above(probability, thresholds, empty=True), truth) == 1
    assert np.abs(thresholds - [0.3, 0.4, 0.5, 0.6]).max() < 0.05


def test_no_other_candidate_is_better(validation):
    probability, truth = validation
    found = exact_match(decisions.above(probability, decisions.best_threshold(probability, truth)), truth)
    gap = exact_match(decisions.within_gap(probability, decisions.best_gap(probability, truth)), truth)
    for each in decisions.CANDIDATES:
        assert exact_match(decisions.above(probability, each), truth) <= found
        assert exact_match(decisions.within_gap(probability, each), truth) <= gap
    by_class = decisions.best_thresholds(probability, truth)
    assert exact_match(decisions.above(probability, by_class), truth) >= found


def choices(probability, truth, weight=None):
    return (
        decisions.best_gap(probability, truth, weight=weight),
        decisions.best_threshold(probability, truth, weight=weight),
        decisions.best_thresholds(probability, truth, weight=weight).tolist(),
    )


def test_equal_weights_choose_what_no_weights_do(validation):
    assert choices(*validation) == choices(*validation, np.full(len(validation[1]), 0.7))


def test_a_weight_is_so_many_copies_of_a_map(validation):
    probability, truth = (each[:60] for each in validation)
    copies = np.random.default_rng(2).integers(1, 5, len(truth))
    repeated = (np.repeat(each, copies, axis=0) for each in (probability, truth))
    assert choices(probability, truth, copies / copies.max()) == choices(*repeated)


def test_with_even_weights_more_copies_of_a_set_change_no_choice(validation):
    probability, truth = validation
    common = (truth == truth[0]).all(axis=1)
    more = [np.concatenate([each, *[each[common]] * 9]) for each in validation]
    assert choices(probability, truth, even_weight(truth)) == choices(*more, even_weight(more[1]))
    assert even_weight(truth).sum() == pytest.approx(len(np.unique(truth, axis=0)))


def test_with_even_weights_the_rare_set_counts_as_much_as_the_frequent_one():
    probability = np.array([[0.9, 0.6]] * 3 + [[0.9, 0.4]])  # no threshold is right for both sets
    truth = np.array([[1, 0]] * 3 + [[1, 1]])
    assert exact_match(decisions.above(probability, 0.8), truth) == 0.75
    for threshold in (0.3, 0.8):
        chosen = decisions.above(probability, threshold)
        assert exact_match(chosen, truth, even_weight(truth)) == pytest.approx(0.5)


TRUTH = np.repeat(PATTERNS[1:], 10, axis=0)


@pytest.fixture(scope="module")
def patterned():
    """Right more often than not."""
    noise = np.random.default_rng(0).normal(0, 1.0, TRUTH.shape)
    return decisions.probabilities(np.where(TRUTH > 0, 1.5, -1.5) + noise, "sigmoid")


@pytest.fixture(scope="module")
def rules(patterned):
    return decisions.choose_rules(patterned, TRUTH, empty=False)


def test_probabilities_are_those_of_the_head():
    logits = np.random.default_rng(1).normal(size=(2, 5, 8))
    np.testing.assert_allclose(decisions.probabilities(logits, "softmax").sum(axis=-1), 1)
    np.testing.assert_allclose(decisions.probabilities(logits, "sigmoid"), 1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_an_answer_of_nan_is_no_probability(head):
    logits = np.zeros((2, 5, 8))
    logits[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match="answer to a map is NaN"):
        decisions.probabilities(logits, head)
    logits[1, 3, 2] = np.inf  # certain under a sigmoid; under a softmax an infinite share of infinity
    if head == "softmax":
        with pytest.raises(ValueError, match="answer to a map is NaN"):
            decisions.probabilities(logits, head)
    else:
        assert decisions.probabilities(logits, head)[1, 3, 2] == 1


def test_every_metric_is_there_for_every_number_and_is_that_of_these_maps(patterned, rules):
    measured = decisions.measure(patterned, TRUTH, rules, DEFECTS)
    number = TRUTH.sum(axis=1)
    groups = {"1": number == 1, "2": number == 2, "3": number == 3, "4": number == 4, "mixed": number > 1}
    assert set(measured["top_1_in_set"]) == set(groups)
    for name, group in groups.items():
        assert measured["recall_at_k"][name] == label_sets.recall_at_k(patterned[group], TRUTH[group])
        for rule in decisions.RULES:
            chosen = decisions.apply_rule(rule, patterned, rules)[group]
            assert measured[rule]["micro_f1"][name] == label_sets.micro_f1(chosen, TRUTH[group])
    assert measured["argmax"]["exact_match"]["1"] == measured["top_1_in_set"]["1"]
    assert measured["argmax"]["exact_match"]["mixed"] == 0


def test_the_ninth_class_of_a_softmax_is_no_defect():
    """Nothing is chosen where it is the likeliest, by argmax and gap; the defects' probabilities stay as they are."""
    logits = np.array([[0.0, 1.0, 3.0], [2.0, 1.9, 0.0]])
    found = decisions.probabilities(logits, "softmax", none=True)
    np.testing.assert_array_equal(found, decisions.probabilities(logits, "softmax")[:, :2])
    truth = np.array([[0, 0], [1, 1]], np.uint8)
    rules = decisions.choose_rules(found, truth, empty=True, none=True)
    assert decisions.apply_rule("argmax", found, rules).tolist() == [[False, False], [True, False]]
    for rule in ("gap", "threshold", "thresholds"):
        assert (decisions.apply_rule(rule, found, rules) == truth).all()
    measured = decisions.measure(found, truth, rules, ("a", "b"))
    assert measured["argmax"]["false_alarms"]["0"] == 0
    without = decisions.measure(found, truth, rules | {"none": False}, ("a", "b"))
    assert without["argmax"]["false_alarms"]["0"] == 1  # a defect is named on every map


def test_patterns_are_a_rule_for_their_types_only(patterned, rules):
    assert decisions.rules_for(DEFECTS) == decisions.RULES
    assert "pattern" not in decisions.rules_for(("Arc", "Blob"))
    chosen = decisions.apply_rule("pattern", patterned, rules)
    assert all((row == PATTERNS).all(axis=1).any() for row in chosen)
    assert chosen.any(axis=1).all()


def test_where_maps_without_a_defect_are_learned_sets_may_be_empty_and_are_scored(patterned):
    truth = np.concatenate([TRUTH, np.zeros((10, 8), np.uint8)])
    both = np.concatenate([patterned, np.full((10, 8), 0.05)])
    rules = decisions.choose_rules(both, truth, empty=True)
    for rule in ("threshold", "thresholds", "pattern"):
        assert not decisions.apply_rule(rule, both, rules)[-10:].any()
        assert decisions.measure(both, truth, rules, DEFECTS)[rule]["exact_match"]["0"] == 1
