"""A convolution that is fast on CPUs, its gradients too; elsewhere it is the native operation.

XLA brings convolutions into the layout of its fast code only at the top level of a program. In the body of a
`lax.scan` or `fori_loop` the native gradients run as plain nested loops: a ResNet-18 of width 16 trained 27 times
slower (docs/log/cpu-convolutions.md has the measurements). Here they are written in that layout.

Pass the function to Flax: ``nn.Conv(..., conv_general_dilated=conv_general_dilated)``, and compile with
``jax.jit(..., compiler_options=compiler_options())``, the outermost `jit` if there are several.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jaxlib.version
from jax import lax
from jax import numpy as jnp
from jaxtyping import Array

from mixup_jax.models.layers import winograd

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
"""Images NHWC, kernels HWIO: Flax's layout."""


def compiler_options(platform: str | None = None) -> dict[str, str]:
    """Return what `jax.jit` is to be told so that convolutions use all cores of a CPU; nothing for other platforms.

    From 0.10.2 until 0.11, jaxlib hands float32 convolutions of more than 16 channels to YNNPACK, which runs those of
    fewer than 128 on one core. The option lists what YNNPACK keeps: products and sums. Versions before and after need
    none. `platform` is JAX's default one if left out.

    >>> compiler_options("tpu")
    {}
    """
    affected = (0, 10, 2) <= jaxlib.version.__version_info__ < (0, 11)
    if (platform or jax.default_backend()) != "cpu" or not affected:
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """Convolve as `jax.lax.conv_general_dilated` does, with fast gradients on CPUs.

    The values are the native operation's, on a CPU to float32 rounding: wide 3 x 3 convolutions are computed with
    fewer multiplications there (`winograd`). The gradients have rules of their own for two-dimensional NHWC images and
    HWIO kernels; groups, dilations, other layouts and types are left to the native operation. The rules are linear
    functions that JAX transposes, so forward and reverse mode, their compositions, `vmap`, `pmap`, `shard_map` and
    meshes of Auto axes all work; the platform is chosen when the program is lowered (`jax.lax.platform_dependent`).
    Take gradients inside of a `jit`: outside, each call compiles anew.

    Under a `vmap` over kernels XLA sees a grouped convolution, which is slow on CPUs: there, `jax.lax.map` over seeds
    computes the same in less than half the time.

    >>> import flax.linen as nn
    >>> layer = nn.Conv(8, (3, 3), strides=2, conv_general_dilated=conv_general_dilated)
    >>> layer.init_with_output(jax.random.key(0), jnp.ones((4, 32, 32, 3)))[0].shape
    (4, 16, 16, 8)
    """
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    native = partial(
        lax.conv_general_dilated,
        window_strides=tuple(window_strides),
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=numbers,
        feature_group_count=feature_group_count,
        batch_group_count=batch_group_count,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    dilated = any(d != 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ())))
    rare = dilated or feature_group_count * batch_group_count != 1 or preferred_element_type is not None
    if numbers != NHWC or rare or not jnp.issubdtype(lhs.dtype, jnp.floating):
        return native(lhs, rhs, padding=padding)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], window_strides, padding)
    if len(padding) != 2 or lhs.shape[3] != rhs.shape[2]:
        return native(lhs, rhs, padding=padding)  # which says what is wrong
    pads = tuple((int(low), int(high)) for low, high in padding)
    return _convolve(lhs, rhs, tuple(window_strides), pads, precision)


def _native(
    x: Array,
    kernel: Array,
    strides: tuple,
    pads: tuple,
    precision: Any,
    lhs_dilation: tuple = (1, 1),
    rhs_dilation: tuple = (1, 1),
) -> Array:
    """Convolve as XLA does."""
    return lax.conv_general_dilated(
        x, kernel, strides, pads, lhs_dilation, rhs_dilation, dimension_numbers=NHWC, precision=precision
    )


