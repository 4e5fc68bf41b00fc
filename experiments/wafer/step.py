"""One training step on wafer maps, pure: a balanced batch of maps with one defect, mixed by the mode, and SGD.

It differs from `train_step` of steps/train_step.py in three things: labels are sets (multi-hot, a loss with a sigmoid
per class), classes are balanced, and the two channels of a map mix by different rules. State, optimiser, schedule and
mixing are the same.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.wafer.config import MapMixing, WaferConfig
from experiments.wafer.maps import WaferMaps, channels
from experiments.wafer.mix_maps import Batch, mix_maps, without_background
from mixup_jax.models import build
from mixup_jax.steps.optim import direction, learning_rate
from mixup_jax.steps.state import Rate, TrainState

FLIPS = (lambda maps: maps[..., ::-1, :], lambda maps: maps[..., ::-1], lambda maps: maps.swapaxes(-2, -1))
"""Flips of maps (..., size, size) that together make the eight symmetries of a square."""


class TrainingMaps(NamedTuple):
    """Training maps on the device, ordered by class: maps uint8, labels float, first index and size of each class.

    `defect` holds the maps without their background if only defects are laid over other maps, else None.
    """

    maps: Array
    label: Array
    start: Array
    count: Array
    defect: Array | None = None


@dataclass(frozen=True)
class WaferRecipe:
    """The constants of a step, fixed when the program is built."""

    model: nn.Module
    optimizer: optax.GradientTransformation
    schedule: Rate
    composing: MapMixing
    turns: bool
    average: bool
    batch_size: int
    defects: tuple[str, ...]


def make_wafer_recipe(config: WaferConfig, defects: tuple[str, ...]) -> WaferRecipe:
    """Return the recipe of a configuration; its schedule counts steps, not epochs."""
    return WaferRecipe(
        model=build(config.model, len(defects) + config.none_class, config.compute_dtype),
        optimizer=direction(config.optimizer),
        schedule=learning_rate(config.schedule, config.optimizer.lr, 1.0, config.steps),
        composing=config.composing,
        turns=config.data.turns,
        average=config.data.turns and config.data.average,
        batch_size=config.batch_size,
        defects=defects,
    )


def make_training_maps(maps: WaferMaps, normal: bool, background: str = "add", *, mixed: bool = False) -> TrainingMaps:
    """Order maps with one defect, and maps without one if `normal`, by class.

    With the background "match", also compute them without their background. With `mixed`, every set of defects is a
    class. Raises ValueError for a class without maps and, unless `mixed`, for maps with several defects.
    """
    maps = maps.with_normal(normal)
    if mixed:
        return _ordered(maps, np.unique(maps.label, axis=0, return_inverse=True)[1].ravel(), background)
    if maps.number.max() > 1:
        raise ValueError(f"{maps.name}: training maps must have one defect, got {int(maps.number.max())}.")
    classes = np.where(maps.number == 0, len(maps.defects), maps.label.argmax(axis=1))
    names = [*maps.defects, "Normal"][: len(maps.defects) + normal]
    count = np.bincount(classes, minlength=len(names))
    if not count.all():
        empty = ", ".join(name for name, number in zip(names, count, strict=True) if not number)
        raise ValueError(f"{maps.name}: there is no training map of {empty}; every class needs one.")
    return _ordered(maps, classes, background)


def _ordered(maps: WaferMaps, classes: np.ndarray, background: str) -> TrainingMaps:
    """Order maps by their classes, int (n,)."""
    order, count = np.argsort(classes, kind="stable"), np.bincount(classes)
    start = np.cumsum(count) - count
    label = maps.label[order].astype(np.float32)
    arrays = (maps.maps[order], label, start.astype(np.int32), count.astype(np.int32))
    defect = None if background == "add" else jnp.asarray(without_background(arrays[0]))
    return TrainingMaps(*map(jnp.asarray, arrays))._replace(defect=defect)


def wafer_step(state: TrainState, training: TrainingMaps, recipe: WaferRecipe) -> tuple[TrainState, dict[str, Array]]:
    """Take one step; the batch and its mixing are functions of the key and the step of the state."""
    rng_batch, rng_compose, rng_dropout = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
    batch = take_batch(rng_batch, training, recipe.batch_size, recipe.turns)
    batch = mix_maps(rng_compose, batch, recipe.composing, recipe.defects)
    image = jnp.stack([batch["fail"], batch["exists"]], axis=-1)

    def loss_fn(params: Any) -> tuple[Array, Any]:
        variables = {"params": params, "batch_stats": state.batch_stats}
        rngs = {"dropout": rng_dropout}
        logits, updated = recipe.model.apply(variables, image, train=True, mutable=["batch_stats"], rngs=rngs)
        return set_loss(logits, batch["label"], recipe.composing.head), updated.get("batch_stats", {})

    (loss, batch_stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    update, opt_state = recipe.optimizer.update(grads, state.opt_state, state.params)
    lr = recipe.schedule(state.step)
    params = jax.tree.map(lambda p, d: p - lr * d, state.params, update)
    new_state = TrainState(state.step + 1, state.rng, params, batch_stats, opt_state, None)
    return new_state, {"loss": loss, "grad_norm": optax.tree.norm(grads)}


def set_loss(logits: Array, label: Array, head: str) -> Array:
    """Return the mean loss of logits (batch, defects) for labels (batch, defects), mixed or sets.

    With a softmax, each of k labels has the target 1/k; a further logit is for no defect, whose target is what the
    defects leave of 1. With sigmoids, the losses of the classes are summed.

    >>> logits, both = jnp.zeros((1, 4)), jnp.array([[1.0, 1.0, 0.0, 0.0]])
    >>> [round(float(set_loss(logits, both, head) / jnp.log(2)), 3) for head in ("softmax", "sigmoid")]
    [2.0, 4.0]
    """
    if head == "softmax":
        if logits.shape[1] > label.shape[1]:
            label = jnp.concatenate([label, jax.nn.relu(1 - label.sum(axis=1, keepdims=True))], axis=1)
        return optax.softmax_cross_entropy(logits, label / label.sum(axis=1, keepdims=True)).mean()
    return optax.sigmoid_binary_cross_entropy(logits, label).sum(axis=1).mean()


def take_batch(rng: Array, training: TrainingMaps, size: int, turns: bool) -> Batch:
    """Draw a batch: for each example a class, then a map of the class, both uniformly."""
    rng_class, rng_map, rng_turn = jax.random.split(rng, 3)
    of = jax.random.randint(rng_class, (size,), 0, training.count.shape[0])
    index = training.start[of] + jax.random.randint(rng_map, (size,), 0, training.count[of])

    def take(maps: Array) -> Array:
        return channels(random_symmetry(rng_turn, maps[index]) if turns else maps[index])

    both = take(training.maps)
    batch = {"fail": both[..., 0], "exists": both[..., 1], "label": training.label[index]}
    return batch if training.defect is None else batch | {"defect": take(training.defect)[..., 0]}


def random_symmetry(rng: Array, maps: Array) -> Array:
    """Apply a random symmetry of the square to each map (see `symmetries`).

    >>> maps = jnp.arange(4, dtype=jnp.uint8).reshape(1, 2, 2)
    >>> sorted(random_symmetry(jax.random.key(1), maps).ravel().tolist())
    [0, 1, 2, 3]
    """
    flips = jax.random.bernoulli(rng, 0.5, (3, maps.shape[0], 1, 1))
    for flip, other in zip(flips, FLIPS, strict=True):
        maps = jnp.where(flip, other(maps), maps)
    return maps


def symmetries(maps: Array) -> Array:
    """Return maps (n, size, size) under the eight symmetries of the square, (8, n, size, size), the identity first.

    >>> len(set(map(str, symmetries(jnp.arange(4).reshape(1, 2, 2)).tolist())))
    8
    """
    turned = maps[None]
    for other in FLIPS:
        turned = jnp.concatenate([turned, other(turned)])
    return turned
