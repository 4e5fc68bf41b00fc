"""Laws of the convolution: the native operation's values and derivatives, under every transformation."""

import re
from collections import Counter
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from on_devices import on_eight_devices

from mixup_jax.models.layers.convolution import compiler_options, conv_general_dilated

LAYOUT = ("NHWC", "HWIO", "NHWC")
CASES = [  # image, channels, kernel size, stride, padding
    (16, 3, 3, 1, "SAME"),
    (16, 8, 3, 1, ((1, 1), (1, 1))),
    (6, 8, 3, 1, ((1, 1), (1, 1))),
    (16, 8, 3, 2, ((1, 1), (1, 1))),
    (6, 8, 3, 2, "SAME"),
    (18, 8, 3, 2, "VALID"),
    (16, 8, 1, 2, "VALID"),
    (24, 8, 5, 3, ((0, 2), (6, 1))),
    (24, 8, 2, 3, "SAME"),
    (16, 8, 1, 1, "VALID"),
    (16, 8, 1, 1, ((1, 0), (0, 2))),
    (2, 8, 1, 4, ((3, 0), (3, 0))),  # windows of nothing but padding
    (2, 8, 3, 2, "VALID"),  # no window
]


def arrays(rng, channels=8, size=3, *, lead=(), image=16, dtype=jnp.float32):
    """Draw images and a kernel."""
    rng_x, rng_kernel = jax.random.split(rng)
    x = jax.random.normal(rng_x, (*lead, 4, image, image - 1, channels), dtype)
    return x, jax.random.normal(rng_kernel, (*lead, size, size, channels, 5), dtype)


def losses(stride=1, padding="SAME", **options):
    """The same nonlinear loss on our convolution and on the native one."""

    def loss(convolve, x, kernel):
        y = convolve(x, kernel, (stride, stride), padding, dimension_numbers=LAYOUT, **options)
        return jnp.sum(jnp.sin(y.astype(jnp.float32)))

    return partial(loss, conv_general_dilated), partial(loss, lax.conv_general_dilated)


def assert_agree(transform, functions, *args, tolerance=1e-5):
    """Check that `transform` of both functions gives the same numbers, to `tolerance` of the largest."""
    ours, native = (jax.tree.leaves(jax.jit(transform(fn))(*args)) for fn in functions)
    for a, b in zip(ours, native, strict=True):
        assert a.dtype == b.dtype
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


def value_and_gradients(fn):
    return jax.value_and_grad(fn, (0, 1))


@pytest.mark.thorough
@pytest.mark.parametrize(("image", "channels", "size", "stride", "padding"), CASES)
def test_gradients_are_the_native_ones(rng, image, channels, size, stride, padding):
    assert_agree(value_and_gradients, losses(stride, padding), *arrays(rng, channels, size, image=image))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "pads", [((3, 1), (4, 3)), ((-1, 0), (0, 0)), ((-2, 3), (1, -4)), ((-6, 6), (0, 0)), ((-8, 6), (0, 0))]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_any_padding_is_as_if_the_images_had_it(rng, stride, pads):
    """More than a kernel reaches, or less than none, which native operations of jaxlib 0.10.2 misread."""

    ours, _ = losses(stride, pads)
    _, native = losses(stride, "VALID")

    def padded(x, kernel):
        return native(lax.pad(x, 0.0, [(low, high, 0) for low, high in ((0, 0), *pads, (0, 0))]), kernel)

    assert_agree(value_and_gradients, (ours, padded), *arrays(rng, image=7))


def test_gradients_in_bfloat16_agree_to_its_precision(rng):
    assert_agree(value_and_gradients, losses(2), *arrays(rng, dtype=jnp.bfloat16), tolerance=2e-2)


@pytest.mark.parametrize(
    "options",
    [{"rhs_dilation": (2, 2)}, {"lhs_dilation": (2, 2), "padding": ((1, 1), (1, 1))}],
)
def test_rare_arguments_work_too(rng, options):
    assert_agree(value_and_gradients, losses(**options), *arrays(rng))


def test_a_padding_of_another_length_is_refused_by_the_native_operation(rng):
    with pytest.raises((TypeError, ValueError), match="explicit pads"):
        conv_general_dilated(*arrays(rng), (1, 1), [(1, 1)], dimension_numbers=LAYOUT)


