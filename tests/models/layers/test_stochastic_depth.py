"""Laws of stochastic depth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mixup_jax.models import ResNet
from mixup_jax.models.layers.stochastic_depth import StochasticDepth, rates


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_whole_examples_are_left_out_and_the_mean_is_kept(rng, dtype):
    y = StochasticDepth(0.2).apply({}, jnp.ones((4000, 3), dtype), True, rngs={"dropout": rng})
    assert y.dtype == dtype
    assert set(np.unique(y)) == {0, float(jnp.asarray(1.25, dtype))}
    np.testing.assert_array_equal(y, jnp.broadcast_to(y[:, :1], y.shape))
    np.testing.assert_allclose([y.astype(jnp.float32).mean(), (y == 0).mean()], [1.0, 0.2], atol=0.03)


def test_without_rescaling_what_is_kept_stays_as_it_is(rng):
    y = StochasticDepth(0.5, rescale=False).apply({}, jnp.ones((100, 1)), True, rngs={"dropout": rng})
    assert set(np.unique(y)) == {0, 1}


def test_an_example_is_left_out_by_its_place_whatever_the_size_of_the_batch(rng):
    layer = StochasticDepth(0.5)
    many, few = (layer.apply({}, jnp.ones((count, 2)), True, rngs={"dropout": rng}) for count in (64, 10))
    np.testing.assert_array_equal(many[:10], few)


def test_an_example_is_left_out_on_any_number_of_devices(rng):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    x = jnp.ones((16, 2))
    apply = jax.jit(lambda x: StochasticDepth(0.5).apply({}, x, True, rngs={"dropout": rng}))
    spread = apply(jax.device_put(x, NamedSharding(mesh, PartitionSpec("data"))))
    np.testing.assert_array_equal(spread, apply(x))


def test_it_needs_a_key_only_where_it_leaves_something_out():
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(StochasticDepth(0.0).apply({}, x, True), x)
    np.testing.assert_array_equal(StochasticDepth(0.5).apply({}, x, False), x)


def test_rates_rise_linearly_or_are_the_same():
    np.testing.assert_allclose(rates(0.3, 12), np.linspace(0, 0.3, 12))
    assert rates(0.3, 12, "uniform") == (0.3,) * 12
    assert rates(0.3, 1) == (0.0,)


@pytest.mark.thorough
def test_a_resnet_whose_last_block_is_left_out_passes_on_what_came_before(rng):
    model = ResNet(3, width=4, blocks=(1, 2), bottleneck=False, stochastic_depth=1 - 1e-7)
    images = jax.random.normal(rng, (2, 16, 16, 3))
    variables = jax.jit(lambda key: model.init(key, images, False))(rng)
    variables = jax.tree.map(lambda leaf: leaf + 0.5, variables)  # no scale is 0
    capture = {"capture_intermediates": True, "mutable": ["batch_stats", "intermediates"], "rngs": {"dropout": rng}}
    _, seen = jax.jit(lambda v: model.apply(v, images, True, **capture))(variables)
    first, last = (seen["intermediates"]["stage2"][f"block{i}"]["__call__"][0] for i in (1, 2))
    np.testing.assert_array_equal(last, first)
    before = seen["intermediates"]["stage1"]["__call__"][0]
    assert first.shape != before.shape  # the block between halves the image, by its shortcut if not by its convolutions
