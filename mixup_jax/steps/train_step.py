"""One step of vicinal risk minimisation. Pure: no devices, no files, no clock; `jit`, `vmap`, a mesh happen outside.

An example is cropped, mirrored, augmented, normalised, and then mixed: a draw from the vicinal distribution (paper,
section 2). Each has its own key, so what happens to it depends neither on the batch size nor on the number of devices.
"""

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Int, Int32, Key

from mixup_jax.augment.erasing import erase
from mixup_jax.augment.standard import normalize, pad_crop_flip
from mixup_jax.methods import different_class, larger, mix_at, optimal_partners, same_class
from mixup_jax.methods.latent import INPUT
from mixup_jax.methods.noisy_feature import add_noise, draw_sigmas
from mixup_jax.mixing import PARTNERS, Mix, take_partner
from mixup_jax.steps.frozen import keep_frozen, trained_part, whole
from mixup_jax.steps.state import Mixer, Recipe, TrainState, update_average

Batch = dict[str, Array]
Metrics = dict[str, Array]
Plan = Mix | list[Mix]
"""A plan, or several that are carried out in a row."""
NOT_A_ROW = 2**32 - 1
"""Folded into a key from which each row of the batch draws by its number."""
OPERATIONS, ERASING = 2**32 - 1, 2**32 - 2
"""Folded into the key of the crops, whose own are those of the rows: no batch has so many."""


def train_step(state: TrainState, batch: Batch, alpha: ArrayLike, recipe: Recipe) -> tuple[TrainState, Metrics]:
    """Take one step on a batch of uint8 images ``batch["image"]`` (batch, ...) and class ids ``batch["label"]``.

    `alpha` may be traced: a schedule, or a vmap over values. Inside `jax.pmap` or `jax.shard_map`, `recipe.axis_name`
    names the axis over which the batch is split; gradients, BatchNorm and metrics are averaged over it,
    and dropout and stochastic depth depend on the number of devices; under `jit` and a mesh they do not.
    """
    rng_batch, rng_dropout = jax.random.split(jax.random.fold_in(state.rng, state.step))
    image, label, plan = mixed_batch(rng_batch, batch, alpha, state.step, recipe)
    if recipe.axis_name is not None:
        rng_dropout = jax.random.fold_in(rng_dropout, jax.lax.axis_index(recipe.axis_name))
    target = optax.smooth_labels(label, recipe.label_smoothing)
    with recipe.precision():
        grads, batch_stats, loss, logits = _mean_gradients(state, image, target, plan, rng_dropout, recipe)
    accuracy = jnp.mean(jnp.take_along_axis(label, jnp.argmax(logits, axis=-1, keepdims=True), axis=-1))
    if recipe.axis_name is not None:
        grads, loss, accuracy = jax.lax.pmean((grads, loss, accuracy), recipe.axis_name)

    lr = recipe.schedule(state.step)
    trained = trained_part(state.params, recipe.frozen)
    direction, opt_state = recipe.optimizer.update(grads, state.opt_state, trained)
    params = whole(jax.tree.map(lambda p, d: p - lr * d, trained, direction), state.params)
    average = update_average(state.average, params, batch_stats, state.step, recipe.ema, recipe.frozen)
    new_state = TrainState(state.step + 1, state.rng, params, batch_stats, opt_state, average)
    return new_state, {"loss": loss, "accuracy": accuracy, "grad_norm": optax.tree.norm(grads)}


