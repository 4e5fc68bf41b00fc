"""Laws of the label algebra, and of targets that mix linearly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixup_jax import Mix, draw, mix
from mixup_jax.methods import larger, threshold, union

PLAN = Mix(lam=jnp.array([1.0, 0.0, 0.7, 0.5, 0.2]), partner=jnp.array([1, 2, 3, 4, 0]))
MULTI_HOT = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]])
OPERATIONS = [union, larger, lambda plan, y, other=None: threshold(plan, y, 0.3, other)]
JITTED = [jax.jit(operation) for operation in OPERATIONS]
mixture, threshold_of = jax.jit(mix), jax.jit(threshold)


@jax.jit
def any_plan(rng):
    """A plan with a lambda for each of 5 examples."""
    return draw(rng, 5, 1.0, per="example")


def test_the_union_holds_the_labels_of_the_parents_that_are_there():
    expected = [MULTI_HOT[0], MULTI_HOT[2], *(MULTI_HOT[i] | MULTI_HOT[(i + 1) % 5] for i in (2, 3, 4))]
    np.testing.assert_array_equal(union(PLAN, MULTI_HOT), expected)


@pytest.mark.parametrize("operation", JITTED)
@pytest.mark.parametrize("dtype", [bool, jnp.int32, jnp.uint8, jnp.float32, jnp.bfloat16])
def test_labels_keep_their_dtype_whatever_it_is(operation, dtype):
    y = jnp.asarray(MULTI_HOT).astype(dtype)
    result = operation(PLAN, y)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.astype(jnp.int32), operation(PLAN, MULTI_HOT))


def test_the_union_of_smoothed_labels_switches_on_no_further_class():
    smooth = (0.1 / 4 + 0.9 * MULTI_HOT).astype(np.float32)
    np.testing.assert_allclose(union(PLAN, smooth), 0.1 / 4 + 0.9 * np.asarray(union(PLAN, MULTI_HOT)), rtol=1e-6)


def test_the_union_is_at_least_the_mixture_and_at_most_one(rng):
    plan, y = any_plan(rng), MULTI_HOT.astype(np.float32)
    both = np.asarray(JITTED[0](plan, y))
    assert ((both >= np.asarray(mixture(plan, y))) & (both <= 1)).all()


@settings(deadline=None, derandomize=True, max_examples=50, database=None)
@given(
    lam=st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5),
    partner=st.lists(st.integers(0, 4), min_size=5, max_size=5),
    bits=st.lists(st.booleans(), min_size=20, max_size=20),
    at=st.floats(0, 1, width=32),
)
def test_labels_of_any_plan_are_between_those_of_both_parents(lam, partner, bits, at):
    plan, own = Mix(jnp.array(lam), jnp.array(partner)), np.array(bits).reshape(5, 4)
    theirs = own[partner]
    both, weightier = (np.asarray(operation(plan, own)) for operation in JITTED[:2])
    above = np.asarray(threshold_of(plan, own, at))
    for labels in (both, weightier, above):
        assert (labels >= (own & theirs)).all()
        assert (labels <= (own | theirs)).all()
    assert (above <= both).all()
    assert all(
        (row == one).all() or (row == other).all() for row, one, other in zip(weightier, own, theirs, strict=True)
    )


@pytest.mark.parametrize("at", [0.0, 0.25, 0.4, 0.6, 0.9, 1.0])
def test_a_threshold_asks_for_a_share_of_the_mixture(rng, at):
    plan, y = any_plan(rng), MULTI_HOT.astype(np.float32)
    share = np.round(mixture(plan, y), 6)
    np.testing.assert_array_equal(threshold_of(plan, y, at), (share >= at) & (share > 0))


def test_a_threshold_of_zero_is_the_union_and_its_edge_counts():
    np.testing.assert_array_equal(threshold(PLAN, MULTI_HOT, 0.0), union(PLAN, MULTI_HOT))
    half = Mix(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
    np.testing.assert_array_equal(threshold(half, np.eye(2), 0.5), np.ones((2, 2)))
    np.testing.assert_array_equal(threshold(half, np.eye(2), 0.51), np.zeros((2, 2)))


def test_an_example_mixed_with_itself_keeps_its_labels_at_any_threshold():
    itself = Mix(PLAN.lam, jnp.arange(5))
    for result in (threshold(itself, MULTI_HOT, 0.9), union(itself, MULTI_HOT), larger(itself, MULTI_HOT)):
        np.testing.assert_array_equal(result, MULTI_HOT)


def test_mixing_inputs_only_takes_the_label_of_the_larger_weight():
    np.testing.assert_array_equal(larger(PLAN, MULTI_HOT), MULTI_HOT[[0, 2, 2, 3, 0]])
    ids = np.array([4, 8, 15, 16, 23])
    np.testing.assert_array_equal(larger(PLAN, ids), ids[[0, 2, 2, 3, 0]])


def test_a_pasted_region_gives_labels_by_its_share():
    mask = jnp.ones((2, 4, 4), bool).at[0, :3].set(False)
    plan = Mix(mask.mean(axis=(1, 2)), jnp.array([1, 0]), None, mask)
    np.testing.assert_array_equal(larger(plan, jnp.array([3, 7])), [7, 7])
    np.testing.assert_array_equal(union(plan, np.eye(2, dtype=np.int32)), [[1, 1], [0, 1]])
    np.testing.assert_array_equal(threshold(plan, np.eye(2, dtype=np.int32), 0.5), [[0, 1], [0, 1]])


@pytest.mark.parametrize("operation", [*JITTED, mixture])
def test_partners_may_be_in_another_batch(operation):
    y, other = np.eye(2, dtype=np.float32), np.array([[0, 0], [0, 0], [1, 1], [0, 1]], np.float32)
    plan = Mix(jnp.array([0.4, 0.4]), jnp.array([3, 2]))
    both = operation(Mix(jnp.array([0.4, 0.4, 1, 1]), jnp.array([2, 3, 2, 3])), np.concatenate([y, other[::-1][:2]]))
    np.testing.assert_array_equal(operation(plan, y, other), both[:2])


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)])
def test_regression_targets_mix_linearly_and_never_broadcast(rng, shape):
    y = jax.random.normal(rng, shape)
    mixed = mixture(PLAN, y)
    assert mixed.shape == shape
    lam = np.asarray(PLAN.lam, np.float64).reshape(-1, *[1] * (len(shape) - 1))
    exact = np.asarray(y, np.float64)
    np.testing.assert_allclose(mixed, lam * exact + (1 - lam) * exact[np.asarray(PLAN.partner)], atol=1e-6)


@pytest.mark.parametrize("operation", JITTED)
def test_one_label_an_example_never_broadcasts(operation):
    y = np.array([0.0, 1.0, 0.0, 1.0, 1.0], np.float32)
    np.testing.assert_array_equal(operation(PLAN, y), operation(PLAN, y[:, None])[:, 0])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_jit_is_eager_and_a_vmap_is_a_loop(rng, operation):
    lam = jax.random.uniform(rng, (3, 5))
    together = jax.vmap(lambda lam: operation(Mix(lam, PLAN.partner), MULTI_HOT))(lam)
    for each, result in zip(lam, together, strict=True):
        np.testing.assert_array_equal(operation(Mix(each, PLAN.partner), MULTI_HOT), result)
        np.testing.assert_array_equal(jax.jit(operation)(Mix(each, PLAN.partner), MULTI_HOT), result)


def test_the_threshold_may_be_traced():
    results = jax.vmap(lambda at: threshold(PLAN, MULTI_HOT, at))(jnp.array([0.1, 0.8]))
    for at, result in zip((0.1, 0.8), results, strict=True):
        np.testing.assert_array_equal(threshold(PLAN, MULTI_HOT, at), result)


BAD_CALLS = [
    (lambda: union(PLAN, np.arange(5)), TypeError, r"y holds class ids \(int32\[5\]\); one-hot them"),
    (lambda: threshold(PLAN, np.arange(5), 0.5), TypeError, "one-hot them"),
    (lambda: union(PLAN, MULTI_HOT[:3]), ValueError, r"y is int32\[3,4\]; the plan mixes a batch of 5"),
    (lambda: larger(PLAN, np.float32(3)), ValueError, r"y is float32\[\]; the plan mixes"),
    (lambda: larger(PLAN, MULTI_HOT, MULTI_HOT[:, :2]), ValueError, r"y is int32\[5,4\], .* partners are int32\[5,2\]"),
    (lambda: union(PLAN, MULTI_HOT, MULTI_HOT.astype(bool)), ValueError, r"partners are bool\[5,4\]"),
    (lambda: threshold(PLAN, MULTI_HOT, -0.1), ValueError, r"at must be in \[0, 1\], got -0.1"),
    (lambda: threshold(PLAN, MULTI_HOT, float("nan")), ValueError, r"at must be in \[0, 1\], got nan"),
    (lambda: threshold(PLAN, MULTI_HOT, jnp.ones(2)), ValueError, "at must be a scalar"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument_at_trace_time(call, error, message):
    for function in (call, jax.jit(call)):
        with pytest.raises(error, match=message):
            function()
