"""CutMix: paste a box of the partner (Yun et al., ICCV 2019, DOI 10.1109/ICCV.2019.00612, eq. 1 and 2).

x~ = M * x_i + (1 - M) * x_j        y~ = lam y_i + (1 - lam) y_j        lam = mean(M)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import boxes, boxes_inside, check_size, lambdas, mix_regions, options_of, paste
from mixup_jax.mixing import Mix, X, Y, draw


def draw_cutmix(
    rng: Array,
    size: tuple[int, ...],
    alpha: ArrayLike,
    *,
    dims: int = 2,
    minmax: tuple[float, float] | None = None,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes a box; `size` is (batch, height, width), the rest options of `mixup_jax.draw`.

    `dims` is 2 for images, 1 for sequences with `size` (batch, length), 3 for volumes (batch, depth, height, width).

    The box has a share ``1 - lam`` of the area, ``lam ~ Beta(alpha, alpha)``, and is clipped at the border; the plan's
    lambda is counted from the pixels that are left. ``per="batch"`` pastes the same box into all images, as the paper's
    code does. alpha = 0 pastes nothing.

    With `minmax`, two shares, boxes are as by timm's `cutmix_minmax`: height and width are independent of each other,
    uniform among the whole numbers of pixels from the first share of the image's to below the second one (the first, if
    they are the same number), and the box is anywhere inside of the image. alpha then only says whether one is pasted.

    Raises what `draw` raises, and ValueError unless ``0 <= minmax[0] <= minmax[1] <= 1``.

    >>> plan = draw_cutmix(jax.random.key(0), (4, 8, 8), alpha=1.0)
    >>> bool((plan.lam == plan.mask.mean(axis=(1, 2))).all())
    True
    """
    rng_plan, rng_box = jax.random.split(rng)
    plan = draw(rng_plan, check_size(size, dims)[0], alpha, per=per, partner=partner, block=block)
    lam = lambdas(plan, per)
    if minmax is None:
        return paste(plan, boxes(rng_box, lam, size[1:]))
    if not 0 <= minmax[0] <= minmax[1] <= 1:
        raise ValueError(f"minmax must satisfy 0 <= minmax[0] <= minmax[1] <= 1, got {minmax}.")
    keys = jax.random.split(rng_box, 2 * dims)
    sides = []
    for key, length in zip(keys[dims:], size[1:], strict=True):
        least, most = (int(share * length) for share in minmax)
        side = jax.random.randint(key, lam.shape, least, max(most, least + 1), jnp.int32)
        sides.append(jnp.where(jnp.asarray(alpha) > 0, side, 0))
    return paste(plan, boxes_inside(list(keys[:dims]), sides, size[1:]))


@options_of(draw_cutmix)
def cutmix(
    rng: Array, x: X, y: Y, alpha: ArrayLike, *, other: tuple[Any, Any] | None = None, **options: Any
) -> tuple[X, Y]:
    """Paste boxes between the images of a batch and mix the labels by area: ``mix(draw_cutmix(...), (x, y))``.

    `x` is images (batch, height, width), also with channels last, of any dtype, or a tree of them (a segmentation map
    is cut along), `y` floating-point soft labels (batch, classes). `other` is as in `mixup`, the rest as in
    `draw_cutmix`.

    >>> x, y = cutmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3), jnp.uint8), jnp.eye(4), alpha=1.0)
    >>> x.dtype, y.shape
    (dtype('uint8'), (4, 4))
    """
    return mix_regions(draw_cutmix, rng, x, y, alpha, other, options)
