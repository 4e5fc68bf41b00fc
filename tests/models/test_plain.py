"""Laws of AlexNet and VGG: the published sizes, small images, and memory saved without another result."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import kept_for_backward, parameters_and_multiply_adds

from mixup_jax.config import CHOICES
from mixup_jax.models import VGG, AlexNet, build
from mixup_jax.models.plain import Head


@pytest.mark.parametrize(
    ("name", "count", "giga"),
    [
        ("alexnet", 61_100_840, 0.714),
        ("vgg16", 138_357_544, 15.470),
        ("vgg16_bn", 138_365_992, 15.470),
        ("alexnet_bn", 61_100_840 + 2 * 1152, 0.714),
    ],
)
def test_it_has_the_published_parameters_and_multiply_adds(name, count, giga):
    parameters, multiply_adds = parameters_and_multiply_adds(build(CHOICES["model"][name](), 1000))
    assert parameters == count
    assert round(multiply_adds / 1e9, 3) == giga


@pytest.mark.parametrize("name", ["alexnet_bn", "alexnet_gap", "vgg16_bn", "vgg16_gap"])
def test_small_images_of_two_channels_are_fine(name):
    image = jax.ShapeDtypeStruct((2, 64, 64, 2), jnp.float32)
    logits, _ = jax.eval_shape(
        partial(build(CHOICES["model"][name](dropout=0.5), 38).init_with_output, train=False), jax.random.key(0), image
    )
    assert logits.shape == (2, 38)


@pytest.mark.parametrize(("model", "least"), [(AlexNet(3, width=4), 63), (VGG(3, width=4), 32)])
def test_the_smallest_image_is_the_smallest_that_leaves_a_pixel(model, least):
    def last_shape(size):
        image = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
        capture = {"capture_intermediates": True, "mutable": ["params", "intermediates"]}
        _, seen = jax.eval_shape(partial(model.init_with_output, train=False, **capture), jax.random.key(0), image)
        stages = [value["__call__"][0] for name, value in seen["intermediates"].items() if name.startswith("stage")]
        return min(stage.shape[1] for stage in stages)

    assert last_shape(least) == 1
    with pytest.raises(ValueError, match=f"needs {least} x {least} or more"):
        last_shape(least - 1)


@pytest.mark.thorough
@pytest.mark.parametrize("model", [AlexNet(3, width=4, norm=True), VGG(3, width=4, norm=True)])
def test_remat_keeps_less_for_the_backward_pass(model):
    whole, less = (kept_for_backward(model.copy(remat=remat, dropout=0.3), 64) for remat in (False, True))
    assert less < 0.7 * whole


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "first"), [(1, False), (2, False), (2, True)])
def test_dropout_drops_in_training_only(rng, size, first):
    x = jnp.ones((2, 2, 2, 3))
    head = Head(3, size, 8, dropout=0.5, dropout_first=first)
    variables = jax.jit(partial(head.init, train=False))(rng, x)
    train = jax.jit(lambda rng: head.apply(variables, x, train=True, rngs={"dropout": rng}))
    assert not jnp.array_equal(*map(train, jax.random.split(rng)))
    plain = Head(3, size, 8).apply(variables, x, train=True)
    np.testing.assert_array_equal(head.apply(variables, x, train=False), plain)
