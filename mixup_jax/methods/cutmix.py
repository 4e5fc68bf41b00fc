"""CutMix: paste a box of the partner (Yun et al., ICCV 2019, DOI 10.1109/ICCV.2019.00612, eq. 1 and 2).

x~ = M * x_i + (1 - M) * x_j        y~ = lam y_i + (1 - lam) y_j        lam = mean(M)
"""

from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import boxes, check_size, image_size, paste
from mixup_jax.mixing import Mix, draw, mix


def draw_cutmix(
    rng: Array,
    size: tuple[int, int, int],
    alpha: ArrayLike,
    *,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes a box; `size` is (batch, height, width), the rest are the options of `mixup_jax.draw`.

    The box has a share ``1 - lam`` of the area, ``lam ~ Beta(alpha, alpha)``, and is clipped at the border; the plan's
    lambda is counted from the pixels that are left. ``per="batch"`` pastes the same box into all images, as the paper's
    code does. alpha = 0 pastes nothing. Raises what `draw` raises.

    >>> plan = draw_cutmix(jax.random.key(0), (4, 8, 8), alpha=1.0)
    >>> bool((plan.lam == plan.mask.mean(axis=(1, 2))).all())
    True
    """
    rng_plan, rng_box = jax.random.split(rng)
    plan = draw(rng_plan, check_size(size)[0], alpha, per=per, partner=partner, block=block)
    lam = plan.lam[:1] if per == "batch" else plan.lam
    return paste(plan, boxes(rng_box, lam, size[1:]))


def cutmix(
    rng: Array,
    x: Any,
    y: Any,
    alpha: ArrayLike,
    *,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[Any, Any]:
    """Paste boxes between the images of a batch and mix the labels by area: ``mix(draw_cutmix(...), (x, y))``.

    `x` is images (batch, height, width, ...) of any dtype or a tree of them (a segmentation map is cut along), `y`
    floating-point soft labels (batch, classes). Options as in `draw_cutmix`.

    >>> import jax.numpy as jnp
    >>> x, y = cutmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3), jnp.uint8), jnp.eye(4), alpha=1.0)
    >>> x.dtype, y.shape
    (dtype('uint8'), (4, 4))
    """
    return mix(draw_cutmix(rng, image_size(x), alpha, per=per, partner=partner, block=block), (x, y))
