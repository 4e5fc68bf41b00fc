"""Laws of corrupted labels."""

# ruff: noqa: NPY002 (the original used the legacy generator)

import numpy as np
import pytest

from mixup_jax.data.label_noise import corrupt_labels


@pytest.fixture
def label():
    return np.random.default_rng(0).integers(0, 10, 20000).astype(np.int32)


def test_the_rule_is_the_original_codes(label):
    """fitting-random-labels: seed the global generator with 12345, draw the mask, then the classes."""
    state = np.random.get_state()
    np.random.seed(12345)
    mask = np.random.rand(len(label)) <= 0.5
    expected = np.array(label)
    expected[mask] = np.random.choice(10, mask.sum())
    np.random.set_state(state)
    noisy, drawn = corrupt_labels(label, 0.5, 10)
    assert noisy.dtype == np.int32
    assert np.array_equal(noisy, expected)
    assert np.array_equal(drawn, mask)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_a_tenth_of_the_drawn_labels_are_true(label, rate):
    noisy, mask = corrupt_labels(label, rate, 10)
    assert abs(mask.mean() - rate) < 0.02
    assert abs((noisy != label).mean() - 0.9 * rate) < 0.02
    assert abs(np.bincount(noisy[mask], minlength=10) / mask.sum() - 0.1).max() < 0.02


def test_labels_outside_the_mask_stay(label):
    noisy, mask = corrupt_labels(label, 0.3, 10)
    assert np.array_equal(noisy[~mask], label[~mask])


def test_rate_0_changes_nothing_and_rate_1_draws_all(label):
    noisy, mask = corrupt_labels(label, 0.0, 10)
    assert np.array_equal(noisy, label)
    assert not mask.any()
    assert corrupt_labels(label, 1.0, 10)[1].all()


def test_neither_the_argument_nor_numpys_global_state_changes(label):
    before, state = label.copy(), np.random.get_state()
    corrupt_labels(label, 0.5, 10)
    assert np.array_equal(label, before)
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))


def test_another_seed_gives_other_noise(label):
    assert not np.array_equal(corrupt_labels(label, 0.5, 10)[0], corrupt_labels(label, 0.5, 10, seed=1)[0])


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(label, rate):
    with pytest.raises(ValueError, match=r"rate is .*; the share of corrupted labels must be between 0 and 1"):
        corrupt_labels(label, rate, 10)


def test_labels_that_are_no_class_ids_are_refused(label):
    with pytest.raises(ValueError, match="classes is 5; the labels hold 0 to 9"):
        corrupt_labels(label, 0.5, 5)
    with pytest.raises(ValueError, match=r"label is float64 .* needs integer class ids"):
        corrupt_labels(label.astype(float), 0.5, 10)
