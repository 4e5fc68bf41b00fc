"""Laws of dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models.layers.torch_layers import Dropout


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("train", [False, True])
def test_it_is_flaxs_bit_for_bit(rng, rate, dtype, train):
    x = jax.random.normal(rng, (8, 4, 4, 3)).astype(dtype)
    ours = Dropout(rate).apply({}, x, train, rngs={"dropout": rng})
    theirs = nn.Dropout(rate, deterministic=not train).apply({}, x, rngs={"dropout": rng})
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, theirs)


def test_it_keeps_the_mean_and_drops_the_share(rng):
    y = Dropout(0.8).apply({}, jnp.ones((100, 100)), True, rngs={"dropout": rng})
    np.testing.assert_allclose([y.mean(), (y == 0).mean()], [1.0, 0.8], atol=0.03)


def test_it_needs_a_key_only_where_it_drops():
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, True), x)
    np.testing.assert_array_equal(Dropout(0.5).apply({}, x, False), x)
