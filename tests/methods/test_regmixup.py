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


@pytest.mark.thorough
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


@pytest.mark.thorough
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_weighted_mean_is_the_sum_of_both_losses(rng, eta):
    x, y, weight = jax.jit(lambda eta: regmixup(rng, X, Y, eta=eta))(eta)
    losses = optax.softmax_cross_entropy(x @ jnp.ones((5, 4)) + x[:, :4], y)
    np.testing.assert_allclose(jnp.mean(weight * losses), losses[:6].mean() + eta * losses[6:].mean(), rtol=1e-5)


@pytest.mark.thorough
@law
@keys_and_alphas
def test_without_noise_it_is_mixup(seed, alpha):
    x, y = without_noise(jax.random.key(seed), alpha)
    expected = mixed_alone(jax.random.key(seed), alpha)
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])


@pytest.mark.thorough
def test_the_noise_has_the_deviations_of_the_authors_code(rng):
    # level times Beta(2, 5), whose mean square is 6 / 56; normal, and uniform with a variance of 1/3
    ones = jnp.full((500, 4), 3.0)
    keys = jax.random.split(rng, 400)
    for additive, multiplicative in ((0.4, 0.0), (0.0, 0.2), (0.4, 0.2)):
        options = {"additive": additive, "multiplicative": multiplicative}
        x = jax.vmap(lambda key, options=options: noisy_feature_mixup(key, ones, ones, 1.0, **options)[0])(keys)
        expected = 6 / 56 * (additive**2 + (3 * multiplicative) ** 2 / 3)
        np.testing.assert_allclose([x.mean(), np.mean((x - 3.0) ** 2)], [3.0, expected], atol=0.004, rtol=0.15)
        assert np.std(np.std(x, axis=(1, 2))) > 0.01  # another strength in each batch


def test_noise_keeps_the_dtype(rng):
    narrow, _ = noisy_feature_mixup(rng, X.astype(jnp.bfloat16), Y, 1.0)
    assert narrow.dtype == jnp.bfloat16
