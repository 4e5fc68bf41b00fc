"""mixup, CutMix or nothing, with smoothed labels: the recipe of DeiT and of most training since, in one call.

Touvron et al., arXiv 2012.12877, table 9; the option `Mixup` of timm. For each batch, or each example:

    u ~ U(0, 1)        nothing if u >= p, CutMix with a share s of the rest, else mixup    y = (1 - e) onehot + e / C
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from mixup_jax.methods.cutmix import draw_cutmix
from mixup_jax.methods.regions import positions
from mixup_jax.methods.switch import choose
from mixup_jax.mixing import X, check_batch, describe, draw, mix


def mixup_cutmix(
    rng: Array,
    images: X,
    labels: ArrayLike,
    *,
    classes: int,
    mixup_alpha: ArrayLike = 0.8,
    cutmix_alpha: ArrayLike = 1.0,
    probability: ArrayLike = 1.0,
    switch_probability: ArrayLike = 0.5,
    smoothing: ArrayLike = 0.1,
    until: ArrayLike | None = None,
    step: ArrayLike | None = None,
    per: str = "batch",
    partner: str | ArrayLike = "flip",
    block: int | None = None,
) -> tuple[X, Array]:
    """Mix a batch by mixup, by CutMix, or not at all; return images and soft labels, float32 (batch, classes).

    `images` is floating-point (batch, height, width), also with channels last, or a tree of them; of any dtype where
    `mixup_alpha` is the number 0. `labels` is integer class ids (batch,); an id that is no class, such as -1, has a
    label of zeros and so adds nothing to a cross-entropy. The defaults are DeiT's.

    Something is mixed with `probability`, and then by CutMix with `switch_probability`; an alpha of 0 leaves all of it
    to the other method, two of them mix nothing. Labels are smoothed before they are mixed, also where nothing is:
    ``smoothing / classes`` for every class, and ``1 - smoothing`` on top for the example's own. From the step `until`
    on, given with the number of this `step`, nothing is mixed. All these numbers may be traced. `per`, `partner` (the
    batch reversed by default, as timm; in an odd batch the middle example meets itself) and `block` are as in
    `mixup_jax.draw`.

    The result is, whatever the probabilities, the images and smoothed labels themselves, or those of
    ``mixup(rngs[0], ..., mixup_alpha)`` or ``cutmix(rngs[1], ..., cutmix_alpha)`` with ``rngs = split(rng, 3)``.

    Raises what `draw` and `mix` raise; TypeError for labels that are no class ids and steps that are no integers;
    ValueError for less than 1 class, numbers that can be seen to be out of range, and `until` without `step`.

    >>> x, y = mixup_cutmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.arange(4), classes=10)
    >>> x.shape, y.shape, bool(jnp.allclose(y.sum(axis=1), 1.0)), round(float(y.min()), 4)
    ((4, 8, 8, 3), (4, 10), True, 0.01)
    """
    size = check_batch(images, labels, None, partner)
    shares = {"probability": probability, "switch_probability": switch_probability, "smoothing": smoothing}
    probability, switch_probability, smoothing = _shares(shares)
    if until is not None or step is not None:
        probability = jnp.where(_before(step, until), probability, 0.0)
    target = _smoothed(labels, classes, smoothing)
    rng_mixup, rng_cutmix, rng_choose = jax.random.split(rng, 3)
    plans, probabilities = [], []
    share = _share_of_cutmix(mixup_alpha, cutmix_alpha, switch_probability)
    if not _is_off(mixup_alpha) or _is_off(cutmix_alpha):
        plans.append(draw(rng_mixup, size, mixup_alpha, per=per, partner=partner, block=block))
        probabilities.append(probability * (1 - share))
    if not _is_off(cutmix_alpha):
        shape = positions(images)
        plans.append(draw_cutmix(rng_cutmix, shape, cutmix_alpha, per=per, partner=partner, block=block))
        probabilities.append(probability * share)
    return mix(choose(rng_choose, plans, jnp.stack(probabilities), per=per), (images, target))


def _is_off(alpha: ArrayLike) -> bool:
    """Return whether an alpha is known to be 0: its plan is then not even traced."""
    return not isinstance(alpha, Tracer) and jnp.ndim(alpha) == 0 and bool(alpha == 0)


def _share_of_cutmix(mixup_alpha: ArrayLike, cutmix_alpha: ArrayLike, switch_probability: Array) -> Array:
    """Return the share of CutMix among what is mixed; an alpha that makes no sense counts, and is seen as NaN."""
    mixup, cutmix = (jnp.asarray(alpha, jnp.float32) != 0 for alpha in (mixup_alpha, cutmix_alpha))
    return jnp.where(mixup & cutmix, switch_probability, jnp.where(cutmix, 1.0, 0.0))


def _smoothed(labels: ArrayLike, classes: int, smoothing: Array) -> Array:
    """Return one-hot labels with a share of their mass spread over all classes: float32 (batch, classes)."""
    ids = jnp.asarray(labels)
    if ids.ndim != 1 or not jnp.issubdtype(ids.dtype, jnp.integer):
        raise TypeError(f"labels must be integer class ids (batch,), got {describe(ids)}; mix soft labels with mixup.")
    if not hasattr(classes, "__index__") or classes < 1:
        raise ValueError(f"classes must be a number of at least 1, got {classes!r}.")
    hot = jax.nn.one_hot(ids, classes, dtype=jnp.float32)
    known = jnp.sum(hot, axis=1, keepdims=True)  # 0 for an id that is no class
    return hot * (1 - smoothing) + known * (smoothing / classes)


def _shares(shares: Mapping[str, ArrayLike]) -> list[Array]:
    """Return shares as float32 scalars; raises ValueError for one that is none, where it can be seen."""
    for name, share in shares.items():
        if jnp.ndim(share) != 0:
            raise ValueError(f"{name} must be a scalar, got shape {jnp.shape(share)}; vmap over several values.")
        if not isinstance(share, Tracer) and not 0 <= float(share) <= 1:  # pyright: ignore[reportArgumentType]
            raise ValueError(f"{name} must be in [0, 1], got {share}.")
    return [jnp.asarray(share, jnp.float32) for share in shares.values()]


def _before(step: ArrayLike | None, until: ArrayLike | None) -> Array:
    """Return whether a step is before the one from which nothing is mixed."""
    if step is None or until is None:
        name, other = ("until", "step") if step is None else ("step", "until")
        raise ValueError(f"{name} is given without {other}: mixing ends at the step `until`, and this is step `step`.")
    counts = [jnp.asarray(each) for each in (step, until)]
    for name, count in zip(("step", "until"), counts, strict=True):
        if count.ndim != 0 or not jnp.issubdtype(count.dtype, jnp.integer):
            raise TypeError(f"{name} must be an integer, the number of a step, got {describe(count)}.")
    return counts[0].astype(jnp.int32) < counts[1].astype(jnp.int32)