def mixed_batch(
    rng: Array, batch: Batch, alpha: ArrayLike, step: ArrayLike, recipe: Recipe
) -> tuple[Array, Array, Plan]:
    """Return float32 images (batch, ...), soft labels (batch, classes) before any smoothing, and the plan behind them.

    As in the released code, images are augmented and normalised first, then mixed; where the layer to mix at is a
    hidden one they are not mixed yet. Partners are in the batch, or beside it: `partner_image` and `partner_label`.
    With RegMixup each clean example comes before its mixture, (2 * batch, ...): no image leaves its device.
    """
    rng_augment, rng_mix, rng_partner, rng_noise = jax.random.split(rng, 4)
    mixer, size = recipe.mixer, batch["label"].shape[0]
    rows = jnp.arange(size)
    if recipe.axis_name is not None:
        rows += jax.lax.axis_index(recipe.axis_name) * size

    def augment(rng: Array, image: Array) -> Array:
        image = pad_crop_flip(rng, image, pad=recipe.pad_crop, flip=recipe.flip, positions=rows)
        return jax.lax.optimization_barrier(recipe.augment(jax.random.fold_in(rng, OPERATIONS), image, rows))

    def finish(rng: Array, image: Array, label: Array, rows: Array) -> tuple[Array, Array]:
        image = normalize(image, recipe.mean, recipe.std)
        image = erase(jax.random.fold_in(rng, ERASING), image, recipe.erase, rows)
        # Constants of the normalisation multiplied into lambda would round differently on another number of devices.
        return jax.lax.optimization_barrier((image, jax.nn.one_hot(label, recipe.classes)))

    pixels, beside = augment(rng_augment, batch["image"]), "partner_image" in batch
    image, label = own = finish(rng_augment, pixels, batch["label"], rows)
    plan: Plan = Mix(jnp.ones(size), jnp.arange(size))
    if mixer is not None:
        other = own
        if beside:
            rng_other = jax.random.fold_in(rng_augment, size)
            other = finish(rng_other, augment(rng_other, batch["partner_image"]), batch["partner_label"], rows)
        if recipe.axis_name is None:
            partner = _choose_partners(rng_partner, batch, image, mixer)
            plan = mixer.draw(rng_mix, other[0], alpha, step, partner)
        else:
            plan = _share_of_plan(rng_mix, image, rows, alpha, step, recipe, mixer)
        carried = plan
        if isinstance(plan, Mix) and plan.block is None and recipe.layer == INPUT and not beside:
            # Where partners cross devices, a byte a pixel and a class id do, not what is made of them.
            taken = [take_partner(plan, each) for each in (pixels, batch["label"], rows)]
            other = finish(rng_augment, *jax.lax.optimization_barrier(taken))
            carried = replace(plan, partner=jnp.arange(size), block=1)  # beside their examples now
        image = mixer.carry_out(carried, image, other[0]) if recipe.layer == INPUT else image
        mixed_label: Any = larger if mixer.larger_label else mixer.carry_out
        label = mixed_label(carried, label, other[1])
        if mixer.noise is not None:
            image = _disturbed(jax.random.fold_in(rng_noise, NOT_A_ROW), image, rows, mixer.noise)
    if recipe.noise:
        image += _noise(rng_noise, image, rows, recipe.noise)
    if _rows_together(mixer) == 2:
        clean = own[0]
        if recipe.noise:
            clean += _noise(jax.random.fold_in(rng_noise, NOT_A_ROW), clean, rows, recipe.noise)
        image, label = _side_by_side(clean, image), _side_by_side(own[1], label)
    return image, label, plan


def _choose_partners(rng: Array, batch: Batch, image: Array, mixer: Mixer) -> str | Array:
    """Return the policy where `draw` knows it by name, else the partners themselves; `image` is as it is mixed."""
    if "partner_image" in batch:
        return jnp.arange(batch["label"].shape[0])
    if mixer.partner == "optimal":
        return optimal_partners(rng, image, mixer.group)
    by_label = {"same_class": same_class, "different_class": different_class}
    return by_label[mixer.partner](rng, batch["label"]) if mixer.partner in by_label else mixer.partner


def _share_of_plan(
    rng: Array, image: Array, rows: Array, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, mixer: Mixer
) -> Plan:
    """Draw the plan of the whole batch and return the part of this device, inside `jax.pmap` or `jax.shard_map`."""
    size = image.shape[0]
    if mixer.block is None or size % mixer.block:
        raise ValueError(f"block must divide each device's {size} examples under pmap, got {mixer.block}.")
    if mixer.partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)} under pmap, got {mixer.partner!r}.")
    if mixer.sees_images:
        raise ValueError("this method looks at all images of the batch: take jit and a mesh, not pmap.")
    whole = jax.ShapeDtypeStruct((size * jax.lax.axis_size(recipe.axis_name), *image.shape[1:]), image.dtype)
    plan = mixer.draw(rng, whole, alpha, step, mixer.partner)

    def share(plan: Mix) -> Mix:
        mask = None if plan.mask is None else plan.mask[rows]
        return replace(plan, lam=plan.lam[rows], partner=plan.partner[rows] - rows[0], mask=mask)

    return jax.tree.map(share, plan, is_leaf=lambda node: isinstance(node, Mix))


def _disturbed(rng: Array, image: Array, rows: Array, levels: tuple[float, float]) -> Array:
    """Return images under the noise of noisy feature mixup, as strong in all rows, each row's from a key of its own."""
    rng_sigma, rng = jax.random.split(rng)
    sigmas = draw_sigmas(rng_sigma, *levels)

    def one(row: Array, image: Array) -> Array:
        return add_noise(jax.random.fold_in(rng, row), image, *sigmas)

    return jax.vmap(one)(rows, image)


