"""SaliencyMix: paste the box around the partner's most salient pixel (Uddin et al., ICLR 2021, arXiv 2006.01791).

x~ = M * x_i + (1 - M) * x_j        lam = mean(M)        M is CutMix's box, centred on argmax saliency(x_j)
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import box_at, mix_regions, options_of, paste
from mixup_jax.mixing import Mix, X, Y, draw, take_partner


def draw_saliencymix(
    rng: Array,
    saliency: ArrayLike,
    alpha: ArrayLike,
    *,
    peak: str = "example",
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes the box around a salient pixel; `saliency` is (batch, height, width) of the same batch.

    The box has the size of CutMix's, is clipped at the border and pasted at the same place; the plan's lambda is
    counted from the pixels that are left. Of equally salient pixels the first is taken: in a flat map the corner.
    ``per="batch"`` draws one lambda. ``peak="example"`` centres each box on the partner's own peak, as the paper
    describes; ``peak="batch"`` all boxes on the peak of the first example's partner, as its code does.
    alpha = 0 pastes nothing. Raises what `draw` raises, and ValueError for another `peak` or shape of the saliency.

    >>> saliency = jnp.zeros((2, 8, 8)).at[:, 5, 2].set(1.0)
    >>> plan = draw_saliencymix(jax.random.key(0), saliency, 1.0, partner="flip")
    >>> bool(plan.mask[0, 5, 2])  # what is salient in the partner is not kept
    False
    """
    saliency = jnp.asarray(saliency)
    if saliency.ndim != 3:
        raise ValueError(f"saliency must be (batch, height, width), got shape {saliency.shape}.")
    if peak not in ("batch", "example"):
        raise ValueError(f"peak must be one of batch, example, got {peak!r}.")
    plan = draw(rng, len(saliency), alpha, per=per, partner=partner, block=block)
    height, width = saliency.shape[1:]
    position = take_partner(plan, jnp.argmax(saliency.reshape(len(saliency), -1), axis=1).astype(jnp.int32))
    if peak == "batch":
        position = jnp.broadcast_to(position[:1], position.shape)
    return paste(plan, box_at((position // width, position % width), plan.lam, (height, width)))


@options_of(draw_saliencymix)
def saliencymix(
    rng: Array,
    x: X,
    y: Y,
    alpha: ArrayLike,
    *,
    other: tuple[Any, Any] | None = None,
    saliency: ArrayLike | None = None,
    **options: Any,
) -> tuple[X, Y]:
    """Paste salient boxes between the images of a batch: ``mix(draw_saliencymix(rng, saliency, alpha), (x, y))``.

    `x` is images (batch, height, width, ...) of any dtype or a tree of them, `y` floating-point soft labels (batch,
    classes). `saliency` is (batch, height, width), such as the size of the loss's gradient by the image; if None, the
    `static_saliency` of `x`, or of the first leaf of the tree. `other` is as in `mixup`; the saliency is then that of
    the other images. The rest is as in `draw_saliencymix`.

    >>> x, y = saliencymix(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.eye(4), alpha=1.0)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    given = jax.tree.leaves(x if other is None else other[0])[0] if saliency is None else saliency

    def draw_plan(rng: Array, size: tuple[int, ...], alpha: ArrayLike, **options: Any) -> Mix:
        found = static_saliency(given) if saliency is None else jnp.asarray(given)
        if found.shape != size:
            raise ValueError(f"saliency must be {size} like the images, got shape {found.shape}.")
        return draw_saliencymix(rng, found, alpha, **options)

    return mix_regions(draw_plan, rng, x, y, alpha, other, options)


def static_saliency(image: ArrayLike, scales: Sequence[int] = (12, 24, 28, 48, 56, 112)) -> Array:
    """Return how much each pixel differs from its surroundings: float32 (batch, height, width), multiples of 1/255.

    Montabone & Soto (2010, DOI 10.1016/j.imavis.2009.06.004, fine-grained saliency of the intensity): the smoothed
    pixel minus the mean of the square of ``2 * scale + 1`` pixels around it, without itself and clipped at the border;
    absolute values, summed over the scales and divided by their maximum in the image. The result is rounded to 8 bits,
    as by OpenCV, which the paper's code calls: so that of pixels that are as salient as each other the first stays the
    first, whatever their last bits are on this number of devices. `image` is (batch, height, width) or (batch, height,
    width, channels), whose mean is the intensity; `scales` are in pixels, at least 1, by default those of OpenCV.

    >>> saliency = static_saliency(jnp.zeros((1, 9, 9)).at[0, 3, 6].set(1.0))
    >>> divmod(int(saliency.argmax()), 9)
    (3, 6)
    """
    image = jnp.asarray(image)
    if image.ndim not in (3, 4) or min(scales, default=0) < 1:
        raise ValueError(
            "image must be (batch, height, width) or (batch, height, width, channels) and scales at least 1, "
            f"got shape {image.shape} and {tuple(scales)}."
        )
    grey = image.astype(jnp.float32).reshape(*image.shape[:3], -1).mean(axis=-1)
    center = _filter(grey, np.array([1, 4, 6, 4, 1]))
    saliency = jnp.zeros_like(center)
    # Scales beyond the image are all the same, its mean: they are taken once, and counted.
    radii, times = np.unique(np.minimum(scales, max(grey.shape[1:])), return_counts=True)
    for radius, count in zip(radii, times, strict=True):
        square = np.ones(2 * radius + 1)
        pixels = np.outer(*(_band(length, square).astype(bool).sum(axis=1) for length in grey.shape[1:]))
        weight = count * pixels / np.maximum(pixels - 1, 1)  # the pixel itself is in the mean: this takes it out
        # Paper: OpenCV divides bright pixels on dark and dark ones on bright by a maximum each, so that the brightest
        # and the darkest spot always tie.
        saliency += jnp.abs(center - _filter(center, square)) * jnp.asarray(weight, jnp.float32)[None]
    largest = jnp.max(saliency, axis=(1, 2), keepdims=True)
    return jnp.round(255 * (saliency / jnp.where(largest > 0, largest, 1))) / 255


def _filter(image: Array, kernel: np.ndarray) -> Array:
    """Filter rows and columns, as two products with band matrices: (batch, height, width)."""
    rows, columns = (jnp.asarray(_band(length, kernel), jnp.float32) for length in image.shape[1:])
    return jnp.einsum("ij,bjk,lk->bil", rows, image, columns, precision="highest")


def _band(length: int, kernel: np.ndarray) -> np.ndarray:
    """Return the matrix that filters `length` positions; at the border the weights inside make up for those outside."""
    offset = np.arange(length)[:, None] - np.arange(length) + len(kernel) // 2
    band = np.where((offset >= 0) & (offset < len(kernel)), kernel[np.clip(offset, 0, len(kernel) - 1)], 0)
    return band / band.sum(axis=1, keepdims=True)