@pytest.mark.parametrize(("channels", "shape"), [(5, (3, 3, 8, 5)), (256, (3, 3, 128, 256)), (512, (3, 3, 128, 128))])
def test_a_kernel_for_other_images_is_refused_by_the_native_operation(channels, shape):
    with pytest.raises(ValueError, match="feature"):
        conv_general_dilated(jnp.ones((2, 16, 16, channels)), jnp.ones(shape), (1, 1), "SAME", dimension_numbers=LAYOUT)


def test_groups_work_too(rng):
    x, kernel = arrays(rng)
    assert_agree(value_and_gradients, losses(feature_group_count=2), x, kernel[:, :, :4, :4])


@pytest.mark.thorough
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmapped_gradients_are_the_native_ones(rng, axes, stride):
    many, one = arrays(rng, lead=(2,)), arrays(rng)
    args = [m if axis == 0 else o for axis, m, o in zip(axes, many, one, strict=True)]
    assert_agree(lambda fn: jax.vmap(value_and_gradients(fn), axes), losses(stride), *args)


def test_gradients_of_a_vmap_are_the_native_ones(rng):
    def total(fn):
        return value_and_gradients(lambda x, kernel: jax.vmap(jax.vmap(fn, (0, None)))(x, kernel).sum())

    x, kernel = arrays(rng, lead=(2, 2), image=9)
    assert_agree(total, losses(2), x, kernel[:, 0])


def forward_mode(fn):
    return lambda x, kernel: jax.jvp(fn, (x, kernel), (jnp.cos(x), jnp.sin(kernel)))


def forward_over_reverse(fn):
    return forward_mode(jax.grad(fn, (0, 1)))


def reverse_over_reverse(fn):
    def norm(x, kernel):
        return sum(jnp.vdot(each, jnp.cos(each)) for each in jax.grad(fn, (0, 1))(x, kernel))

    return jax.grad(norm, (0, 1))


def hessian_of_one_kernel_tap(fn):
    return lambda x, kernel: jax.hessian(lambda tap: fn(x, kernel.at[0, 1, 2].set(tap)))(kernel[0, 1, 2])


@pytest.mark.thorough
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "transform", [forward_mode, forward_over_reverse, reverse_over_reverse, hessian_of_one_kernel_tap]
)
def test_derivatives_compose(rng, transform, stride):
    assert_agree(transform, losses(stride), *arrays(rng, image=9), tolerance=1e-4)


def gradient_of_a_network(rng):
    def loss(params, x):
        y = x
        for kernel, stride in params:
            y = jnp.sin(conv_general_dilated(y, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT))
        return y.sum()

    x, kernel = arrays(rng, 8)
    kernel = jnp.concatenate([kernel, kernel[..., :3]], -1)
    return (lambda kernel, x: jax.grad(loss, allow_int=True)([(kernel, 1), (kernel, 2)], x)[0][0]), kernel, x


def test_every_convolution_in_a_loop_has_the_layout_of_the_fast_code(rng):
    """XLA repairs layouts at the top level only: another one in a loop costs a factor of twenty or more."""
    gradient, kernel, x = gradient_of_a_network(rng)
    loop = jax.jit(lambda kernel, x: lax.fori_loop(0, 3, lambda _, k: k - gradient(k, x), kernel))
    layouts = re.findall(r"dim_labels=(\S+?),? ", loop.lower(kernel, x).compile().as_text())
    assert layouts
    assert set(layouts) == {"b01f_01io->b01f"}


CHOICE = {"case", "return", "constant", "broadcast_in_dim"}  # with one branch each, what `platform_dependent` leaves


def convolutions_and_other_operations(loss, arguments, platform):
    gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))
    text = gradients.trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    others = Counter(name for name in re.findall(r"stablehlo\.(\w+)", text) if name not in CHOICE)
    return sorted(re.findall(r"stablehlo.convolution\(.*?\) (.*)", text)), others