def _noise(rng: Array, image: Array, rows: Array, deviation: float) -> Array:
    """Draw normal noise of a deviation like the images, each row's from a key of its own."""
    keys = jax.vmap(lambda row: jax.random.fold_in(rng, row))(rows)
    return deviation * jax.vmap(lambda key: jax.random.normal(key, image.shape[1:]))(keys)


def _side_by_side(one: Array, other: Array) -> Array:
    return jnp.stack([one, other], axis=1).reshape(-1, *one.shape[1:])


def _rows_together(mixer: Mixer | None) -> int:
    """Return how many rows of a mixed batch belong together: with RegMixup an example and its mixture."""
    return 1 if mixer is None or mixer.eta is None else 2


def _mean_gradients(
    state: TrainState, image: Array, target: Array, plan: Any, rng_dropout: Array, recipe: Recipe
) -> tuple[Any, Any, Array, Array]:
    """Return gradients of what is trained, new statistics, loss and logits of a mixed batch, maybe in micro-batches."""

    def loss_fn(trained, batch_stats, image, target, rng):
        params = recipe.gather(whole(trained, state.params))
        with (
            nullcontext() if recipe.layer == INPUT else mix_at(plan, recipe.layer),
            keep_frozen(recipe.frozen) if recipe.frozen else nullcontext(),
        ):
            logits, updated = recipe.model.apply(
                {"params": params, "batch_stats": batch_stats},
                image,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": rng},
            )
        loss = _mean_loss(recipe.loss(logits, target), recipe.mixer)
        return loss, (updated.get("batch_stats", {}), logits)

    value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
    equal = trained_part(state.params, recipe.frozen)
    trained = _own(equal, recipe.axis_name)
    if recipe.accumulate == 1:
        (loss, (stats, logits)), grads = value_and_grad(trained, state.batch_stats, image, target, rng_dropout)
        return grads, stats, loss, logits

    def micro_step(carry, inputs):
        grads, stats, loss = carry
        image, target, rng = inputs
        (micro_loss, (stats, logits)), micro_grads = value_and_grad(trained, stats, image, target, rng)
        return (jax.tree.map(jnp.add, grads, micro_grads), stats, loss + micro_loss), logits

    # Micro-batch j takes rows j, j + k, ...: each device's share of the batch gives its share of every micro-batch.
    # With norm_block, what BatchNorm normalises together stays together.
    count, together = recipe.accumulate, math.lcm(_rows_together(recipe.mixer), recipe.norm_block or 1)
    split = [
        leaf.reshape(-1, count, together, *leaf.shape[1:]).swapaxes(0, 1).reshape(count, -1, *leaf.shape[1:])
        for leaf in (image, target)
    ]
    keys = jax.random.split(rng_dropout, recipe.accumulate)
    zeros = _own((jax.tree.map(jnp.zeros_like, equal), jnp.zeros(())), recipe.axis_name)
    start = (zeros[0], state.batch_stats, zeros[1])
    (grads, stats, loss), logits = jax.lax.scan(micro_step, start, (*split, keys))
    grads, loss = jax.tree.map(lambda leaf: leaf / recipe.accumulate, (grads, loss))
    logits = logits.reshape(count, -1, together, logits.shape[-1]).swapaxes(0, 1).reshape(len(image), -1)
    return grads, stats, loss, logits


def _mean_loss(losses: Array, mixer: Mixer | None) -> Array:
    """Return the mean of losses (batch,); with RegMixup that of clean examples plus eta times that of their mixtures.

    >>> float(_mean_loss(jnp.array([1.0, 10.0, 3.0, 20.0]), Mixer(draw=print, carry_out=print, eta=0.1)))
    3.5
    """
    if mixer is None or mixer.eta is None:
        return losses.mean()
    clean, mixed = losses.reshape(-1, 2).mean(axis=0)
    return clean + mixer.eta * mixed


def _own(tree: Any, axis_name: str | None) -> Any:
    """Mark equal values as each device's own, so that `jax.shard_map` leaves the sum over devices to `train_step`."""
    return tree if axis_name is None else jax.lax.pcast(tree, axis_name, to="varying")


def epoch_order(rng: Key[Array, ""], epoch: int | Int[Array, ""], n: int) -> Int32[Array, "n"]:
    """Return the order in which epoch `epoch` (0, 1, ...; may be traced) visits `n` images.

    >>> epoch_order(jax.random.key(0), 0, 5).tolist() == epoch_order(jax.random.key(0), 1, 5).tolist()
    False
    """
    return jax.random.permutation(jax.random.fold_in(rng, epoch), jnp.arange(n, dtype=jnp.int32))
