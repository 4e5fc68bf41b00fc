"""A convolution whose gradients are fast on CPUs; elsewhere it is the native operation, untouched.

Two things slow the native gradients down on CPUs (docs/log/cpu-convolutions.md has the measurements):

* XLA brings convolutions into the layout of its fast code only at the top level of a program. In the body of a
  `lax.scan` or `fori_loop` the native gradients run as plain nested loops: a ResNet-18 of width 16 trained 27 times
  slower.
* The kernel gradient is a convolution with an image-sized window, slow wherever it stands where channels are few.

Pass the function to Flax: ``nn.Conv(..., conv_general_dilated=conv_general_dilated)``.
"""

from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp
from jaxtyping import Array

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
    """Convolve as `jax.lax.conv_general_dilated` does, with fast gradients on CPUs.

    The values are the native operation's. The gradients have rules of their own for two-dimensional NHWC images and
    HWIO kernels; groups, dilations, negative padding, other layouts and types are left to the native operation. The
    rules are linear functions that JAX transposes, so forward and reverse mode, their compositions, `vmap` and meshes
    all work; the platform is chosen when the program is lowered (`jax.lax.platform_dependent`).

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
    pads = tuple((int(low), int(high)) for low, high in padding)
    if min(min(pad) for pad in pads) < 0:
        return native(lhs, rhs, padding=pads)
    return _convolve(lhs, rhs, tuple(window_strides), pads, precision)


def _native(x: Array, kernel: Array, strides: tuple, pads: tuple, precision: Any) -> Array:
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=NHWC, precision=precision)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _convolve(x: Array, kernel: Array, strides: tuple, pads: tuple, precision: Any) -> Array:
    return _native(x, kernel, strides, pads, precision)


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

        def on_cpu(fixed: Array, given: Array, fast: Any = fast) -> Array:
            return jax.linear_transpose(partial(fast, fixed, shape=given.shape, **static), y)(given)[0]

        def elsewhere(fixed: Array, given: Array, fast: Any = fast) -> Array:
            return _native(*((given, fixed) if fast is input_gradient else (fixed, given)), **static)

        linear = partial(lax.platform_dependent, cpu=on_cpu, default=elsewhere)
        # The checkpoint keeps one copy of x for the backward pass, not the shifted copies.
        parts.append(jax.checkpoint(linear, prevent_cse=False)(fixed, given))
    return y, reduce(jnp.add, parts) if parts else jnp.zeros_like(y)


def input_gradient(kernel: Array, dy: Array, *, shape: tuple, strides: tuple, pads: tuple, precision: Any) -> Array:
    """Return the gradient for images of `shape`: the convolution of `dy` with the kernel turned around.

    XLA's CPU backend brings a convolution into the layout of its fast code only at the top of a program; in the body
    of a loop anything but NHWC images and HWIO kernels runs in plain nested loops, many times slower. So
    the kernel is transposed here, where the native gradient would name another layout.
    """
    turned = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    outer = []
    for size, taps, out, stride, (low, _) in zip(shape[1:3], kernel.shape, dy.shape[1:3], strides, pads, strict=False):
        before = taps - 1 - low
        outer.append((before, size + taps - 1 - ((out - 1) * stride + 1) - before))
    return lax.conv_general_dilated(
        dy, turned, (1, 1), outer, lhs_dilation=strides, dimension_numbers=NHWC, precision=precision
    )


def kernel_gradient(x: Array, dy: Array, *, shape: tuple, strides: tuple, pads: tuple, precision: Any) -> Array:
    """Return the gradient for a kernel of `shape`; each of its taps is a matrix product of shifted images and `dy`.

    Taps share products: images shifted along the width lie side by side in one matrix, `dy` shifted along the height
    in the other, so a 3x3 kernel is one product of 3 x channels by 3 x features, where a product a tap would be too
    narrow to be fast. With a stride, the kernel rows of each residue share one. Where the rows added by shifting `dy`
    would weigh (small images), or `dy` is much wider than the images (a stem), all shifts are on the images' side.
    """
    rows, columns, channels, features = shape
    (height, width), stride = dy.shape[1:3], strides[0]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    if height < 8 or channels < 8:
        corners = product(range(rows), range(columns))
        images = [_window(padded, corner, (height, width), strides) for corner in corners]
        return _product(images, [dy], precision).reshape(shape)
    taps = {}
    for first in range(min(rows, stride)):
        group = range(first, rows, stride)
        extra = len(group) - 1
        images = [_window(padded, (first, column), (height + extra, width), strides) for column in range(columns)]
        shifted = [jnp.pad(dy, ((0, 0), (row, extra - row), (0, 0), (0, 0))) for row in range(len(group))]
        both = _product(images, shifted, precision).reshape(columns, channels, len(group), features)
        taps |= {row: both[:, :, index] for index, row in enumerate(group)}
    return jnp.stack([taps[row] for row in range(rows)])


def _window(padded: Array, corner: tuple[int, int], size: tuple[int, int], strides: tuple[int, int]) -> Array:
    """Return every stride-th pixel of a window of the images: `size` pixels from `corner` on."""
    stop = [start + (length - 1) * stride + 1 for start, length, stride in zip(corner, size, strides, strict=True)]
    return lax.slice(padded, (0, *corner, 0), (padded.shape[0], *stop, padded.shape[3]), (1, *strides, 1))


def _product(left: list[Array], right: list[Array], precision: Any) -> Array:
    """Return ``left.T @ right`` over all pixels, each side's arrays side by side along the channels."""
    # As matrices, not as images: XLA folds a transposed matrix into the product but copies a transposed image.
    images, shifted = (side.reshape(-1, side.shape[3]) for side in (_side_by_side(left), _side_by_side(right)))
    return jnp.matmul(images.T, shifted, precision=precision)


def _side_by_side(arrays: list[Array]) -> Array:
    """Concatenate along the channels, as a sum: XLA makes a sum of pads one parallel loop, a concatenation not."""
    width = arrays[0].shape[3]
    padded = [
        jnp.pad(array, ((0, 0), (0, 0), (0, 0), (index * width, (len(arrays) - 1 - index) * width)))
        for index, array in enumerate(arrays)
    ]
    return reduce(jnp.add, padded)
