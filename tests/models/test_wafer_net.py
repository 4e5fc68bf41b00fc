"""Laws of the small network for wafer maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.config import Model
from mixup_jax.models import build
from mixup_jax.models.wafer_net import PATCH, in_patches


@pytest.mark.parametrize("size", [(8, 8), (10, 13)])
def test_patches_hold_every_pixel_once_and_nothing_else(size):
    x = 1 + jnp.arange(np.prod(size) * 2, dtype=jnp.float32).reshape(1, *size, 2)
    patches = in_patches(x)
    assert patches.shape == (1, -(-size[0] // PATCH), -(-size[1] // PATCH), 2 * PATCH**2 + 1)
    pixels = np.sort(np.asarray(patches[..., :-1]).ravel())
    assert np.array_equal(pixels[pixels > 0], np.sort(np.asarray(x).ravel()))
    assert np.array_equal(patches[0, 0, 0, : 2 * PATCH], x[0, 0, :PATCH].ravel())


def test_a_patch_knows_its_distance_from_the_middle():
    distance = in_patches(jnp.zeros((2, 52, 52, 2)))[..., -1]
    np.testing.assert_allclose(distance[0, 6, 6], 0, atol=1e-6)
    np.testing.assert_allclose(distance[0, 0, 6], 1)
    assert np.array_equal(distance[0], distance[1])
    np.testing.assert_allclose(distance[0], distance[0].T, atol=1e-6)
    np.testing.assert_allclose(distance[0], distance[0, ::-1, ::-1], atol=1e-6)


def test_parameters_are_those_of_four_convolutions_and_a_layer():
    model = build(Model("wafer_net", width=4), classes=8)
    shapes = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 52, 52, 2)), train=False), jax.random.key(0))
    counted = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    convolutions = 9 * (33 * 4 + 4 * 4 + 4 * 8 + 8 * 8)
    norms, head = 2 * (4 + 4 + 8 + 8), 16 * 8 + 8
    assert counted == convolutions + norms + head