@pytest.mark.thorough
@pytest.mark.parametrize(("image", "channels", "size", "stride", "padding"), [*CASES, (7, 8, 3, 2, ((-1, 0), (1, -2)))])
def test_on_other_platforms_it_is_the_native_operation(rng, image, channels, size, stride, padding):
    platform = "cuda" if image % 3 else "tpu"  # both have cases of each stride
    arguments = arrays(rng, channels, size, image=image)
    ours, native = losses(stride, padding)
    lowered = convolutions_and_other_operations(ours, arguments, platform)
    assert len(lowered[0]) == (2 if image < size else 3)  # no window: a kernel's gradient is zero
    assert lowered == convolutions_and_other_operations(native, arguments, platform)
    assert lowered != convolutions_and_other_operations(ours, arguments, "cpu")


@pytest.mark.skipif(not compiler_options("cpu"), reason="this jaxlib convolves on all cores by itself")
def test_the_options_take_convolutions_and_nothing_else_from_the_library_that_uses_one_core(rng):
    def layer(x, kernel):
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)
        return jnp.sin(y).sum((0, 1, 2))

    x = jax.random.normal(rng, (4, 16, 16, 32))
    lowered = jax.jit(layer).lower(x, jnp.ones((3, 3, 32, 32)))
    native, ours = (in_the_library(lowered.compile(options)) for options in ({}, compiler_options("cpu")))
    assert native == {"convolution", "reduce"}
    assert ours == {"reduce"}


def in_the_library(program):
    computations = re.split(r"\n\n", program.as_text())
    called = set(re.findall(r"calls=(%\S+?),.*__ynn_fusion", program.as_text()))
    bodies = [each for each in computations if each.startswith(tuple(f"{name} " for name in called))]
    return {name for name in ("convolution", "reduce") for body in bodies if f" {name}(" in body}


def test_the_backward_pass_keeps_one_copy_of_the_images(rng):
    x, kernel = arrays(rng)
    convolve = partial(conv_general_dilated, window_strides=(1, 1), padding="SAME", dimension_numbers=LAYOUT)
    _, pullback = jax.vjp(lambda kernel: convolve(x, kernel), kernel)
    assert sum(leaf.size for leaf in jax.tree.leaves(pullback)) <= x.size


def test_sharded_images_stay_where_they_are(rng):
    x, kernel = arrays(rng)
    x = jnp.concatenate([x, x])
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    gradients = jax.jit(jax.grad(losses(2)[0], (0, 1)))
    expected = gradients(x, kernel)
    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    replicated = jax.device_put(kernel, NamedSharding(mesh, PartitionSpec()))
    text = gradients.lower(sharded, replicated).compile().as_text()
    assert "all-gather" not in text
    assert "all-to-all" not in text
    for a, b in zip(gradients(sharded, replicated), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_pmap_and_shard_map_agree_with_one_device(rng):
    x, kernel = arrays(rng, image=7)
    x = jnp.concatenate([x, x])
    gradients = jax.grad(losses()[0], (0, 1))
    expected = jax.jit(gradients)(x, kernel)
    for ours in on_eight_devices(gradients, x, kernel):
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_shard_map_of_kernels_on_the_same_images(rng):
    x, _ = arrays(rng)
    kernels = jax.random.normal(rng, (8, 3, 3, 8, 5))
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    each, everywhere = PartitionSpec("model"), PartitionSpec()

    def gradients(x, kernels):
        dx, dkernel = jax.grad(losses(2)[0], (0, 1))(x, kernels[0])
        return dx, dkernel[None]

    mapped = jax.shard_map(gradients, mesh=mesh, in_specs=(everywhere, each), out_specs=(everywhere, each))
    by_kernel = jax.jit(jax.vmap(jax.grad(losses(2)[1], (0, 1)), (None, 0)))(x, kernels)
    for a, b in zip(jax.jit(mapped)(x, kernels), (by_kernel[0].sum(0), by_kernel[1]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_flax_calls_it_through_its_hook(rng):
    x, _ = arrays(rng, 3)
    ours = nn.Conv(4, (3, 3), strides=2, conv_general_dilated=conv_general_dilated)
    variables = ours.init(rng, x)
    native = nn.Conv(4, (3, 3), strides=2)

    def gradient(layer):
        return jax.grad(lambda variables: layer.apply(variables, x).sum())

    assert_agree(gradient, (ours, native), variables)
    programs = [jax.jit(gradient(layer)).lower(variables).as_text() for layer in (ours, native)]
    assert programs[0] != programs[1]
