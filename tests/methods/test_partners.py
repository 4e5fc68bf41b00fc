"""Laws of the partners that depend on labels, distances or a table of neighbours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mixup_jax import draw, mix
from mixup_jax.methods import by_label_distance, different_class, neighbours, same_class

LABELS = jnp.array([2, 0, 2, 9, 0, 2])
DRAWS = 4000


def drawn(rng, function, *arguments):
    """Partners of many draws: (DRAWS, batch)."""
    return np.asarray(jax.jit(jax.vmap(lambda key: function(key, *arguments)))(jax.random.split(rng, DRAWS)))


def is_likely(observed, probability):
    """Are the partners of one example, integers (draws,), likely under the probabilities of each partner?"""
    counts = np.bincount(observed, minlength=len(probability))
    allowed = np.asarray(probability) > 0
    assert not counts[~allowed].any()
    if allowed.sum() == 1:
        return True
    return stats.chisquare(counts[allowed], len(observed) * np.asarray(probability)[allowed]).pvalue > 1e-4


def test_partners_of_the_same_class_are_a_uniform_permutation_inside_each_class(rng):
    partners = drawn(rng, same_class, LABELS)
    np.testing.assert_array_equal(np.sort(partners, axis=1), np.broadcast_to(np.arange(6), partners.shape))
    for i, label in enumerate(LABELS):
        alike = np.asarray(label == LABELS)
        assert is_likely(partners[:, i], alike / alike.sum())
    orders, counts = np.unique(partners[:, [0, 2, 5]], axis=0, return_counts=True)
    assert len(orders) == 6  # every permutation of the class of three
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_batch_of_one_class_is_permuted_as_a_whole(rng):
    partners = drawn(rng, same_class, jnp.zeros(5, jnp.int32))
    for i in range(5):
        assert is_likely(partners[:, i], np.full(5, 0.2))


def test_partners_of_another_class_are_uniform_among_the_others(rng):
    partners = drawn(rng, different_class, LABELS)
    for i, label in enumerate(LABELS):
        other = np.asarray(label != LABELS)
        assert is_likely(partners[:, i], other / other.sum())


def test_without_another_class_each_is_its_own_partner(rng):
    np.testing.assert_array_equal(different_class(rng, jnp.full(4, 7)), np.arange(4))


def test_neighbours_are_uniform_rows_of_the_data_set(rng):
    table, index = jnp.array([[1, 2, 3], [0, 3, 2], [7, 8, 9], [5, 5, 6]]), jnp.array([3, 0, 0])
    partners = drawn(rng, neighbours, table, index)
    assert is_likely(partners[:, 0], [0, 0, 0, 0, 0, 2 / 3, 1 / 3])
    assert is_likely(partners[:, 1], [0, 1 / 3, 1 / 3, 1 / 3])
    assert (partners[:, 1] != partners[:, 2]).any()


@pytest.mark.thorough
def test_neighbours_are_mixed_in_from_the_whole_data_set(rng):
    train_x = jnp.arange(20.0).reshape(10, 2)
    table, index = (jnp.arange(10)[:, None] + 1) % 10, jnp.array([9, 4])
    plan = jax.jit(lambda rng: draw(rng, 2, 1.0, partner=neighbours(rng, table, index)))(rng)
    expected = plan.lam[:, None] * train_x[index] + (1 - plan.lam[:, None]) * train_x[jnp.array([0, 5])]
    np.testing.assert_allclose(mix(plan, train_x[index], other=train_x), expected, rtol=1e-6)


@pytest.mark.parametrize("y", [np.array([0.0, 0.5, 2.0, 0.5]), np.array([[0.0, 1], [0.5, 1], [2, 0], [0.3, 1]])])
@pytest.mark.parametrize("bandwidth", [0.4, 3.0])
def test_similar_labels_meet_with_the_probability_of_the_paper(rng, y, bandwidth):
    partners = drawn(rng, by_label_distance, y.astype(np.float32), bandwidth)
    distance = ((y.reshape(4, 1, -1) - y.reshape(1, 4, -1)) ** 2).sum(axis=-1)
    probability = np.exp(-distance / (2 * bandwidth**2))
    for i in range(4):
        expected = probability[i] / probability[i].sum()
        likely = expected > 1e-3
        kept = partners[np.isin(partners[:, i], np.flatnonzero(likely)), i]
        assert len(kept) > 0.99 * DRAWS
        assert is_likely(kept, np.where(likely, expected, 0) / expected[likely].sum())


def test_a_narrow_bandwidth_finds_equals_and_an_infinite_one_anything(rng):
    y = jnp.array([1.0, 5.0, 1.0])
    narrow, infinite = (drawn(rng, by_label_distance, y, bandwidth) for bandwidth in (1e-30, jnp.inf))
    for i, alike in enumerate(([0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5])):
        assert is_likely(narrow[:, i], alike)
        assert is_likely(infinite[:, i], np.full(3, 1 / 3))


def test_similar_labels_are_found_in_another_set(rng):
    y, other = jnp.array([3.0, 0.0]), jnp.array([0.1, 9.0, 9.0, 3.1])
    np.testing.assert_array_equal(by_label_distance(rng, y, 0.05, other), [3, 0])


@pytest.mark.thorough
def test_the_bandwidth_may_be_traced(rng):
    y = jax.random.normal(rng, (6,))
    together = jax.vmap(lambda bandwidth: by_label_distance(rng, y, bandwidth))(jnp.array([0.1, 1.0]))
    for bandwidth, partner in zip((0.1, 1.0), together, strict=True):
        np.testing.assert_array_equal(by_label_distance(rng, y, bandwidth), partner)


@pytest.mark.thorough
def test_two_batches_are_mixed_in_their_order(rng):
    x, x2 = jax.random.normal(rng, (2, 4, 3))
    plan = jax.jit(lambda rng: draw(rng, 4, 1.0, per="example", partner=jnp.arange(4)))(rng)
    lam = plan.lam[:, None]
    np.testing.assert_allclose(mix(plan, x, other=x2), lam * x + (1 - lam) * x2, atol=1e-6)


FUNCTIONS = [
    lambda key: same_class(key, LABELS),
    lambda key: different_class(key, LABELS),
    lambda key: neighbours(key, jnp.arange(30).reshape(10, 3), jnp.array([1, 2, 9])),
    lambda key: by_label_distance(key, jnp.array([0.0, 1.0, 1.5]), 0.7),
]


@pytest.mark.thorough
@pytest.mark.parametrize("given", [False, True])
def test_a_label_that_is_not_known_is_no_partner_of_others(rng, given):
    y = jnp.array([[0.0, 0.0], [jnp.nan, 0.0], [1.0, 0.0], [0.1, 0.0]])
    other = jnp.concatenate([y, y]) if given else None
    drawn = jax.vmap(lambda key: by_label_distance(key, y, 1.0, other))(jax.random.split(rng, 100))
    assert set((drawn[:, jnp.array([0, 2, 3])] % 4).ravel().tolist()) == {0, 2, 3}
    assert set((drawn[:, 1] % 4).tolist()) == {0, 2, 3}  # nor is it always the same one's partner


@pytest.mark.thorough
@pytest.mark.parametrize("function", FUNCTIONS)
def test_jit_is_eager_and_a_vmap_is_a_loop(rng, function):
    keys = jax.random.split(rng, 5)
    together = jax.vmap(function)(keys)
    for key, partner in zip(keys, together, strict=True):
        assert function(key).dtype == jnp.int32
        np.testing.assert_array_equal(function(key), partner)
        np.testing.assert_array_equal(jax.jit(function)(key), partner)


def test_what_was_drawn_becomes_a_plan_inside_of_jit(rng):
    plan = jax.jit(lambda key, labels: draw(key, 6, 1.0, partner=same_class(key, labels)))(rng, LABELS)
    np.testing.assert_array_equal(LABELS[plan.partner], LABELS)


BAD_CALLS = [
    (lambda rng: same_class(rng, np.eye(3, dtype=np.float32)), TypeError, r"labels must be integers .* float32\[3,3\]"),
    (
        lambda rng: same_class(rng, np.ones((3, 1), np.int32)),
        ValueError,
        r"labels must be \(batch,\), got int32\[3,1\]",
    ),
    (lambda rng: different_class(rng, np.ones(3, bool)), TypeError, r"labels must be integers .* bool\[3\]"),
    (lambda rng: neighbours(rng, np.ones((4, 2)), np.arange(2)), TypeError, r"table must be integers .* float"),
    (lambda rng: neighbours(rng, np.arange(4), np.arange(2)), ValueError, r"table must be \(dataset, k\)"),
    (lambda rng: neighbours(rng, np.ones((4, 0), np.int32), np.arange(2)), ValueError, "at least one .* neighbour"),
    (lambda rng: neighbours(rng, np.ones((4, 2), np.int32), np.ones(2)), TypeError, r"index must be integers"),
    (lambda rng: by_label_distance(rng, np.arange(4), 1.0), TypeError, r"y must be floating-point .* int32\[4\]"),
    (lambda rng: by_label_distance(rng, jnp.ones(4), 0.0), ValueError, r"bandwidth must be > 0, got 0.0"),
    (lambda rng: by_label_distance(rng, jnp.ones(4), float("nan")), ValueError, r"bandwidth must be > 0, got nan"),
    (lambda rng: by_label_distance(rng, jnp.ones(4), jnp.ones(4)), ValueError, r"bandwidth must be a scalar"),
    (lambda rng: by_label_distance(rng, jnp.ones(4), 1.0, jnp.ones((4, 2))), ValueError, r"\(4,\) and \(4, 2\)"),
    (lambda rng: by_label_distance(rng, jnp.ones((4, 2, 2)), 1.0), ValueError, r"\(n,\) or \(n, d\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument_at_trace_time(rng, call, error, message):
    for function in (call, jax.jit(call)):
        with pytest.raises(error, match=message):
            function(rng)
