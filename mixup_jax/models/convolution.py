"""A convolution whose kernel gradient is fast on CPUs; elsewhere it is the native operation, untouched.

XLA's CPU backend computes the gradient for the kernel as a convolution with an image-sized window, which runs at a
tenth of the speed of the forward pass when images are large and channels few. The same numbers are one matrix product
for each tap of the kernel. Pass the function to Flax: ``nn.Conv(..., conv_general_dilated=conv_general_dilated)``.
"""

from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp
from jaxtyping import Array, Float

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
"""Images NHWC, kernels HWIO: Flax's layout."""


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
    """Convolve as `jax.lax.conv_general_dilated` does, with a fast kernel gradient on CPUs.

    The values are the native operation's. The kernel gradient has its own rule for two-dimensional NHWC images and
    HWIO kernels without groups, dilation or negative padding; anything else is the native operation. The rule is
    written as a linear function that JAX transposes, so reverse and forward mode, their compositions, `vmap` and
    meshes all work; the platform is chosen when the program is lowered (`jax.lax.platform_dependent`).

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
    pads = tuple((int(low), int(high)) for low, high in padding)
    if min(min(pad) for pad in pads) < 0:
        return native(lhs, rhs, padding=pads)
    return _convolve(lhs, rhs, tuple(window_strides), pads, precision)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _convolve(x: Array, kernel: Array, strides: tuple, pads: tuple, precision: Any) -> Array:
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=NHWC, precision=precision)


@partial(_convolve.defjvp, symbolic_zeros=True)
def _convolve_jvp(strides: tuple, pads: tuple, precision: Any, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (x, kernel), (x_dot, kernel_dot) = primals, tangents
    convolve = partial(_convolve, strides=strides, pads=pads, precision=precision)
    taps = partial(convolve_by_taps, strides=strides, pads=pads, precision=precision)
    y = convolve(x, kernel)
    y_dot = jnp.zeros_like(y)
    if not isinstance(x_dot, jax.custom_derivatives.SymbolicZero):
        y_dot += convolve(x_dot, kernel)
    if not isinstance(kernel_dot, jax.custom_derivatives.SymbolicZero):
        # The checkpoint keeps one copy of x for the backward pass, not one shifted copy a tap.
        linear = partial(lax.platform_dependent, cpu=taps, default=convolve)
        y_dot += jax.checkpoint(linear, prevent_cse=False)(x, kernel_dot)
    return y, y_dot


def convolve_by_taps(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels features"],
    strides: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
    precision: Any = None,
) -> Float[Array, "batch new_height new_width features"]:
    """Convolve as a sum over the taps of the kernel: shift the images, multiply by one matrix.

    Transposed by JAX in `kernel` it is one matrix product a tap: the fast kernel gradient.

    >>> x, kernel = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 5))
    >>> convolve_by_taps(x, kernel, (1, 1), ((0, 0), (0, 0)))[0, 0, 0]
    Array([18., 18., 18., 18., 18.], dtype=float32)
    """
    batch, height, width, channels = x.shape
    rows, columns, _, _ = kernel.shape
    (top, bottom), (left, right) = pads
    out_height = (height + top + bottom - rows) // strides[0] + 1
    out_width = (width + left + right - columns) // strides[1] + 1
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    products = []
    for row, column in product(range(rows), range(columns)):
        stop = (row + (out_height - 1) * strides[0] + 1, column + (out_width - 1) * strides[1] + 1)
        shifted = lax.slice(padded, (0, row, column, 0), (batch, *stop, channels), (1, *strides, 1))
        products.append(jnp.einsum("nhwc,co->nhwo", shifted, kernel[row, column], precision=precision))
    return reduce(jnp.add, products)
