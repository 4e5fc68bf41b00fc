"""What a step learns from: a batch drawn from the vicinal distribution (paper, section 2) and from its variants."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.erasing import erase
from mixup_jax.augment.in_step import augment_in_step
from mixup_jax.choices import CutMix, Erm, Mixed, Mixup, Switch
from mixup_jax.data.augment import normalize, pad_crop_flip
from mixup_jax.methods import choose, different_class, draw_cutmix, larger, same_class
from mixup_jax.methods.latent import INPUT
from mixup_jax.mixing import PARTNERS, Mix, draw, mix
from mixup_jax.steps.state import Recipe

Batch = dict[str, Array]
OPERATIONS, ERASING = 2**32 - 1, 2**32 - 2
"""Folded into the key of the crops, whose own are those of the rows: no batch has so many."""


def mixed_batch(
    rng: Array, batch: Batch, alpha: ArrayLike, step: ArrayLike, recipe: Recipe
) -> tuple[Array, Array, Mix]:
    """Return float32 images (batch, ...), soft labels (batch, classes) before any smoothing, and the plan behind them.

    As in the released code, images are augmented and normalised first, then mixed; where the layer to mix at is a
    hidden one they are not mixed yet. Partners are in the batch, or beside it: `partner_image` and `partner_label`.
    """
    rng_augment, rng_mix, rng_partner, rng_noise = jax.random.split(rng, 4)
    augmentation, mixing = recipe.data, recipe.mixing
    size = batch["label"].shape[0]
    rows = jnp.arange(size)
    if recipe.axis_name is not None:
        rows += jax.lax.axis_index(recipe.axis_name) * size
    if isinstance(mixing, Erm):
        plan = Mix(jnp.ones(size), jnp.arange(size))
    elif recipe.axis_name is None:
        partner = choose_partners(rng_partner, batch, mixing.partner)
        plan = draw_plan(rng_mix, batch["image"].shape[:3], alpha, step, recipe, partner)
    else:
        plan = _share_of_plan(rng_mix, batch["image"].shape, rows, alpha, step, recipe, mixing)

    def prepare(rng: Array, image: Array, label: Array) -> tuple[Array, Array]:
        image = pad_crop_flip(rng, image, pad=augmentation.pad_crop, flip=augmentation.flip, positions=rows)
        height, width = image.shape[1:3]
        stages = stages_of(recipe.augment, augmentation.color_jitter, (height, width), recipe.mean)
        image = augment_in_step(jax.random.fold_in(rng, OPERATIONS), image, stages, rows)
        image = normalize(image, recipe.mean, recipe.std)
        image = erase(jax.random.fold_in(rng, ERASING), image, augmentation.erase, rows)
        # Constants of the normalisation multiplied into lambda would round differently on another number of devices.
        return jax.lax.optimization_barrier((image, jax.nn.one_hot(label, recipe.classes)))

    image, label = own = prepare(rng_augment, batch["image"], batch["label"])
    if not isinstance(mixing, Erm):
        other = own
        if "partner_image" in batch:
            other = prepare(jax.random.fold_in(rng_augment, size), batch["partner_image"], batch["partner_label"])
        image = mix(plan, own[0], other[0]) if recipe.layer == INPUT else own[0]
        label = mix(plan, own[1], other[1]) if mixing.labels == "mix" else larger(plan, own[1], other[1])
    if augmentation.noise:
        keys = jax.vmap(lambda row: jax.random.fold_in(rng_noise, row))(rows)
        image += augmentation.noise * jax.vmap(lambda key: jax.random.normal(key, image.shape[1:]))(keys)
    return image, label, plan


def choose_partners(rng: Array, batch: Batch, policy: str) -> str | Array:
    """Return the policy where `draw` knows it by name, else the partners themselves."""
    if "partner_image" in batch:
        return jnp.arange(batch["label"].shape[0])
    by_label = {"same_class": same_class, "different_class": different_class}
    return by_label[policy](rng, batch["label"]) if policy in by_label else policy


def draw_plan(rng: Array, size: Any, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, partner: str | Array) -> Mix:
    """Draw the plan of a step for images of `size` (batch, height, width): mixup, CutMix, or one of them."""
    mixing = recipe.mixing
    assert isinstance(mixing, Mixed)
    options = {"per": mixing.per, "partner": partner, "block": mixing.block}
    if isinstance(mixing, Mixup) and recipe.probability is None:
        return draw(rng, size[0], alpha, **options)
    rng_mixup, rng_cutmix, rng_choose = jax.random.split(rng, 3)
    probability = 1.0 if recipe.probability is None else recipe.probability(step)
    cutmix_share = mixing.switch_probability if isinstance(mixing, Switch) else float(isinstance(mixing, CutMix))
    plans, shares = [], []
    if isinstance(mixing, Mixup | Switch):
        plans.append(draw(rng_mixup, size[0], alpha, **options))
        shares.append(1 - cutmix_share)
    if isinstance(mixing, CutMix | Switch):
        plans.append(draw_cutmix(rng_cutmix, size, mixing.cutmix_alpha, **options))
        shares.append(cutmix_share)
    return choose(rng_choose, plans, probability * jnp.array(shares), per=mixing.per)


def _share_of_plan(
    rng: Array, shape: tuple[int, ...], rows: Array, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, mixing: Mixed
) -> Mix:
    """Draw the plan of the whole batch and return the part of this device, inside `jax.pmap` or `jax.shard_map`."""
    size = shape[0]
    if mixing.block is None or size % mixing.block:
        raise ValueError(f"block must divide each device's {size} examples under pmap, got {mixing.block}.")
    if mixing.partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)} under pmap, got {mixing.partner!r}.")
    whole = (size * jax.lax.axis_size(recipe.axis_name), *shape[1:3])
    plan = draw_plan(rng, whole, alpha, step, recipe, mixing.partner)
    mask = None if plan.mask is None else plan.mask[rows]
    return Mix(plan.lam[rows], plan.partner[rows] - rows[0], plan.block, mask)
