"""Laws of Winograd's convolution: the direct one's values, and its derivatives where `conv_general_dilated` uses it."""

import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp
from on_devices import on_eight_devices

from mixup_jax.models.layers import winograd
from mixup_jax.models.layers.convolution import NHWC, conv_general_dilated

WIDE, SAME = winograd.CHANNELS, ((1, 1), (1, 1))


def direct(x, kernel, pads=SAME):
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=NHWC)


def arrays(rng, height, width, channels, features):
    """Draw images and a kernel such that results are about 1."""
    rng_x, rng_kernel = jax.random.split(rng)
    x = jax.random.normal(rng_x, (2, height, width, channels))
    return x, jax.random.normal(rng_kernel, (3, 3, channels, features)) / (9 * channels) ** 0.5


def assert_equal_to_rounding(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=5e-6 * np.abs(b).max())


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("height", "width", "pads"),
    [(4, 6, SAME), (4, 4, ((0, 0), (0, 0))), (5, 8, ((1, 0), (0, 2))), (7, 3, ((0, 1), (2, 1)))],
)
def test_it_is_the_direct_convolution(rng, height, width, pads):
    x, kernel = arrays(rng, height, width, 3, 5)
    assert_equal_to_rounding(winograd.convolve(x, kernel, pads), direct(x, kernel, pads))


def test_with_a_turned_kernel_it_is_the_gradient_of_the_images(rng):
    x, kernel = arrays(rng, 6, 8, 3, 5)
    y, pullback = jax.vjp(lambda x: direct(x, kernel), x)
    assert_equal_to_rounding(winograd.convolve(jnp.sin(y), kernel, SAME, turned=True), pullback(jnp.sin(y))[0])


@pytest.mark.thorough
@pytest.mark.parametrize("transform", ["grad", "forward over reverse", "vmap"])
def test_wide_convolutions_and_their_derivatives_are_the_native_ones(rng, transform):
    x, kernel = arrays(rng, 16, 16, WIDE, WIDE)
    assert winograd.suits(x, kernel, (1, 1), SAME)

    def of(convolve):
        def loss(x, kernel):
            return jnp.sin(convolve(x, kernel, (1, 1), SAME, dimension_numbers=NHWC)).sum()

        both = jax.value_and_grad(loss, (0, 1))
        if transform == "forward over reverse":
            return jax.jvp(jax.grad(loss, (0, 1)), (x, kernel), (jnp.cos(x), jnp.sin(kernel)))
        if transform == "vmap":
            return jax.vmap(both, (0, None))(x[None], kernel)
        return both(x, kernel)

    both = conv_general_dilated, lax.conv_general_dilated
    ours, native = (jax.tree.leaves(jax.jit(of, static_argnums=0)(convolve)) for convolve in both)
    for a, b in zip(ours, native, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


@pytest.mark.parametrize(("platform", "convolutions"), [("cpu", 0), ("tpu", 1), ("cuda", 1)])
def test_it_is_used_on_cpus_only(rng, platform, convolutions):
    text = lowered(rng, jax.jit(layer), platform)
    assert text.count("stablehlo.convolution") == convolutions
    assert text.count("stablehlo.dot_general") == 16 * (1 - convolutions)


@pytest.mark.parametrize(("platform", "convolutions"), [("cpu", 1), ("tpu", 3), ("cuda", 3)])
def test_the_gradient_of_the_images_takes_it_too(rng, platform, convolutions):
    text = lowered(rng, jax.jit(jax.grad(lambda *args: jnp.sin(layer(*args)).sum(), (0, 1))), platform)
    assert text.count("stablehlo.convolution") == convolutions
    assert text.count("stablehlo.dot_general") == 16 * (3 - convolutions)


def layer(x, kernel):
    return conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NHWC)


def lowered(rng, program, platform):
    return program.trace(*arrays(rng, 16, 16, WIDE, WIDE)).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(
    "changed",
    [
        {"x": (2, 16, 16, WIDE - 1), "kernel": (3, 3, WIDE - 1, WIDE)},
        {"kernel": (3, 3, WIDE, WIDE - 1)},
        {"kernel": (1, 1, WIDE, WIDE)},
        {"x": (2, 15, 16, WIDE)},
        {"x": (1, 16, 16, WIDE)},
        {"x": (128, 2, 2, WIDE), "pads": ((0, 0), (0, 0))},
        {"strides": (2, 2)},
        {"pads": ((-1, 1), (1, 1))},
        {"dtype": jnp.bfloat16},
    ],
    ids=lambda changed: " ".join(changed),
)
def test_it_is_left_alone_where_it_would_not_pay(changed):
    given = {"x": (2, 16, 16, WIDE), "kernel": (3, 3, WIDE, WIDE), "strides": (1, 1), "pads": SAME}
    dtype = changed.get("dtype", jnp.float32)

    def suits(x, kernel, strides, pads, **_):
        return winograd.suits(jnp.zeros(x, dtype), jnp.zeros(kernel, dtype), strides, pads)

    assert suits(**(given | changed)) is False
    assert suits(**given) is (dtype == jnp.float32)


@pytest.mark.thorough
def test_pmap_and_shard_map_agree_with_one_device(rng):
    x, kernel = arrays(rng, 16, 16, WIDE, WIDE)
    assert winograd.suits(x, kernel, (1, 1), SAME)
    x = jnp.concatenate([x * scale for scale in (1.0, 0.5, -1.0, 0.2, 2.0, 0.1, -0.3, 0.7)])  # for each device

    def gradients(x, kernel):
        return jax.grad(
            lambda *each: jnp.sin(conv_general_dilated(*each, (1, 1), SAME, None, None, NHWC)).sum(), (0, 1)
        )(x, kernel)

    expected = jax.jit(gradients)(x, kernel)
    for ours in on_eight_devices(gradients, x, kernel):
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())
