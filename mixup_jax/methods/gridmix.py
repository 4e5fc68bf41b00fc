"""GridMix: each cell of a grid from one of two images (Baek et al., Pattern Recognition 2021).

x~ = M * x_i + (1 - M) * x_j        y~ = lam y_i + (1 - lam) y_j        lam = mean(M)        M constant on each cell

DOI 10.1016/j.patcog.2020.107594. Only its images and labels are here: the paper's second loss, which predicts the label
of each cell, belongs to the network. With `period`, the lattice of GridMask (Chen et al., arXiv 2001.04086).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import check_size, lambdas, largest, mix_regions, options_of, paste
from mixup_jax.mixing import Mix, X, Y, draw


def draw_gridmix(
    rng: Array,
    size: tuple[int, ...],
    alpha: ArrayLike,
    *,
    dims: int = 2,
    cells: int = 4,
    period: int | None = None,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes cells; `size` is (batch, height, width), the rest options of `mixup_jax.draw`.

    `dims` is 2 for images, 1 for sequences with `size` (batch, length), 3 for volumes (batch, depth, height, width).

    The image is cut into `cells` rows and columns, whose sizes differ by at most a pixel. It keeps exactly
    ``round(lam * cells**dims)`` cells, ``lam ~ Beta(alpha, alpha)``: with each cell kept by a coin of its own, label
    weights would scatter around lambda (by an eighth in a grid of 4 x 4), and alpha = 1 would no longer make them
    uniform. The plan's lambda is counted in pixels. ``per="batch"`` draws one grid for all images.

    `period`, in pixels, pastes a square in each tile of period x period pixels instead, with a share ``1 - lam`` of the
    tile, all at the same random place of their tiles; `cells` is then not looked at.

    alpha = 0 pastes nothing. Raises what `draw` raises, and ValueError for fewer than 1 cell or pixel a period, or more
    than the image has pixels.

    >>> plan = draw_gridmix(jax.random.key(0), (4, 8, 8), alpha=1.0, cells=2)
    >>> set((plan.lam * 4).tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    True
    """
    name, value = ("cells", cells) if period is None else ("period", period)
    size = check_size(size, dims)
    if not 1 <= value <= min(size[1:]):
        raise ValueError(f"{name} must be from 1 to {min(size[1:])}, the shorter side of the images, got {value}.")
    rng_plan, rng_mask = jax.random.split(rng)
    plan = draw(rng_plan, size[0], alpha, per=per, partner=partner, block=block)
    lam = lambdas(plan, per)
    mask = _grid(rng_mask, lam, size[1:], cells) if period is None else _lattice(rng_mask, lam, size[1:], period)
    return paste(plan, mask)


@options_of(draw_gridmix)
def gridmix(
    rng: Array, x: X, y: Y, alpha: ArrayLike, *, other: tuple[Any, Any] | None = None, **options: Any
) -> tuple[X, Y]:
    """Paste cells between the images of a batch and mix the labels by area: ``mix(draw_gridmix(...), (x, y))``.

    `x` is images (batch, height, width), also with channels last, of any dtype, or a tree of them, `y` floating-point
    soft labels (batch, classes). `other` is as in `mixup`, the rest as in `draw_gridmix`.

    >>> x, y = gridmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.eye(4), alpha=1.0, period=4)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    return mix_regions(draw_gridmix, rng, x, y, alpha, other, options)


def _grid(rng: Array, lam: Array, size: tuple[int, ...], cells: int) -> Array:
    """Return masks that keep ``round(lam * cells**dims)`` random cells: bool (batch, *size)."""
    count = cells ** len(size)
    noise = jax.random.uniform(rng, (len(lam) * count,), jnp.float32).reshape(len(lam), -1)
    kept = largest(noise, jnp.round(lam * count).astype(jnp.int32)).reshape(-1, *[cells] * len(size))
    for axis, length in enumerate(size, start=1):
        kept = jnp.take(kept, jnp.arange(length, dtype=jnp.int32) * cells // length, axis=axis)
    return kept


def _lattice(rng: Array, lam: Array, size: tuple[int, ...], period: int) -> Array:
    """Return masks that are False in one cube a tile: bool (batch, *size)."""
    root = {1: lambda share: share, 2: jnp.sqrt, 3: jnp.cbrt}[len(size)]
    side = jnp.round(root(1 - lam) * period).astype(jnp.int32)[:, None]
    starts = jax.random.randint(rng, (len(size) * len(lam),), 0, period, jnp.int32).reshape(len(size), -1, 1)
    pasted = jnp.ones((1, *[1] * len(size)), bool)
    for axis, (length, start) in enumerate(zip(size, starts, strict=True)):
        along = (jnp.arange(length, dtype=jnp.int32)[None] + start) % period < side
        pasted &= along.reshape(-1, *[length if each == axis else 1 for each in range(len(size))])
    return ~pasted
