"""Laws of LeNet: the published size, and channels that are dropped whole."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models import LeNet


@pytest.mark.parametrize("rows", [160, 161])
def test_it_has_the_published_number_of_parameters_with_and_without_the_nyquist_row(rows):
    variables = jax.eval_shape(partial(LeNet(30).init, train=False), jax.random.key(0), jnp.zeros((1, rows, 101, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 16_321_570


@pytest.fixture(scope="module")
def small():
    model = LeNet(classes=3, width=4, dropout=0.5)
    image = jax.random.normal(jax.random.key(1), (32, 16, 18, 1))
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), image)

    @partial(jax.jit, static_argnames="train")
    def hidden(rng, train):
        """What reaches the hidden layer: (examples, pixels, channels)."""
        seen = {}

        def look(next_fun, args, kwargs, context):
            seen[context.module.name] = args[0]
            return next_fun(*args, **kwargs)

        with nn.intercept_methods(look):
            model.apply(variables, image, train=train, rngs={"dropout": rng})
        return seen["hidden"].reshape(len(image), -1, 4)

    return hidden


@pytest.mark.thorough
def test_training_drops_whole_channels_and_scales_the_others(small):
    train, evaluated = (np.asarray(small(jax.random.key(2), train)) for train in (True, False))
    alive = (evaluated > 0).any(axis=1)
    dropped = (train == 0).all(axis=1) & alive
    assert 0.3 < dropped.sum() / alive.sum() < 0.7
    kept = np.broadcast_to((~dropped)[:, None], train.shape)
    # Convolution, dropout and pooling are linear or keep the order; so is ReLU for a factor of 2.
    np.testing.assert_allclose(train[kept], 2 * evaluated[kept], rtol=1e-5, atol=1e-6)


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="lenet needs images of 16 x 16 or more, got 8 x 8"):
        LeNet(3).init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)
