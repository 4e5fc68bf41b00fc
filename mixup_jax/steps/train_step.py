"""One step of vicinal risk minimisation. Pure: no devices, no files, no clock; `jit`, `vmap`, a mesh happen outside."""

import math
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods import mix_at
from mixup_jax.methods.latent import INPUT
from mixup_jax.steps.frozen import keep_frozen, trained_part, whole
from mixup_jax.steps.mixed_batch import Batch, mean_loss, mixed_batch, rows_together
from mixup_jax.steps.state import Recipe, TrainState, update_average

Metrics = dict[str, Array]


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
        loss = mean_loss(recipe.loss(logits, target), recipe.mixer)
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
    count, together = recipe.accumulate, math.lcm(rows_together(recipe.mixer), recipe.norm_block or 1)
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


def _own(tree: Any, axis_name: str | None) -> Any:
    """Mark equal values as each device's own, so that `jax.shard_map` leaves the sum over devices to `train_step`."""
    return tree if axis_name is None else jax.lax.pcast(tree, axis_name, to="varying")
