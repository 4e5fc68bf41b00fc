"""Laws of the methods that return batches: RegMixup and noisy feature mixup are mixup, and something besides."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax import draw, mix, mixup
from mixup_jax.methods import noisy_feature_mixup, regmixup

X = jax.random.normal(jax.random.key(1), (6, 5))
Y = jax.nn.one_hot(jnp.arange(6) % 4, 4)


def test_the_halves_are_the_batch_and_its_mixture(rng):
    x, y, _ = regmixup(rng, X, Y, 2.0, partner="derangement")
    mixed = mix(draw(rng, 6, 2.0, partner="derangement"), (X, Y))
    for both, clean, half in zip((x, y), (X, Y), mixed, strict=True):
        np.testing.assert_array_equal(both[:6], clean)
        np.testing.assert_array_equal(both[6:], half)


@pytest.mark.parametrize("method", [regmixup, noisy_feature_mixup])
def test_an_option_that_is_misspelt_is_an_error(rng, method):
    with pytest.raises(TypeError, match="'partners'"):
        method(rng, X, Y, 1.0, partners="flip")


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_weighted_mean_is_the_sum_of_both_losses(rng, eta):
    x, y, weight = jax.jit(lambda eta: regmixup(rng, X, Y, eta=eta))(eta)
    losses = optax.softmax_cross_entropy(x @ jnp.ones((5, 4)) + x[:, :4], y)
    np.testing.assert_allclose(jnp.mean(weight * losses), losses[:6].mean() + eta * losses[6:].mean(), rtol=1e-5)


def test_without_noise_it_is_mixup(rng):
    x, y = noisy_feature_mixup(rng, X, Y, 1.0, additive=0.0, multiplicative=0.0)
    expected = mixup(jax.random.split(rng)[0], X, Y, 1.0)
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])


def test_the_noise_has_the_deviations_that_were_asked_for(rng):
    ones = jnp.full((4000, 4), 3.0)
    for additive, multiplicative, deviation in ((0.5, 0.0, 0.5), (0.0, 0.2, 0.6), (0.3, 0.1, 0.18**0.5)):
        x, _ = noisy_feature_mixup(rng, ones, ones, 1.0, additive=additive, multiplicative=multiplicative)
        np.testing.assert_allclose([x.mean(), x.std()], [3.0, deviation], atol=0.02)
    narrow, _ = noisy_feature_mixup(rng, X.astype(jnp.bfloat16), Y, 1.0)
    assert narrow.dtype == jnp.bfloat16
