"""The compiled programs of a run: many training steps, the evaluation, and predictions; for all seeds, over the mesh.

Which images make up a batch is a function of (key, step), with no state to save. Epoch e visits the n images in the
order ``permutation(fold_in(rng, e), n)``. The orders of all epochs are laid end to end, and step s takes the positions
``[s * batch_size, (s + 1) * batch_size)`` of that stream. Every batch is full and every image is seen exactly k times
in k epochs. A program of many steps computes the orders of two epochs once, `two_epochs`, and slices them,
`take_indices`. With repeated augmentation the images of such a batch, a smaller one, are laid out several times:
`repeat_indices`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Int, Int32, Key

from mixup_jax.augment.standard import normalize
from mixup_jax.choices import NEIGHBOURS, Mixed, Mixing
from mixup_jax.data.dataset import Dataset
from mixup_jax.evaluation.classification import Answers, Sums, answer_batches, in_batches, score_batches
from mixup_jax.methods import neighbour_table, neighbours
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.runtime.devices.mesh import place, shard
from mixup_jax.runtime.resumable import NEVER
from mixup_jax.steps.many_seeds import map_over_seeds
from mixup_jax.steps.state import Recipe, TrainState, evaluated_variables, init_state
from mixup_jax.steps.train_step import Metrics, epoch_order, train_step
from mixup_jax.training.fsdp import in_parts, split_largest

Step = int | Int[Array, ""]


class Examples(NamedTuple):
    """Images, labels and, where partners are drawn from it, the table of each image's nearest neighbours."""

    image: Array
    label: Array
    table: Array | None = None

    def calls(self, step: int, count: int) -> Iterator[tuple["Examples", int]]:
        """Yield what the training program is called with, and for how many steps: all of them at once."""
        yield self, count

    def close(self) -> None:
        """Do nothing: only streams hold something open."""


class StreamedBatch(NamedTuple):
    """The batches of one step, decoded on the host (training/stream.py): (networks, batch, ...), over the mesh."""

    image: Array
    label: Array


class Batches(NamedTuple):
    """Padded batches to evaluate on, and the mask of the real examples; see `in_batches`."""

    image: Array
    label: Array
    mask: Array

    def parts(self) -> Iterator["Batches"]:
        """Yield what the evaluation program is called with: everything at once."""
        yield self


class Totals(NamedTuple):
    """Sums of the training metrics since the last evaluation, each (seeds,), and the first step that was not finite."""

    steps: Array
    loss: Array
    accuracy: Array
    bad_step: Array

    @classmethod
    def layout(cls, mesh: Mesh) -> "Totals":
        """Return how they lie: each process has all of `bad_step`, to look at it without asking the others."""
        by_seed = shard(mesh, "seed")
        return cls(by_seed, by_seed, by_seed, shard(mesh))  # pyright: ignore[reportArgumentType]

    @classmethod
    def zeros(cls, seeds: int) -> "Totals":
        """Start to count."""
        zero = jnp.zeros(seeds)
        return cls(zero, zero, zero, jnp.full(seeds, NEVER, jnp.int32))

    def add(self, metrics: Metrics, step: Array) -> "Totals":
        """Add the metrics of a step (of one seed)."""
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
        bad_step = jnp.minimum(self.bad_step, jnp.where(finite, NEVER, step))
        return Totals(self.steps + 1, self.loss + metrics["loss"], self.accuracy + metrics["accuracy"], bad_step)


@dataclass(frozen=True)
class Programs:
    """What the loop calls; every state has a leading axis over seeds."""

    init: Any
    """init(seeds (S,), given weights by their paths, the same for all seeds) -> state; {}: all are drawn"""
    train: Any
    """train(state, totals, alpha (S,), examples, count) -> state and totals after `count` more steps; with streamed
    batches in the place of the examples, one for each network, `count` must be 1"""
    evaluate: Any
    """evaluate(state, batches) -> sums of `classification.score`"""
    predict: Any
    """predict(state, batches) -> `classification.Answers`, (S, batches, batch) each"""


