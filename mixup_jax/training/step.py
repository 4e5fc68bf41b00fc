"""One step of vicinal risk minimisation. Pure: no devices, no files, no clock; `jit`, `vmap`, a mesh happen outside."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.data.augment import normalize, pad_crop_flip
from mixup_jax.methods import choose, draw_cutmix
from mixup_jax.mixing import Mix, draw, mix
from mixup_jax.optim import Schedule
from mixup_jax.training.state import TrainState

Batch = dict[str, Array]
Metrics = dict[str, Array]


@dataclass(frozen=True)
class Recipe:
    """What a step does, apart from numbers that may be traced: fixed when the program is built."""

    model: nn.Module
    optimizer: optax.GradientTransformation
    schedule: Schedule
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad_crop: int = 0
    flip: bool = False
    method: str = "mixup"
    cutmix_alpha: float = 1.0
    probability: Schedule | None = None
    """Of mixing at all, as a function of the step; None is always."""
    per: str = "batch"
    partner: str = "permutation"
    block: int | None = None
    label_smoothing: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    axis_name: str | None = None


def train_step(state: TrainState, batch: Batch, alpha: ArrayLike, recipe: Recipe) -> tuple[TrainState, Metrics]:
    """Take one step on a batch of uint8 images ``batch["image"]`` (batch, ...) and class ids ``batch["label"]``.

    `alpha` may be traced: a schedule, or a vmap over values. Inside `jax.pmap` or `jax.shard_map`, `recipe.axis_name`
    names the axis over which the batch is split; gradients, BatchNorm and metrics are averaged over it.
    """
    rng_augment, rng_mix, rng_dropout = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
    image, target, plan = vicinal_batch(rng_augment, rng_mix, batch, alpha, state.step, recipe)
    if recipe.axis_name is not None:
        rng_dropout = jax.random.fold_in(rng_dropout, jax.lax.axis_index(recipe.axis_name))
    grads, batch_stats, loss, logits = _mean_gradients(state, image, target, rng_dropout, recipe)

    label = batch["label"]
    hit = jnp.argmax(logits, axis=-1)[:, None] == jnp.stack([label, label[plan.partner]], axis=1)
    accuracy = jnp.mean(plan.lam * hit[:, 0] + (1 - plan.lam) * hit[:, 1])
    if recipe.axis_name is not None:
        grads, loss, accuracy = jax.lax.pmean((grads, loss, accuracy), recipe.axis_name)

    lr = recipe.schedule(state.step)
    direction, opt_state = recipe.optimizer.update(grads, state.opt_state, state.params)
    params = jax.tree.map(lambda p, d: p - lr * d, state.params, direction)
    average = state.average
    if average is not None:
        average = optax.incremental_update(params, average, 1 - recipe.ema)
    new_state = TrainState(state.step + 1, state.rng, params, batch_stats, opt_state, average)
    return new_state, {"loss": loss, "accuracy": accuracy, "grad_norm": optax.tree.norm(grads)}


def vicinal_batch(
    rng_augment: Array, rng_mix: Array, batch: Batch, alpha: ArrayLike, step: ArrayLike, recipe: Recipe
) -> tuple[Array, Array, Mix]:
    """Draw from the vicinal distribution (paper, section 2): float32 images, soft labels, and the plan that made them.

    As in the released code, images are augmented and normalised first, then mixed.
    """
    size, *image_size = batch["image"].shape[:3]
    if recipe.axis_name is None:
        rows = jnp.arange(size)
        plan = draw_plan(rng_mix, (size, *image_size), alpha, step, recipe)
    else:
        if recipe.block is None or size % recipe.block:
            raise ValueError(f"block must divide each device's {size} examples under pmap, got {recipe.block}.")
        rows = jax.lax.axis_index(recipe.axis_name) * size + jnp.arange(size)
        plan = draw_plan(rng_mix, (size * jax.lax.axis_size(recipe.axis_name), *image_size), alpha, step, recipe)
        mask = None if plan.mask is None else plan.mask[rows]
        plan = Mix(plan.lam[rows], plan.partner[rows] - rows[0], plan.block, mask)
    image = pad_crop_flip(rng_augment, batch["image"], pad=recipe.pad_crop, flip=recipe.flip, positions=rows)
    image = normalize(image, recipe.mean, recipe.std)
    target = optax.smooth_labels(jax.nn.one_hot(batch["label"], recipe.classes), recipe.label_smoothing)
    # Constants of the normalisation multiplied into lambda would round differently on another number of devices.
    image, target = mix(plan, jax.lax.optimization_barrier((image, target)))
    return image, target, plan


def draw_plan(rng: Array, size: Any, alpha: ArrayLike, step: ArrayLike, recipe: Recipe) -> Mix:
    """Draw the plan of a step for images of `size` (batch, height, width): mixup, CutMix, one of them, or nothing."""
    options = {"per": recipe.per, "partner": recipe.partner, "block": recipe.block}
    if recipe.method == "mixup" and recipe.probability is None:
        return draw(rng, size[0], alpha, **options)
    rng_mixup, rng_cutmix, rng_choose = jax.random.split(rng, 3)
    plans = []
    if recipe.method in ("mixup", "switch"):
        plans.append(draw(rng_mixup, size[0], alpha, **options))
    if recipe.method in ("cutmix", "switch"):
        plans.append(draw_cutmix(rng_cutmix, size, recipe.cutmix_alpha, **options))
    probability = 1.0 if recipe.probability is None else recipe.probability(step)
    return choose(rng_choose, plans, jnp.full(len(plans), probability / len(plans)), per=recipe.per)


def _mean_gradients(
    state: TrainState, image: Array, target: Array, rng_dropout: Array, recipe: Recipe
) -> tuple[Any, Any, Array, Array]:
    """Return gradients, new batch statistics, mean loss and logits of a mixed batch, in micro-batches if asked for."""

    def loss_fn(params, batch_stats, image, target, rng):
        logits, updated = recipe.model.apply(
            {"params": params, "batch_stats": batch_stats},
            image,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": rng},
        )
        loss = optax.softmax_cross_entropy(logits, target).mean()
        return loss, (updated.get("batch_stats", {}), logits)

    value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
    params = _own(state.params, recipe.axis_name)
    if recipe.accumulate == 1:
        (loss, (stats, logits)), grads = value_and_grad(params, state.batch_stats, image, target, rng_dropout)
        return grads, stats, loss, logits

    def micro_step(carry, inputs):
        grads, stats, loss = carry
        image, target, rng = inputs
        (micro_loss, (stats, logits)), micro_grads = value_and_grad(params, stats, image, target, rng)
        return (jax.tree.map(jnp.add, grads, micro_grads), stats, loss + micro_loss), logits

    # Micro-batch j takes rows j, j + k, ...: each device's share of the batch gives its share of every micro-batch.
    split = [leaf.reshape(-1, recipe.accumulate, *leaf.shape[1:]).swapaxes(0, 1) for leaf in (image, target)]
    keys = jax.random.split(rng_dropout, recipe.accumulate)
    zeros = _own((jax.tree.map(jnp.zeros_like, state.params), jnp.zeros(())), recipe.axis_name)
    start = (zeros[0], state.batch_stats, zeros[1])
    (grads, stats, loss), logits = jax.lax.scan(micro_step, start, (*split, keys))
    grads, loss = jax.tree.map(lambda leaf: leaf / recipe.accumulate, (grads, loss))
    return grads, stats, loss, logits.swapaxes(0, 1).reshape(len(image), -1)


def _own(tree: Any, axis_name: str | None) -> Any:
    """Mark equal values as each device's own, so that `jax.shard_map` leaves the sum over devices to `train_step`."""
    return tree if axis_name is None else jax.lax.pcast(tree, axis_name, to="varying")
