"""Plans that paste a region of the partner instead of blending: the mask, and the label weight counted from it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mixup_jax.mixing import Mix


def paste(plan: Mix, mask: Array) -> Mix:
    """Return the plan with a mask, and the lambda that the mask really gives.

    `plan` is from `draw`; `mask` bool or float32 (batch or 1, height, width), what each pixel keeps of itself. Lambda
    is counted from the mask, not taken from the plan: a box that was clipped or rounded changes the label too. Where
    the plan's lambda is NaN (a traced alpha that makes no sense) it stays NaN.
    """
    mask = jnp.broadcast_to(mask, (plan.lam.shape[0], *mask.shape[1:]))
    lam = jnp.mean(mask, axis=tuple(range(1, mask.ndim)), dtype=jnp.float32)
    return Mix(jnp.where(jnp.isnan(plan.lam), jnp.nan, lam), plan.partner, plan.block, mask)


def rectangle(top: Array, left: Array, bottom: Array, right: Array, size: tuple[int, int]) -> Array:
    """Return masks (batch, height, width), bool: False in the rectangle, which is clipped at the border.

    The bounds are integers (batch,), top and left inside, bottom and right outside; `size` is (height, width).
    """
    row, column = jnp.arange(size[0])[None, :, None], jnp.arange(size[1])[None, None, :]
    top, left, bottom, right = (each[:, None, None] for each in (top, left, bottom, right))
    return ~((row >= top) & (row < bottom) & (column >= left) & (column < right))


def boxes(rng: Array, lam: Array, size: tuple[int, int]) -> Array:
    """Draw CutMix's boxes (DOI 10.1109/ICCV.2019.00612, eq. 2): masks as `box_at` makes them.

    The centre of a box is anywhere in the image. `lam` is (batch,); one lambda and one box for all if it has length 1.
    """
    rng_row, rng_column = jax.random.split(rng)
    row = jax.random.randint(rng_row, lam.shape, 0, size[0])
    column = jax.random.randint(rng_column, lam.shape, 0, size[1])
    return box_at(row, column, lam, size)


def box_at(row: Array, column: Array, lam: Array, size: tuple[int, int]) -> Array:
    """Return masks (batch, height, width), bool: False in a box around a pixel, clipped at the border.

    `row`, `column` (integers) and `lam` are (batch,). A box has ``sqrt(1 - lam)`` of the height and of the width,
    rounded down.
    """
    side = jnp.sqrt(1 - lam)
    height, width = ((side * length).astype(jnp.int32) for length in size)
    top, left = row - height // 2, column - width // 2
    return rectangle(top, left, top + height, left + width, size)


def boxes_inside(keys: Sequence[Array], sides: Sequence[Array], size: tuple[int, int]) -> Array:
    """Draw where boxes are that lie wholly inside of the image: masks (batch, height, width), bool, False in the box.

    `keys` are one for the rows and one for the columns, `sides` the heights and the widths of the boxes, integers
    (batch,) from 0 to those of the image, `size`.
    """
    bounds = []
    for key, side, length in zip(keys, sides, size, strict=True):
        start = jax.random.randint(key, side.shape, 0, length - side + 1)
        bounds.append((start, start + side))
    (top, bottom), (left, right) = bounds
    return rectangle(top, left, bottom, right, size)


@jax.jit  # outside of jit the loop would be compiled anew at each call
def largest(values: Array, count: Array) -> Array:
    """Return where the `count` largest values of each row are: bool like `values`, exactly `count` of them True.

    `values` is float32 (batch, n) without NaN, `count` integer (batch,) from 0 to n; of equal values the first are
    taken, and -0.0 is less than 0.0. The threshold is found bit by bit, which takes 32 counts: for 128 rows of 1024 on
    a CPU 2 ms, where a sort takes 33.
    """
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    bits = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))  # in the order of the numbers

    def add_bit(index: Array, least: Array) -> Array:
        higher = least | (jnp.uint32(1 << 31) >> index.astype(jnp.uint32))
        return jnp.where(jnp.sum(bits >= higher[:, None], axis=1) >= count, higher, least)

    least = jax.lax.fori_loop(0, 32, add_bit, jnp.zeros(len(values), jnp.uint32))[:, None]
    above, equal = bits > least, bits == least
    room = count - jnp.sum(above, axis=1)
    return above | (equal & (jnp.cumsum(equal, axis=1) <= room[:, None]))


def image_size(x: Any) -> tuple[int, int, int]:
    """Return (batch, height, width) of images (batch, height, width, ...), or of a tree of them.

    Raises ValueError for arrays that are no images, images of different sizes, and images with the channels first.
    """
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(x)]
    if any(len(shape) < 3 for shape in shapes):
        raise ValueError(f"x must be images (batch, height, width, ...), got shape {min(shapes, key=len)}.")
    sizes = sorted({(shape[0], shape[1], shape[2]) for shape in shapes})
    if len(sizes) != 1:
        raise ValueError(f"x must be images of one size, got (batch, height, width) of {', '.join(map(str, sizes))}.")
    for shape in shapes:
        if len(shape) == 4 and shape[1] in (1, 3) and shape[3] > 4 and shape[2] > 4:
            raise ValueError(f"x looks like (batch, channels, height, width), {shape}: jnp.moveaxis(x, 1, -1) first.")
    return sizes[0]


def check_size(size: Any) -> tuple[int, int, int]:
    """Return `size` if it is (batch, height, width), three integers; raises ValueError if it is not."""
    if not isinstance(size, tuple) or len(size) != 3:
        raise ValueError(f"size must be (batch, height, width), got {size}.")
    return size
