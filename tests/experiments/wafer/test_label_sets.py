"""Laws of the metrics of sets of labels, with scikit-learn as the reference where it has them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from experiments.wafer import label_sets


@pytest.fixture(scope="module")
def sets():
    """Scores, true sets and chosen ones; every class occurs, no true set is empty."""
    generator = np.random.default_rng(0)
    truth = generator.random((200, 6)) < 0.3
    truth[~truth.any(axis=1), 0] = True
    return generator.random((200, 6)), truth.astype(np.uint8), generator.random((200, 6)) < 0.4


def test_they_are_scikit_learns(sets):
    _, truth, chosen = sets
    assert label_sets.exact_match(chosen, truth) == pytest.approx(reference.accuracy_score(truth, chosen))
    assert label_sets.hamming_accuracy(chosen, truth) == pytest.approx(1 - reference.hamming_loss(truth, chosen))
    assert label_sets.micro_f1(chosen, truth) == pytest.approx(reference.f1_score(truth, chosen, average="micro"))
    assert label_sets.macro_f1(chosen, truth) == pytest.approx(reference.f1_score(truth, chosen, average="macro"))


def test_the_top_1_of_single_labels_is_scikit_learns_accuracy(sets):
    score, _, _ = sets
    label = np.random.default_rng(1).integers(0, 6, len(score))
    truth = np.eye(6, dtype=np.uint8)[label]
    expected = reference.top_k_accuracy_score(label, score, k=1)
    assert label_sets.top_1_in_set(score, truth) == label_sets.known_k_exact(score, truth) == pytest.approx(expected)


def test_the_truth_itself_is_right_by_every_metric(sets):
    _, truth, _ = sets
    for metric in (label_sets.exact_match, label_sets.hamming_accuracy, label_sets.micro_f1, label_sets.macro_f1):
        assert metric(truth, truth) == 1
    for metric in (label_sets.top_1_in_set, label_sets.recall_at_k, label_sets.known_k_exact):
        assert metric(truth.astype(float), truth) == 1


def test_who_is_told_k_finds_no_fewer_than_any_exact_match_and_recall_is_between(sets):
    score, truth, _ = sets
    exact, recall = label_sets.known_k_exact(score, truth), label_sets.recall_at_k(score, truth)
    assert exact <= recall <= 1
    for threshold in np.linspace(0, 1, 21):
        assert label_sets.exact_match(score >= threshold, truth) <= exact


def test_known_sets_have_as_many_labels_as_the_true_ones_and_ties_go_to_the_first(sets):
    score, truth, _ = sets
    assert (label_sets.known_k(score, truth).sum(axis=1) == truth.sum(axis=1)).all()
    assert label_sets.known_k(np.zeros((1, 3)), np.array([[0, 0, 1]])).tolist() == [[True, False, False]]


def test_classes_that_never_occur_do_not_count(sets):
    _, truth, chosen = sets
    wider = [np.pad(each, ((0, 0), (0, 2))) for each in (chosen, truth)]
    assert label_sets.macro_f1(*wider) == pytest.approx(label_sets.macro_f1(chosen, truth))
    for metric in (label_sets.micro_f1, label_sets.macro_f1):
        assert metric(np.zeros((1, 2), int), np.zeros((1, 2), int)) == 0


def test_one_class_is_a_set_of_one_label_not_two_classes():
    chosen, truth = np.array([[1], [0], [0], [0]]), np.array([[1], [1], [0], [0]])
    assert label_sets.micro_f1(chosen, truth) == label_sets.macro_f1(chosen, truth) == pytest.approx(2 / 3)
    assert label_sets.hamming_accuracy(chosen, truth) == label_sets.exact_match(chosen, truth) == 0.75


def test_errors_say_what_is_wrong():
    score = np.ones((2, 3))
    for metric in (label_sets.top_1_in_set, label_sets.recall_at_k, label_sets.known_k_exact):
        with pytest.raises(ValueError, match="NaN is no score"):
            metric(np.where(np.eye(2, 3), np.nan, score), np.ones((2, 3), int))
    with pytest.raises(ValueError, match="truth holds an empty set"):
        label_sets.known_k_exact(score, np.zeros((2, 3), int))
    with pytest.raises(ValueError, match=r"both must be \(n, classes\) with n > 0, got \(2, 3\) and \(1, 3\)"):
        label_sets.top_1_in_set(score, np.ones((1, 3), int))
