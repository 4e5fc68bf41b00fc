"""3 x 3 convolutions with 16 multiplications for 2 x 2 pixels in place of 36: Winograd's F(2 x 2, 3 x 3).

Lavin and Gray, arXiv:1509.09308, section 4.1. Images and kernels are transformed by additions, multiplied as matrices,
and the products transformed back; the letters are the paper's.
"""

from itertools import starmap
from typing import Any

import jax.numpy as jnp
from jax.export import is_symbolic_dim
from jaxtyping import Array, Float

CHANNELS, PIXELS = 128, 512
"""From so many channels (of images and of results) and pixels (of a batch) on, transforms cost less than they save:
docs/log/cpu-convolutions.md."""


def suits(x: Array, kernel: Array, strides: tuple, pads: tuple) -> bool:
    """Say whether `convolve` can do this convolution, and does it faster than CPUs do it directly.

    Of an exported program whose batch may have any size nobody knows that: it convolves directly.
    """
    if is_symbolic_dim(x.shape[0]):
        return False
    plain = x.dtype == kernel.dtype == jnp.float32 and kernel.shape[:2] == (3, 3) and tuple(strides) == (1, 1)
    even = all(
        min(pad) >= 0 and size + sum(pad) > 2 and (size + sum(pad)) % 2 == 0
        for size, pad in zip(x.shape[1:3], pads, strict=True)
    )
    return plain and even and min(kernel.shape[2:]) >= CHANNELS and x.size // x.shape[3] >= PIXELS


def convolve(
    x: Float[Array, "n height width channels"],
    kernel: Float[Array, "3 3 inputs outputs"],
    pads: tuple[tuple[int, int], ...],
    precision: Any = None,
    *,
    turned: bool = False,
) -> Float[Array, "n rows columns features"]:
    """Return the convolution with stride 1, to float32 rounding; height and width must be even with their padding.

    With `turned` the kernel (3, 3, features, channels) is turned around and its inputs and outputs change places, as in
    the gradient with respect to the images of a convolution with it.

    >>> x, kernel = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 1))
    >>> convolve(x, kernel, ((1, 1), (1, 1)))[0, :2, :, 0].tolist()
    [[8.0, 12.0, 12.0, 8.0], [12.0, 18.0, 18.0, 12.0]]
    """
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = ((size - 2) // 2 for size in padded.shape[1:3])
    tiles = [
        _tile(*(row[:, :, j : j + 2 * columns - 1 : 2] for j in range(4)))
        for row in _tile(*(padded[:, i : i + 2 * rows - 1 : 2] for i in range(4)))
    ]
    filters = [_filter(*row) for row in _filter(*(kernel[::-1, ::-1] if turned else kernel))]
    if turned:  # transposed last: a product takes a transposed matrix as it is
        filters = [[g.T for g in row] for row in filters]
    products = [
        [jnp.matmul(d, g, precision=precision) for d, g in zip(*both, strict=True)]
        for both in zip(tiles, filters, strict=True)
    ]
    halves = starmap(_result, products)  # of each row of products, the two columns of the result
    quarters = starmap(_result, zip(*halves, strict=True))
    y = jnp.stack([jnp.stack(column, axis=2) for column in quarters], axis=4)
    return y.reshape(x.shape[0], 2 * rows, 2 * columns, -1)


def _tile(d0: Array, d1: Array, d2: Array, d3: Array) -> tuple[Array, ...]:
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _filter(g0: Array, g1: Array, g2: Array) -> tuple[Array, ...]:
    return g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2


def _result(m0: Array, m1: Array, m2: Array, m3: Array) -> tuple[Array, ...]:
    return m0 + m1 + m2, m1 - m2 - m3
