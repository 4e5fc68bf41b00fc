"""Laws of the partners that optimal transport finds."""

from functools import partial
from itertools import combinations, permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment

from mixup_jax import draw, mix
from mixup_jax.methods import optimal_partners

ROWS = np.arange(8)
DRAWS = 1000


@partial(jax.jit, static_argnames="k")
def partners_of(rng, x, k):
    """Partners of many draws: (DRAWS, batch)."""
    return jax.vmap(lambda key: optimal_partners(key, x, k))(jax.random.split(rng, DRAWS))


@pytest.fixture
def x(rng):
    """8 points in the plane."""
    return jax.random.normal(rng, (8, 2))


def cost_of(x, rows, columns):
    """The sum of squared distances of a matching, in float64."""
    x = np.asarray(x, np.float64)
    return ((x[list(rows)] - x[list(columns)]) ** 2).sum()


@pytest.mark.thorough
@pytest.mark.parametrize("k", [1, 4])
def test_partners_are_a_permutation_in_which_none_meets_itself(rng, x, k):
    partners = np.asarray(partners_of(rng, x, k))
    assert partners.dtype == np.int32
    np.testing.assert_array_equal(np.sort(partners, axis=1), np.broadcast_to(ROWS, partners.shape))
    assert not (partners == ROWS).any()


def test_groups_of_one_are_uniform_pairs(rng, x):
    partners = np.asarray(partners_of(rng, x, 1))
    for i in range(8):
        assert stats.chisquare(np.bincount(partners[:, i], minlength=8)[i != ROWS]).pvalue > 1e-4


def test_no_other_matching_of_two_groups_is_shorter(rng, x):
    """Some half of the batch is matched with the other half, and both matchings are the best of all 4! of them."""
    for partner in np.asarray(partners_of(rng, x, 4))[:20]:
        halves = [set(half) for half in combinations(range(8), 4) if set(partner[list(half)]).isdisjoint(half)]
        assert any(
            all(
                cost_of(x, rows, partner[list(rows)])
                <= min(cost_of(x, rows, columns) for columns in permutations(partner[list(rows)])) + 1e-5
                for rows in (half, set(range(8)) - half)
            )
            for half in halves
        )


@pytest.mark.thorough
def test_matching_with_a_second_batch_is_what_scipy_finds(rng):
    x, other = jax.random.normal(rng, (2, 16, 5))
    partner_of = jax.jit(lambda key, x, other: optimal_partners(key, x, 16, other))
    for key in jax.random.split(rng, 5):
        partner = partner_of(key, x, other)
        cost = ((np.asarray(x)[:, None] - np.asarray(other)[None]) ** 2).sum(axis=-1)
        np.testing.assert_array_equal(partner, linear_sum_assignment(cost)[1])
    plan = draw(rng, 16, 1.0, partner=partner)
    expected = plan.lam[:, None] * x + (1 - plan.lam[:, None]) * other[partner]
    np.testing.assert_allclose(mix(plan, x, other), expected, atol=1e-5)
    for bad in (jnp.nan, jnp.inf):  # no numbers, but still partners
        np.testing.assert_array_equal(np.sort(partner_of(rng, x.at[3].set(bad), other)), np.arange(16))
        np.testing.assert_array_equal(np.sort(partner_of(rng, jnp.full_like(x, bad), other)), np.arange(16))


def test_larger_groups_have_nearer_partners_and_keep_clusters_apart(rng, x):
    """Of two far clusters of 4 a random half of the batch has 2 + 2 members in 36 of 70 cases, 3 + 1 in 32, 4 in 2."""
    x += 100.0 * (ROWS >= 4)[:, None]
    crossing = [np.mean((np.asarray(partners_of(rng, x, k)) >= 4) != (ROWS >= 4)) for k in (1, 4)]
    np.testing.assert_allclose(crossing, [4 / 7, (36 * 0 + 32 * 2 + 2 * 4) / 70 / 4], atol=0.03)


@pytest.mark.thorough
def test_jit_is_eager_a_vmap_is_a_loop_and_pixels_match_as_their_values(rng, x):
    pixels = (50 * (x - x.min())).astype(jnp.uint8)
    together = partners_of(rng, pixels.astype(jnp.float32), 4)
    for key, partner in zip(jax.random.split(rng, DRAWS)[:3], together, strict=False):
        np.testing.assert_array_equal(optimal_partners(key, pixels, 4), partner)


X = np.zeros((6, 2), np.float32)
BAD_CALLS = [
    (lambda rng: optimal_partners(rng, X, 4), ValueError, "k must divide the batch, got 4 and a batch of 6"),
    (lambda rng: optimal_partners(rng, X, 0), ValueError, "k must divide the batch, got 0"),
    (lambda rng: optimal_partners(rng, X, 6), ValueError, "k must leave two groups or more, got 6"),
    (lambda rng: optimal_partners(rng, X, 2, X[:4]), ValueError, r"same shape, got float32\[6,2\] and float32\[4,2\]"),
    (lambda rng: optimal_partners(rng, X.astype(np.int32), 2), TypeError, r"x must be .* got int32\[6,2\]"),
    (lambda rng: optimal_partners(rng, np.float32(2), 1), ValueError, r"batches of the same shape, got float32\[\]"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument_at_trace_time(rng, call, error, message):
    for function in (call, jax.jit(call)):
        with pytest.raises(error, match=message):
            function(rng)
