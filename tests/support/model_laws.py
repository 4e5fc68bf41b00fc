"""Laws that hold of every network; a test file of a network says for which of its forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.methods import mix_at
from mixup_jax.mixing import Mix


def assert_reaches_every_parameter(gradient):
    """Every number of a gradient is finite, and some of each parameter's are not 0."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), path
        assert np.any(leaf), path


def gradient_of_squares(model, params, images, rng):
    """Return the gradient of the squared distance of the logits from 1, in training."""

    def loss_fn(params):
        return jnp.square(model.apply({"params": params}, images, train=True, rngs={"dropout": rng}) - 1).sum()

    return jax.jit(jax.grad(loss_fn))(params)


def assert_mixed_by_name(model, variables, images, layer, atol):
    """Partners of all weight at a layer are partners at the input, and other logits than those without mixing."""
    swapped, nothing = Mix(jnp.zeros(4), jnp.array([1, 0, 3, 2])), Mix(jnp.ones(4), jnp.arange(4))

    @jax.jit
    def forward(plan, images):
        with mix_at(plan, layer):
            return model.apply(variables, images, train=False)

    logits, expected = forward(swapped, images), forward(nothing, images[swapped.partner])
    assert not np.allclose(logits, forward(nothing, images))
    np.testing.assert_allclose(logits, expected, atol=atol)


def assert_computes_in_bfloat16(model, variables, images):
    """Logits are float32, and what the first of numbered layers return is bfloat16."""
    capture = {"capture_intermediates": True, "mutable": ["intermediates"]}
    logits, seen = jax.eval_shape(partial(model.apply, train=False, **capture), variables, images)
    assert logits.dtype == jnp.float32
    hidden = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(seen) if "1" in str(path)]
    assert {leaf.dtype for leaf in hidden} == {jnp.dtype(jnp.bfloat16)}
