"""Laws of VGG-11: the published size, at any width, and what it cannot see."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from mixup_jax.models import VGG11


def parameters(model, rows):
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, rows, 101, 1)))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("rows", [160, 161])
def test_it_has_the_published_number_of_parameters_with_and_without_the_nyquist_row(rows):
    assert parameters(VGG11(30), rows) == 13_172_894


def test_the_width_scales_every_layer():
    kernels = 9 * (1 + 2 + 8 + 16 + 32 + 64 + 64 + 64) - 9 + (5 * 3 * 8 * 8)  # in widths squared, but for the first
    features = 1 + 2 + 4 + 4 + 8 + 8 + 8 + 8
    for width in (8, 16):
        expected = kernels * width**2 + 9 * width + 3 * features * width + 8 * width + (8 * width + 1) * 30
        assert parameters(VGG11(30, width), 160) == expected


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="vgg11 halves images 5 times and needs 32 x 32 or more, got 28 x 28"):
        VGG11(3).init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
