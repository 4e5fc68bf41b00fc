"""Plans that paste a region of the partner instead of blending: the mask, and the label weight counted from it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mixup_jax.mixing import Mix


def paste(plan: Mix, mask: Array) -> Mix:
    """Return the plan with a mask, and the lambda that the mask really gives.

    `plan` is from `draw`; `mask` bool or float32 (batch or 1, height, width), what each pixel keeps of itself. Lambda
    is counted from the mask, not taken from the plan: a box that was clipped or rounded changes the label too.
    """
    mask = jnp.broadcast_to(mask, (plan.lam.shape[0], *mask.shape[1:]))
    lam = jnp.mean(mask, axis=tuple(range(1, mask.ndim)), dtype=jnp.float32)
    return Mix(lam, plan.partner, plan.block, mask)


def rectangle(top: Array, left: Array, bottom: Array, right: Array, size: tuple[int, int]) -> Array:
    """Return masks (batch, height, width), bool: False in the rectangle, which is clipped at the border.

    The bounds are integers (batch,), top and left inside, bottom and right outside; `size` is (height, width).
    """
    row, column = jnp.arange(size[0])[None, :, None], jnp.arange(size[1])[None, None, :]
    top, left, bottom, right = (each[:, None, None] for each in (top, left, bottom, right))
    return ~((row >= top) & (row < bottom) & (column >= left) & (column < right))


def boxes(rng: Array, lam: Array, size: tuple[int, int]) -> Array:
    """Draw CutMix's boxes (DOI 10.1109/ICCV.2019.00612, eq. 2): masks as `rectangle` makes them.

    A box has ``sqrt(1 - lam)`` of the height and of the width, rounded down, and its centre anywhere in the image.
    `lam` is (batch,); one lambda and one box for all if it has length 1.
    """
    side = jnp.sqrt(1 - lam)
    rng_row, rng_column = jax.random.split(rng)
    starts, ends = [], []
    for key, length in ((rng_row, size[0]), (rng_column, size[1])):
        centre = jax.random.randint(key, lam.shape, 0, length)
        cut = (side * length).astype(jnp.int32)
        starts.append(centre - cut // 2)
        ends.append(centre - cut // 2 + cut)
    return rectangle(starts[0], starts[1], ends[0], ends[1], size)


def image_size(x: Any) -> tuple[int, int, int]:
    """Return (batch, height, width) of images (batch, height, width, ...), or of the first leaf of a tree of them.

    Raises ValueError for arrays that are no images.
    """
    shape = jnp.shape(jax.tree.leaves(x)[0])
    if len(shape) < 3:
        raise ValueError(f"x must be images (batch, height, width, ...), got shape {shape}.")
    return shape[:3]