def make_programs(
    recipe: Recipe, mesh: Mesh, image_shape: tuple[int, ...], batch_size: int, *, fsdp: bool = False
) -> Programs:
    """Build the programs; they compile at their first call, and never again: `count` is traced.

    With `fsdp` states are split over the devices that share a batch; raises ValueError where that does nothing.
    """
    by_seed, replicated, platform = shard(mesh, "seed"), shard(mesh), mesh.devices.flat[0].platform
    blank = jnp.zeros((1, *image_shape), jnp.float32)

    def init(seed: Array, given: dict[str, Any]) -> TrainState:
        options = {"average": recipe.ema > 0, "frozen": recipe.frozen, "given": given}
        return init_state(seed, recipe.model, recipe.optimizer, blank, **options)

    layout: Any = by_seed
    if fsdp:
        one = jax.eval_shape(lambda: init(jnp.uint32(0), {}))
        layout, recipe = in_parts(recipe, mesh, one, "seed")
    train_one = _training(recipe, mesh, batch_size, fsdp=fsdp)
    evaluate, predict = _evaluation(recipe, mesh)

    def train(state: TrainState, totals: Totals, alpha: Array, examples: Examples | StreamedBatch, count: Array) -> Any:
        own_or_shared = 0 if isinstance(examples, StreamedBatch) else None
        return over_seeds(train_one, (0, 0, 0, own_or_shared, None))(state, totals, alpha, examples, count)

    def over_seeds(function: Callable, in_axes: tuple[int | None, ...]) -> Callable:
        if mesh.shape["seed"] == 1 and platform == "cpu":
            return map_over_seeds(function, in_axes)
        return jax.vmap(function, in_axes, spmd_axis_name="seed")

    compiled = partial(jax.jit, compiler_options=compiler_options(platform))
    return Programs(
        init=compiled(over_seeds(init, (0, None)), out_shardings=layout),
        train=compiled(train, out_shardings=(layout, Totals.layout(mesh)), donate_argnums=0),
        evaluate=compiled(over_seeds(evaluate, (0, None)), out_shardings=replicated),
        predict=compiled(over_seeds(predict, (0, None)), out_shardings=replicated),
    )


def _training(recipe: Recipe, mesh: Mesh, batch_size: int, *, fsdp: bool) -> Callable:
    """Return `Programs.train` of one network."""

    def take_batch(examples: Examples, index: Array, rng: Array) -> dict[str, Array]:
        batch = {"image": examples.image[index], "label": examples.label[index]}
        if examples.table is not None:
            partner = neighbours(rng, examples.table, index)
            batch |= {"partner_image": examples.image[partner], "partner_label": examples.label[partner]}
        return batch

    def batch_of_step(
        state: TrainState, examples: Examples | StreamedBatch, count: Array
    ) -> Callable[[Array], dict[str, Array]]:
        if isinstance(examples, StreamedBatch):
            return lambda step: examples._asdict()
        distinct = batch_size // recipe.repeats
        order, first_epoch = two_epochs(order_key(state.rng), state.step, distinct, len(examples.label), count)

        def batch_at(step: Array) -> dict[str, Array]:
            index = repeat_indices(take_indices(order, first_epoch, step, distinct), recipe.repeats)
            return take_batch(examples, index, jax.random.fold_in(neighbour_key(state.rng), step))

        return batch_at

    def train(state: TrainState, totals: Totals, alpha: Array, examples: Examples | StreamedBatch, count: Array) -> Any:
        batch_at = batch_of_step(state, examples, count)

        def body(_: Any, carry: tuple[TrainState, Totals]) -> tuple[TrainState, Totals]:
            state, totals = carry
            batch = jax.lax.with_sharding_constraint(batch_at(state.step), shard(mesh, "data"))
            new_state, metrics = train_step(state, batch, alpha, recipe)
            if fsdp:
                new_state = jax.lax.with_sharding_constraint(new_state, split_largest(mesh, new_state))
            return new_state, totals.add(metrics, state.step)

        return jax.lax.fori_loop(0, count, body, (state, totals))

    return train


def _evaluation(recipe: Recipe, mesh: Mesh) -> tuple[Callable, Callable]:
    """Return `Programs.evaluate` and `Programs.predict` of one network."""

    def logits_of(state: TrainState) -> Callable[[Array], Array]:
        def apply(image: Array) -> Array:
            image = jax.lax.with_sharding_constraint(image, shard(mesh, "data"))
            return predict_logits(recipe, state, image)

        return apply

    def evaluate(state: TrainState, batches: Batches) -> Sums:
        return score_batches(logits_of(state), *batches)

    def predict(state: TrainState, batches: Batches) -> Answers:  # not a part of `evaluate`: its sums keep their bits
        return answer_batches(logits_of(state), batches.image, batches.label)

    return evaluate, predict


def empty_totals(mesh: Mesh, networks: int) -> Totals:
    """Return empty totals of so many networks, laid out as the training program returns them."""
    return jax.tree.map(place, Totals.zeros(networks), Totals.layout(mesh))


def snapshot(mesh: Mesh, state: TrainState, totals: Totals, seconds: float) -> dict[str, Any]:
    """Return what a checkpoint holds: the state of all networks, their totals, and the time spent on them."""
    return {"state": state, "totals": totals, "seconds": place(np.float32(seconds), shard(mesh))}


