"""Laws of the small network for wafer maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.choices.networks import WaferNet
from mixup_jax.config import CHOICES
from mixup_jax.models import build
from mixup_jax.models.wafer_net import with_distance


@pytest.mark.thorough
def test_a_die_keeps_its_channels_and_knows_its_distance_from_the_middle():
    maps = jnp.arange(2 * 13 * 13 * 2, dtype=jnp.float32).reshape(2, 13, 13, 2)
    found = with_distance(maps)
    assert np.array_equal(found[..., :2], maps)
    distance = found[..., 2]
    np.testing.assert_allclose(distance[0, 6, 6], 0, atol=1e-6)
    np.testing.assert_allclose(distance[0, 0, 6], 1)
    assert np.array_equal(distance[0], distance[1])
    np.testing.assert_allclose(distance[0], distance[0].T, atol=1e-6)
    np.testing.assert_allclose(distance[0], distance[0, ::-1, ::-1], atol=1e-6)


def test_parameters_are_those_of_six_convolutions_and_a_layer():
    model = build(WaferNet(width=4), classes=8)
    shapes = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 52, 52, 2)), train=False), jax.random.key(0))
    counted = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    convolutions = 9 * (3 * 2 + 2 * 4 + 4 * 4 + 4 * 8 + 8 * 8 + 8 * 8)
    norms, head = 2 * (2 + 4 + 4 + 8 + 8 + 8), 16 * 8 + 8
    assert counted == convolutions + norms + head


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["alexnet_gap", "vgg16_gap", "resnet18", "resnet50", "wafer_net"])
def test_the_nets_of_the_slides_take_maps_of_any_size_with_the_same_parameters(name):
    model = build(CHOICES["model"][name](width=4), classes=8)

    def shapes(side):
        start = jnp.zeros((2, side, side, 2))
        return jax.eval_shape(lambda rng: model.init_with_output(rng, start, train=False), jax.random.key(0))

    _, usual = shapes(96)
    for size in (32, 63):  # even and odd
        logits, variables = shapes(size)
        assert logits.shape == (2, 8)
        assert variables == usual


def test_alexnet_names_the_least_it_needs():
    for name, size in (("alexnet_gap", 30), ("alexnet", 62)):
        model, maps = build(CHOICES["model"][name](width=4), classes=8), jnp.zeros((1, size, size, 2))
        with pytest.raises(
            ValueError, match=f"image is {size} x {size}; AlexNet needs {size + 1} x {size + 1} or more"
        ):
            jax.eval_shape(lambda rng, model=model, maps=maps: model.init(rng, maps, False), jax.random.key(0))
