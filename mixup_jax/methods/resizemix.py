"""ResizeMix: paste the whole partner, shrunk (Qin et al., arXiv 2012.11101, section 3.3).

x~ = x_i outside of a box, resize(x_j) in it        tau ~ U(low, high)        lam = 1 - box / image ~ 1 - tau^2
"""

from dataclasses import replace
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import boxes_inside, check_size, lambdas, mix_regions, options_of, paste
from mixup_jax.mixing import Mix, X, Y, checked, draw, mix, on_any_mesh, take_partner, widened


def draw_resizemix(
    rng: Array,
    size: tuple[int, ...],
    alpha: ArrayLike = 1.0,
    *,
    low: float = 0.1,
    high: float = 0.8,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan whose boxes lie inside of the image, to be carried out by `paste_resized`: `mix` refuses its images.

    `size` is (batch, height, width). A box has a share tau of the height and of the width, rounded down but at least a
    pixel, ``tau = low + (high - low) * u``, ``u ~ Beta(alpha, alpha)``: alpha = 1 is the paper's uniform distribution,
    alpha = 0 pastes nothing. ``per="batch"`` draws one box for all images. The rest are options of `mixup_jax.draw`.

    Raises what `draw` raises, and ValueError unless ``0 <= low <= high <= 1``.

    >>> plan = draw_resizemix(jax.random.key(0), (4, 8, 8), low=0.5, high=0.5)
    >>> plan.lam.tolist()  # boxes of 4 x 4 pixels
    [0.75, 0.75, 0.75, 0.75]
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"low and high must satisfy 0 <= low <= high <= 1, got {low} and {high}.")
    rng_plan, *rng_box = jax.random.split(rng, 3)
    plan = draw(rng_plan, check_size(size)[0], alpha, per=per, partner=partner, block=block)
    lam = lambdas(plan, per)
    tau = low + (high - low) * (1 - lam)
    height, width = (
        jnp.where(jnp.asarray(alpha) > 0, jnp.maximum((tau * length).astype(jnp.int32), 1), 0) for length in size[1:]
    )
    return replace(paste(plan, boxes_inside(rng_box, (height, width), size[1:])), resized=True)


def paste_resized(plan: Mix, tree: X, other: Any = None) -> X:
    """Carry out a plan of `draw_resizemix`: as `mix`, but what is pasted is the whole partner, shrunk into the box.

    Leaves of images (batch, height, width, ...) keep their dtype. Pixels of floating-point ones are the mean of 4 x 4
    samples, spread evenly over the part of the partner that they cover; integers take the nearest pixel, so that a
    segmentation map stays one of class ids (convert uint8 images for the finer filter). All other leaves are mixed by
    lambda. `other` is as in `mix`.

    Raises what `mix` raises, and ValueError for a plan without boxes.

    >>> plan = draw_resizemix(jax.random.key(0), (2, 8, 8))
    >>> image, label = paste_resized(plan, (jnp.ones((2, 8, 8)), jnp.eye(2)))
    >>> bool(jnp.allclose(image, 1.0)), label.shape
    (True, (2, 2))
    """
    plan = checked(plan)
    mask = plan.mask
    if mask is None or mask.ndim != 3 or mask.dtype != bool:
        raise ValueError("plan must have a bool mask (batch, height, width): make it with draw_resizemix.")

    def place(leaf: Any) -> Array:
        partner = take_partner(plan, jnp.asarray(leaf))
        return on_any_mesh(_shrink, partner)(mask, partner) if partner.shape[1:3] == mask.shape[1:] else partner

    partners = jax.tree.map(place, tree if other is None else other)
    return mix(replace(plan, partner=jnp.arange(len(mask), dtype=jnp.int32), resized=False), tree, partners)


@options_of(draw_resizemix)
def resizemix(
    rng: Array, x: X, y: Y, alpha: ArrayLike = 1.0, *, other: tuple[Any, Any] | None = None, **options: Any
) -> tuple[X, Y]:
    """Paste shrunk partners and mix the labels by area: ``paste_resized(draw_resizemix(...), (x, y))``.

    >>> x, y = resizemix(jax.random.key(0), jnp.zeros((4, 8, 8, 3), jnp.uint8), jnp.eye(4))
    >>> x.dtype, bool((y.max(axis=1) >= 0.36).all())  # high = 0.8: never more than 64 per cent
    (dtype('uint8'), True)
    """
    return mix_regions(draw_resizemix, rng, x, y, alpha, other, options, paste_resized)


@jax.jit
def _shrink(mask: Array, image: Array) -> Array:
    """Return images of the same size and dtype that are shrunk into the box where the mask is False.

    Means of samples rather than `jax.image.scale_and_translate`: the matrix products of that are no faster on a CPU,
    and their last bits depend on how many examples a device holds.
    """
    smooth = jnp.issubdtype(image.dtype, jnp.inexact)
    parts = 4 if smooth else 1
    shrunk = image.astype(widened(image.dtype)) if smooth else image
    for axis in (1, 2):
        inside = ~jnp.all(mask, axis=3 - axis)
        samples = [_sample(shrunk, inside, axis, part, parts) for part in range(parts)]
        shrunk = reduce(jnp.add, samples) / parts if smooth else samples[0]
    return shrunk.astype(image.dtype)


def _sample(image: Array, inside: Array, axis: int, part: int, parts: int) -> Array:
    """Shrink along an axis by taking, for each pixel `inside`, the middle of one of the equal parts that it covers."""
    length = inside.shape[1]
    start, side = jnp.argmax(inside, axis=1)[:, None], jnp.maximum(jnp.sum(inside, axis=1), 1)[:, None]
    pixel = jnp.arange(length)[None] - start
    position = jnp.clip((2 * (pixel * parts + part) + 1) * length // (2 * side * parts), 0, length - 1)
    others = [each for each in range(1, image.ndim) if each != axis]
    return jnp.take_along_axis(image, jnp.expand_dims(position, others), axis=axis, mode="promise_in_bounds")