def predict_logits(recipe: Recipe, state: TrainState, image: Array) -> Array:
    """Return the logits of uint8 images (batch, ...) with running statistics, or with the averages of all if kept."""
    variables = evaluated_variables(state)
    variables = variables | {"params": recipe.gather(variables["params"])}
    with recipe.precision():
        logits = recipe.model.apply(variables, normalize(image, recipe.mean, recipe.std), train=False)
    assert isinstance(logits, Array)
    return logits


def two_epochs(
    rng: Key[Array, ""], step: Step, batch_size: int, n: int, count: Step | None = None
) -> tuple[Int32[Array, "_"], Int32[Array, ""]]:
    """Return the orders of the epoch in which `step` begins and of the next, end to end (2n,), and that first epoch.

    They hold what `take_indices` needs for `step` and the steps after it whose positions stay within the two epochs,
    the next ``n // batch_size`` steps at least. `step` may be traced; ``(step + 1) * batch_size`` must stay below
    2**31. Where only `count` steps will be taken (may be traced) and they end within the first epoch, the second order
    is not drawn, but for a copy of the first in its place: a permutation is a sort, slow on a CPU.

    Raises ValueError unless ``1 <= batch_size <= n``.

    >>> order, first_epoch = two_epochs(jax.random.key(0), 7, batch_size=2, n=4)
    >>> order.shape, int(first_epoch)
    ((8,), 3)
    """
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size is {batch_size}; it must be between 1 and the {n} images of an epoch")
    first_epoch = _position(step, batch_size) // n
    first = epoch_order(rng, first_epoch, n)
    if count is None:
        second = epoch_order(rng, first_epoch + 1, n)
    else:
        reached = _position(step, batch_size) - first_epoch * n + _position(count, batch_size) > n
        second = jax.lax.cond(reached, lambda: epoch_order(rng, first_epoch + 1, n), lambda: first)
    return jnp.concatenate([first, second]), first_epoch


def take_indices(
    order: Int32[Array, "positions"], first_epoch: Step, step: Step, batch_size: int
) -> Int32[Array, "batch"]:
    """Return the indices of the images of `step`, given the result of `two_epochs` for this or an earlier step.

    The step's positions must lie within `order`: a slice outside of it is moved inside without a word, as a traced
    step cannot raise.

    >>> order, first_epoch = two_epochs(jax.random.key(0), 0, batch_size=3, n=4)
    >>> order[3:6].tolist() == take_indices(order, first_epoch, 1, 3).tolist()
    True
    """
    start = _position(step, batch_size) - jnp.asarray(first_epoch, jnp.int32) * (order.shape[0] // 2)
    return jax.lax.dynamic_slice(order, (start,), (batch_size,))


def repeat_indices(index: Int32[Array, "images"], repeats: int) -> Int32[Array, "batch"]:
    """Lay the images of a batch out `repeats` times, one after the other: each is augmented once in every copy.

    Repeated augmentation (Berman et al., arXiv 1902.05509). Copies of an image lie as far apart as there are images: a
    run of rows that is no longer holds none twice.

    >>> repeat_indices(jnp.array([7, 3], jnp.int32), 3).tolist()
    [7, 3, 7, 3, 7, 3]
    """
    return jnp.tile(index, repeats)


def _position(step: Step, batch_size: int) -> Int32[Array, ""]:
    """Return the first position of a step in the stream of all epochs."""
    return jnp.asarray(step, jnp.int32) * jnp.int32(batch_size)


def order_key(rng: Array) -> Array:
    """Return the key of the epochs' orders; steps fold their number, from 0, into the key itself."""
    return jax.random.fold_in(rng, 2**32 - 1)


def neighbour_key(rng: Array) -> Array:
    """Return the key from which each step draws neighbours, folding its number in."""
    return jax.random.fold_in(rng, 2**32 - 2)


def place_examples(mesh: Mesh, data: Dataset, mixing: Mixing) -> Examples:
    """Put the training set on every device, as uint8, and the table of neighbours where partners are such.

    Raises ValueError where there are too few images for the neighbours that are asked for.
    """
    arrays: list[Any] = [data.train_image, data.train_label]
    if isinstance(mixing, Mixed) and mixing.among_neighbours:
        count = mixing.neighbours or NEIGHBOURS
        labels = data.train_label if mixing.partner == "same_class_neighbours" else None
        try:
            arrays.append(neighbour_table(data.train_image, count, labels))
        except ValueError as error:
            raise ValueError(f"neighbours is {count}, too many for {data.name}: {error}") from None
    return Examples(*(place(array, shard(mesh)) for array in arrays))


def place_batches(mesh: Mesh, image: Any, label: Any, batch_size: int) -> Batches:
    """Put images to evaluate on the devices, each batch split along 'data'."""
    return Batches(*(place(array, shard(mesh, None, "data")) for array in in_batches(image, label, batch_size)))
