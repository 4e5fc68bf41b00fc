"""Laws of the methods that return batches: RegMixup and noisy feature mixup are mixup, and something besides."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixup_jax import draw, mix, mixup
from mixup_jax.methods import noisy_feature_mixup, regmixup

X = jax.random.normal(jax.random.key(1), (6, 5))
Y = jax.nn.one_hot(jnp.arange(6) % 4, 4)


law = settings(deadline=None, derandomize=True, max_examples=25, database=None)
keys_and_alphas = given(seed=st.integers(0, 2**31), alpha=st.one_of(st.just(0.0), st.floats(2**-10, 32, width=32)))
with_clean = jax.jit(lambda rng, alpha: regmixup(rng, X, Y, alpha, partner="derangement"))
of_the_plan = jax.jit(lambda rng, alpha: mix(draw(rng, 6, alpha, partner="derangement"), (X, Y)))
without_noise = jax.jit(lambda rng, alpha: noisy_feature_mixup(rng, X, Y, alpha, additive=0.0, multiplicative=0.0))
mixed_alone = jax.jit(lambda rng, alpha: mixup(jax.random.split(rng)[0], X, Y, alpha))


@law
@keys_and_alphas
def test_the_halves_are_the_batch_and_its_mixture(seed, alpha):
    x, y, _ = with_clean(jax.random.key(seed), alpha)
    mixed = of_the_plan(jax.random.key(seed), alpha)
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


@law
@keys_and_alphas
def test_without_noise_it_is_mixup(seed, alpha):
    x, y = without_noise(jax.random.key(seed), alpha)
    expected = mixed_alone(jax.random.key(seed), alpha)
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])


def test_the_noise_has_the_deviations_that_were_asked_for(rng):
    ones = jnp.full((4000, 4), 3.0)
    for additive, multiplicative, deviation in ((0.5, 0.0, 0.5), (0.0, 0.2, 0.6), (0.3, 0.1, 0.18**0.5)):
        x, _ = noisy_feature_mixup(rng, ones, ones, 1.0, additive=additive, multiplicative=multiplicative)
        np.testing.assert_allclose([x.mean(), x.std()], [3.0, deviation], atol=0.02)
    narrow, _ = noisy_feature_mixup(rng, X.astype(jnp.bfloat16), Y, 1.0)
    assert narrow.dtype == jnp.bfloat16