def _cropped(
    x: Array, kernel: Array, strides: tuple, pads: tuple, precision: Any, lhs_dilation: tuple = (1, 1), **options: Any
) -> Array:
    """Convolve, pixels that negative `pads` leave out taken away before: jaxlib 0.10.2 misreads those on a CPU."""
    if min(map(min, pads)) < 0:
        edges = [(low, high, step - 1) for (low, high), step in zip(pads, lhs_dilation, strict=True)]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
        pads, lhs_dilation = ((0, 0), (0, 0)), (1, 1)
    return _native(x, kernel, strides, pads, precision, lhs_dilation, **options)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _convolve(x: Array, kernel: Array, strides: tuple, pads: tuple, precision: Any) -> Array:
    static = {"strides": strides, "pads": pads, "precision": precision}
    if winograd.suits(x, kernel, strides, pads):
        on_cpu = partial(winograd.convolve, pads=pads, precision=precision)
    elif min(map(min, pads)) < 0:
        on_cpu = partial(_cropped, **static)
    else:
        return _native(x, kernel, **static)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=partial(_native, **static))


@partial(_convolve.defjvp, symbolic_zeros=True)
def _convolve_jvp(strides: tuple, pads: tuple, precision: Any, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Write the tangent as the transpose of the fast gradients: JAX transposes it back in reverse mode."""
    x, kernel = primals
    static = {"strides": strides, "pads": pads, "precision": precision}
    y = _convolve(x, kernel, **static)
    parts = []
    for fast, fixed, given in ((input_gradient, kernel, tangents[0]), (kernel_gradient, x, tangents[1])):
        if isinstance(given, jax.custom_derivatives.SymbolicZero):
            continue

        # What is the same on all devices of a `shard_map` has to vary as the result does.
        missing = sorted(jax.typeof(y).manual_axis_type.varying - jax.typeof(given).manual_axis_type.varying)
        given = lax.pcast(given, tuple(missing), to="varying") if missing else given

        def on_cpu(fixed: Array, given: Array, fast: Any = fast) -> Array:
            return jax.linear_transpose(partial(fast, fixed, shape=given.shape, **static), y)(given)[0]

        def elsewhere(fixed: Array, given: Array, fast: Any = fast) -> Array:
            return _native(*((given, fixed) if fast is input_gradient else (fixed, given)), **static)

        linear = partial(lax.platform_dependent, cpu=on_cpu, default=elsewhere)
        # The checkpoint keeps x for the backward pass, not a transposed copy beside it.
        parts.append(jax.checkpoint(linear, prevent_cse=False)(fixed, given))
    return y, reduce(jnp.add, parts) if parts else jnp.zeros_like(y)


def input_gradient(kernel: Array, dy: Array, *, shape: tuple, strides: tuple, pads: tuple, precision: Any) -> Array:
    """Return the gradient for images of `shape`: the convolution of `dy` with the kernel turned around.

    The kernel is transposed here, where the native gradient would name another layout, slow in loops.
    """
    outer: tuple[tuple[int, int], ...] = ()
    for size, taps, out, stride, (low, _) in zip(shape[1:3], kernel.shape, dy.shape[1:3], strides, pads, strict=False):
        before = taps - 1 - low
        outer += ((before, size + taps - 1 - max(0, (out - 1) * stride + 1) - before),)
    if winograd.suits(dy, kernel, strides, outer):
        return winograd.convolve(dy, kernel, outer, precision, turned=True)
    turned = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    return _cropped(dy, turned, (1, 1), outer, precision, lhs_dilation=strides)


def kernel_gradient(x: Array, dy: Array, *, shape: tuple, strides: tuple, pads: tuple, precision: Any) -> Array:
    """Return the gradient for a kernel of `shape`: a convolution of the images with `dy`, channels as images.

    The transposes are written out for the same reason as in `input_gradient`. A kernel of one pixel is a product.
    """
    if shape[:2] == (1, 1) and not any(map(any, pads)):
        images = x[:, :: strides[0], :: strides[1]].reshape(-1, shape[2])
        return jnp.matmul(images.T, dy.reshape(-1, shape[3]), precision=precision).reshape(shape)
    reached = [
        taps - 1 + max(0, (out - 1) * stride + 1)
        for taps, out, stride in zip(shape, dy.shape[1:3], strides, strict=False)
    ]
    outer = tuple((low, end - size - low) for end, size, (low, _) in zip(reached, x.shape[1:3], pads, strict=True))
    images, kernel = x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3)
    return _cropped(images, kernel, (1, 1), outer, precision, rhs_dilation=strides).transpose(1, 2, 0, 3)
