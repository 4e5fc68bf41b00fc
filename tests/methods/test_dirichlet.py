"""Laws of mixing many: the chain of plans has Dirichlet weights, and two examples are mixup."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mixup_jax import draw
from mixup_jax.methods import draw_dirichlet, mix_all


@pytest.mark.thorough
@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_weights_are_those_of_a_dirichlet_distribution(rng, alpha):
    def weights(key):
        first, second = draw_dirichlet(key, 4, alpha, examples=3)
        return first.lam[0] * second.lam[0], (1 - first.lam[0]) * second.lam[0], 1 - second.lam[0]

    drawn = jax.jit(jax.vmap(weights))(jax.random.split(rng, 4000))
    for each in drawn:  # a weight of Dirichlet(alpha, alpha, alpha) is Beta(alpha, 2 alpha)
        assert stats.kstest(np.asarray(each, np.float64), stats.beta(alpha, 2 * alpha).cdf).pvalue > 1e-3


@pytest.mark.thorough
def test_partners_are_those_of_the_batch_as_it_was(rng):
    plans = draw_dirichlet(rng, 5, 1.0, examples=4, per="example")
    weights = np.asarray(mix_all(plans, jnp.eye(5)))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert (weights >= 0).all()
    for row, weight in enumerate(weights):
        met = {row, *(int(plan.partner[row]) for plan in plans)}
        assert set(np.flatnonzero(weight > 1e-7)) <= met


@pytest.mark.thorough
def test_partners_may_be_given_one_row_for_each_further_example(rng):
    rows = np.stack([np.roll(np.arange(5), shift) for shift in (1, 2, 3)])
    plans = draw_dirichlet(rng, 5, 1.0, examples=4, partner=rows)
    np.testing.assert_array_equal([plan.partner for plan in plans], rows)


def test_in_a_derangement_nobody_meets_himself_and_partners_keep_to_their_block(rng):
    drawn = jax.jit(jax.vmap(lambda rng: draw_dirichlet(rng, 6, 1.0, partner="derangement", block=3)))
    partner = np.stack([plan.partner for plan in drawn(jax.random.split(rng, 50))])
    assert not (partner == np.arange(6)).any()
    np.testing.assert_array_equal(partner // 3, np.broadcast_to(np.arange(6) // 3, partner.shape))
    assert (partner[0] != partner[1]).any()  # each plan has its own


@pytest.mark.parametrize("partner", ["roll", "flip"])
def test_one_example_is_not_taken_for_several(rng, partner):
    with pytest.raises(ValueError, match=f"partner '{partner}' would be the same example 2 times"):
        draw_dirichlet(rng, 5, 1.0, partner=partner)
    (plan,) = draw_dirichlet(rng, 5, 1.0, examples=2, partner=partner)
    np.testing.assert_array_equal(plan.partner, draw(rng, 5, 1.0, partner=partner).partner)


def test_alpha_zero_leaves_the_batch_alone_and_bad_input_is_refused(rng):
    plans = jax.jit(lambda alpha: draw_dirichlet(rng, 5, alpha))(0.0)
    np.testing.assert_array_equal(mix_all(plans, jnp.eye(5)), jnp.eye(5))
    with pytest.raises(ValueError, match="examples must be at least 2, got 1"):
        draw_dirichlet(rng, 5, 1.0, examples=1)
    with pytest.raises(ValueError, match="alpha must be a finite number >= 0"):
        draw_dirichlet(rng, 5, -1.0)
    with pytest.raises(ValueError, match=r"per must be one of batch, .*example.*, got 'pair'"):
        draw_dirichlet(rng, 5, 1.0, per="pair")
    with pytest.raises(ValueError, match=r"partner must be integers \(2, 5\), got 3 rows"):
        draw_dirichlet(rng, 5, 1.0, partner=jnp.zeros((3, 5), jnp.int32))
