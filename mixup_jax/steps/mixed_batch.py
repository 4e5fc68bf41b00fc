"""What a step learns from: a batch drawn from the vicinal distribution (paper, section 2) and from its variants."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Int, Int32, Key

from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.erasing import erase
from mixup_jax.augment.in_step import augment_in_step
from mixup_jax.choices import (
    GROUP,
    CutMix,
    Dirichlet,
    Erm,
    Mixed,
    Mixing,
    NoisyFeatureMixup,
    RegMixup,
    SaliencyMix,
    Switch,
)
from mixup_jax.data.augment import normalize, pad_crop_flip
from mixup_jax.methods import choose, different_class, draw_dirichlet, larger, mix_all, optimal_partners, same_class
from mixup_jax.methods.latent import INPUT
from mixup_jax.methods.noisy_feature import add_noise, draw_sigmas
from mixup_jax.methods.table import METHODS, Method
from mixup_jax.mixing import PARTNERS, Mix, take_partner
from mixup_jax.steps.state import Recipe

Batch = dict[str, Array]
Plan = Mix | list[Mix]
"""A plan, or several that are carried out in a row."""
NOT_A_ROW = 2**32 - 1
"""Folded into a key from which each row of the batch draws by its number."""
OPERATIONS, ERASING = 2**32 - 1, 2**32 - 2
"""Folded into the key of the crops, whose own are those of the rows: no batch has so many."""


def epoch_order(rng: Key[Array, ""], epoch: int | Int[Array, ""], n: int) -> Int32[Array, "n"]:
    """Return the order in which epoch `epoch` (0, 1, ...; may be traced) visits `n` images.

    >>> epoch_order(jax.random.key(0), 0, 5).tolist() == epoch_order(jax.random.key(0), 1, 5).tolist()
    False
    """
    return jax.random.permutation(jax.random.fold_in(rng, epoch), jnp.arange(n, dtype=jnp.int32))


def mixed_batch(
    rng: Array, batch: Batch, alpha: ArrayLike, step: ArrayLike, recipe: Recipe
) -> tuple[Array, Array, Plan]:
    """Return float32 images (batch, ...), soft labels (batch, classes) before any smoothing, and the plan behind them.

    As in the released code, images are augmented and normalised first, then mixed; where the layer to mix at is a
    hidden one they are not mixed yet. Partners are in the batch, or beside it: `partner_image` and `partner_label`.
    With RegMixup each clean example comes before its mixture, (2 * batch, ...): no image leaves its device.
    """
    rng_augment, rng_mix, rng_partner, rng_noise = jax.random.split(rng, 4)
    augmentation, mixing = recipe.data, recipe.mixing
    size = batch["label"].shape[0]
    rows = jnp.arange(size)
    if recipe.axis_name is not None:
        rows += jax.lax.axis_index(recipe.axis_name) * size

    def augment(rng: Array, image: Array) -> Array:
        image = pad_crop_flip(rng, image, pad=augmentation.pad_crop, flip=augmentation.flip, positions=rows)
        height, width = image.shape[1:3]
        stages = stages_of(recipe.augment, augmentation.color_jitter, (height, width), recipe.mean)
        return jax.lax.optimization_barrier(augment_in_step(jax.random.fold_in(rng, OPERATIONS), image, stages, rows))

    def finish(rng: Array, image: Array, label: Array, rows: Array) -> tuple[Array, Array]:
        image = normalize(image, recipe.mean, recipe.std)
        image = erase(jax.random.fold_in(rng, ERASING), image, augmentation.erase, rows)
        # Constants of the normalisation multiplied into lambda would round differently on another number of devices.
        return jax.lax.optimization_barrier((image, jax.nn.one_hot(label, recipe.classes)))

    pixels, beside = augment(rng_augment, batch["image"]), "partner_image" in batch
    image, label = own = finish(rng_augment, pixels, batch["label"], rows)
    plan: Plan = Mix(jnp.ones(size), jnp.arange(size))
    if not isinstance(mixing, Erm):
        other = own
        if beside:
            rng_other = jax.random.fold_in(rng_augment, size)
            other = finish(rng_other, augment(rng_other, batch["partner_image"]), batch["partner_label"], rows)
        if recipe.axis_name is None:
            partner = choose_partners(rng_partner, batch, image, mixing)
            plan = draw_plan(rng_mix, other[0], alpha, step, recipe, partner)
        else:
            plan = _share_of_plan(rng_mix, image, rows, alpha, step, recipe, mixing)
        carried = plan
        if isinstance(plan, Mix) and plan.block is None and recipe.layer == INPUT and not beside:
            # Where partners cross devices, a byte a pixel and a class id do, not what is made of them.
            taken = [take_partner(plan, each) for each in (pixels, batch["label"], rows)]
            other = finish(rng_augment, *jax.lax.optimization_barrier(taken))
            carried = replace(plan, partner=jnp.arange(size), block=1)  # beside their examples now
        image, label = carry_out(carried, own, other, recipe)
        if isinstance(mixing, NoisyFeatureMixup):
            image = _disturbed(jax.random.fold_in(rng_noise, NOT_A_ROW), image, rows, mixing)
    if augmentation.noise:
        image += _noise(rng_noise, image, rows, augmentation.noise)
    if isinstance(mixing, RegMixup):
        clean = own[0]
        if augmentation.noise:
            clean += _noise(jax.random.fold_in(rng_noise, NOT_A_ROW), clean, rows, augmentation.noise)
        image, label = _side_by_side(clean, image), _side_by_side(own[1], label)
    return image, label, plan


def carry_out(plan: Plan, own: tuple[Array, Array], other: tuple[Array, Array], recipe: Recipe) -> tuple[Array, Array]:
    """Mix images and labels with those of their partners by the method of the recipe."""
    mixing = recipe.mixing
    assert isinstance(mixing, Mixed)
    method = method_of(mixing)
    image = method.carry_out(plan, own[0], other[0]) if recipe.layer == INPUT else own[0]
    if mixing.labels == "larger":
        assert isinstance(plan, Mix)
        return image, larger(plan, own[1], other[1])
    return image, method.carry_out(plan, own[1], other[1])


def choose_partners(rng: Array, batch: Batch, image: Array, mixing: Mixed) -> str | Array:
    """Return the policy where `draw` knows it by name, else the partners themselves; `image` is as it is mixed."""
    if "partner_image" in batch:
        return jnp.arange(batch["label"].shape[0])
    if mixing.partner == "optimal":
        return optimal_partners(rng, image, mixing.group or GROUP)
    by_label = {"same_class": same_class, "different_class": different_class}
    return by_label[mixing.partner](rng, batch["label"]) if mixing.partner in by_label else mixing.partner


def method_of(mixing: Mixing) -> Method:
    """Return how plans are drawn and carried out: the method's row of the table, or mixup's where it is more than that.

    >>> from mixup_jax.choices import FMix
    >>> method_of(FMix()).title, method_of(RegMixup()).title
    ('FMix', 'mixup')
    """
    row = METHODS.get(mixing.name, METHODS["mixup"])
    if isinstance(mixing, Dirichlet):
        return row._replace(draw=_draw_several, carry_out=mix_all)
    return row if row.draw else METHODS["mixup"]


def _draw_several(rng: Array, x: Any, alpha: ArrayLike, **options: Any) -> list[Mix]:
    return draw_dirichlet(rng, x.shape[0], alpha, **options)


def draw_plan(rng: Array, x: Any, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, partner: str | Array) -> Any:
    """Draw the plan of a step for images x (batch, height, width, ...), among which the partners are."""
    mixing = recipe.mixing
    assert isinstance(mixing, Mixed)
    options = {"per": mixing.per, "partner": partner, "block": mixing.block} | mixing.plan_options
    parts = _parts(mixing, alpha)
    if recipe.probability is None and not isinstance(mixing, CutMix | Switch):
        ((method, strength, _),) = parts
        return method.draw(rng, x, strength, **options)
    rng_blended, rng_pasted, rng_choose = jax.random.split(rng, 3)
    probability = 1.0 if recipe.probability is None else recipe.probability(step)
    plans = [
        method.draw(rng_pasted if method.pastes else rng_blended, x, strength, **options)
        for method, strength, _ in parts
    ]
    probabilities = probability * jnp.array([share for _, _, share in parts])
    if isinstance(plans[0], list):  # one decision for all of a row: the key is the same
        return [choose(rng_choose, [plan], probabilities, per=mixing.per) for plan in plans[0]]
    return choose(rng_choose, plans, probabilities, per=mixing.per)


def _parts(mixing: Mixing, alpha: ArrayLike) -> list[tuple[Any, ArrayLike, float]]:
    """Return the methods that a choice is made of, each with its strength and its share of what is mixed."""
    if isinstance(mixing, Switch):
        share = mixing.switch_probability
        return [(METHODS["mixup"], alpha, 1 - share), (METHODS["cutmix"], mixing.cutmix_alpha, share)]
    return [(method_of(mixing), mixing.cutmix_alpha if isinstance(mixing, CutMix) else alpha, 1.0)]


def _share_of_plan(
    rng: Array, image: Array, rows: Array, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, mixing: Mixed
) -> Plan:
    """Draw the plan of the whole batch and return the part of this device, inside `jax.pmap` or `jax.shard_map`."""
    size = image.shape[0]
    if mixing.block is None or size % mixing.block:
        raise ValueError(f"block must divide each device's {size} examples under pmap, got {mixing.block}.")
    if mixing.partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)} under pmap, got {mixing.partner!r}.")
    if isinstance(mixing, SaliencyMix):
        raise ValueError(f"method {mixing.name} looks at all images of the batch: take jit and a mesh, not pmap.")
    whole = jax.ShapeDtypeStruct((size * jax.lax.axis_size(recipe.axis_name), *image.shape[1:]), image.dtype)
    plan = draw_plan(rng, whole, alpha, step, recipe, mixing.partner)

    def share(plan: Mix) -> Mix:
        mask = None if plan.mask is None else plan.mask[rows]
        return replace(plan, lam=plan.lam[rows], partner=plan.partner[rows] - rows[0], mask=mask)

    return jax.tree.map(share, plan, is_leaf=lambda node: isinstance(node, Mix))


def _disturbed(rng: Array, image: Array, rows: Array, mixing: NoisyFeatureMixup) -> Array:
    """Return images under the noise of noisy feature mixup, as strong in all rows, each row's from a key of its own."""
    rng_sigma, rng = jax.random.split(rng)
    sigmas = draw_sigmas(rng_sigma, mixing.additive_noise, mixing.multiplicative_noise)

    def one(row: Array, image: Array) -> Array:
        return add_noise(jax.random.fold_in(rng, row), image, *sigmas)

    return jax.vmap(one)(rows, image)


def _noise(rng: Array, image: Array, rows: Array, deviation: float) -> Array:
    """Draw normal noise of a deviation like the images, each row's from a key of its own."""
    keys = jax.vmap(lambda row: jax.random.fold_in(rng, row))(rows)
    return deviation * jax.vmap(lambda key: jax.random.normal(key, image.shape[1:]))(keys)


def mean_loss(losses: Array, mixing: Mixing) -> Array:
    """Return the mean of losses (batch,); with RegMixup that of clean examples plus eta times that of their mixtures.

    >>> float(mean_loss(jnp.array([1.0, 10.0, 3.0, 20.0]), RegMixup(eta=0.1)))
    3.5
    """
    if not isinstance(mixing, RegMixup):
        return losses.mean()
    clean, mixed = losses.reshape(-1, 2).mean(axis=0)
    return clean + mixing.eta * mixed


def rows_together(mixing: Mixing) -> int:
    """Return how many rows of a mixed batch belong together: with RegMixup an example and its mixture."""
    return 2 if isinstance(mixing, RegMixup) else 1


def _side_by_side(one: Array, other: Array) -> Array:
    return jnp.stack([one, other], axis=1).reshape(-1, *one.shape[1:])
