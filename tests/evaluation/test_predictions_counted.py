"""Laws of what is counted of predictions: parts add up to the whole, and the worst is the worst."""

import numpy as np
import pytest

from mixup_jax.evaluation.predictions import (
    Predictions,
    confused_pairs,
    confusion,
    errors_by_class,
    wilson,
    worst_examples,
)

EXAMPLES, CLASSES, NETWORKS = 200, 7, 3


@pytest.fixture
def said():
    """Three networks that are often right; class 4 has no examples."""
    generator = np.random.default_rng(0)
    label = generator.choice([0, 1, 2, 3, 5, 6], EXAMPLES).astype(np.int32)
    guess = generator.integers(0, CLASSES, (NETWORKS, EXAMPLES))
    predicted = np.where(generator.random((NETWORKS, EXAMPLES)) < 0.7, label, guess).astype(np.int32)
    confidence, loss = generator.random((2, NETWORKS, EXAMPLES), np.float32)
    return Predictions(label, predicted, confidence, loss)


def test_errors_by_class_average_to_the_error(said):
    rows = errors_by_class(said)
    assert [row.label for row in sorted(rows)] == [0, 1, 2, 3, 5, 6]
    assert sum(row.count for row in rows) == EXAMPLES
    assert sum(row.count * row.error for row in rows) / EXAMPLES == pytest.approx(said.errors().mean())
    assert [row.error for row in rows] == sorted((row.error for row in rows), reverse=True)
    assert all(row.low <= row.error <= row.high for row in rows)


def test_rows_of_the_confusion_are_the_classes_and_its_diagonal_what_is_right(said):
    counts = confusion(said, CLASSES)
    np.testing.assert_array_equal(counts.sum(axis=1), NETWORKS * np.bincount(said.label, minlength=CLASSES))
    assert 100 * (1 - np.trace(counts) / counts.sum()) == pytest.approx(said.errors().mean())


def test_confused_pairs_are_the_largest_cells_beside_the_diagonal(said):
    counts = confusion(said, CLASSES)
    size = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    pairs = confused_pairs(said, CLASSES**2)
    assert [pair.examples * NETWORKS for pair in pairs] == pytest.approx(sorted(counts[counts > 0])[::-1])
    for pair in pairs:
        cell = counts[pair.label, pair.predicted]
        assert (pair.examples, pair.share) == pytest.approx((cell / NETWORKS, cell / size[pair.label]))
    assert confused_pairs(said, 4) == pairs[:4]


def test_networks_that_err_nowhere_confuse_nothing(said):
    right = Predictions(said.label, np.stack([said.label]), said.confidence[:1], said.loss[:1])
    assert confused_pairs(right, 10) == []
    assert {row.error for row in errors_by_class(right)} == {0}


def test_the_worst_examples_have_the_largest_mean_loss(said):
    said.loss[1, 17] = np.nan  # worse than any number
    worst = worst_examples(said, 5)
    loss = said.loss.mean(axis=0)
    assert worst[0].index == 17
    rest = np.delete(loss, 17)
    assert [each.loss for each in worst[1:]] == pytest.approx(sorted(rest)[:-5:-1])
    for each in worst:
        votes = np.bincount(said.predicted[:, each.index], minlength=CLASSES)
        agree = said.predicted[:, each.index] == each.predicted
        assert each.label == said.label[each.index]
        assert votes[each.predicted] == votes.max() == each.networks
        assert each.confidence == pytest.approx(said.confidence[agree, each.index].mean())


def test_wilsons_interval_holds_the_share_and_both_ends_are_possible():
    share = np.array([0.0, 0.1, 0.5, 1.0])
    low, high = wilson(share, 10)
    assert np.all((low >= 0) & (low <= share) & (share <= high) & (high <= 1))
    np.testing.assert_allclose(low, 1 - wilson(1 - share, 10)[1], atol=1e-12)
    # its definition: the ends are the probabilities p with (share - p)^2 = z^2 p (1 - p) / n
    inside = slice(1, 3)
    for end in (low[inside], high[inside]):
        np.testing.assert_allclose((share[inside] - end) ** 2, 1.959964**2 * end * (1 - end) / 10, rtol=1e-9)
