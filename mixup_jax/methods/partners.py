"""Partners that are not simply random: int32 (batch,), for ``draw(rng, size, alpha, partner=...)``.

The ablation of the paper (table 5) asks who should be mixed with whom: all classes or the same class (AC, SC), random
pairs or nearest neighbours (RP, KNN). With a table from `neighbour_table`:

    AC + RP    draw(rng, size, alpha)
    SC + RP    draw(rng, size, alpha, partner=same_class(rng_partner, labels))
    AC + KNN   draw(rng, size, alpha, partner=neighbours(rng_partner, table, index)), then mix(plan, x, other=train_x)
    SC + KNN   the same, with a table of neighbours of the same class

A second batch is a partner too: ``mix(draw(rng, size, alpha, partner=jnp.arange(size)), x, other=x2)`` mixes the
examples of two batches in their order.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from mixup_jax.mixing import describe, on_any_mesh


def same_class(rng: Array, labels: ArrayLike) -> Array:
    """Draw partners of the same class: a uniform permutation inside each class of the batch (table 5, SC + RP).

    `labels` is integer (batch,). As with a permutation of the batch an example may meet itself, and must where it is
    the only one of its class.

    Raises TypeError for labels that are not integers, ValueError unless they are (batch,).

    >>> same_class(jax.random.key(0), jnp.array([3, 5, 3, 7])).tolist() in ([0, 1, 2, 3], [2, 1, 0, 3])
    True
    """
    labels = _class_ids(labels)

    def shuffle(rng: Array, labels: Array) -> Array:
        order = jnp.argsort(labels)  # stable: the same examples class by class, once in order and once shuffled
        shuffled = jax.random.permutation(rng, labels.shape[0])
        shuffled = shuffled[jnp.argsort(labels[shuffled])]
        return jnp.zeros_like(order, jnp.int32).at[order].set(shuffled.astype(jnp.int32))

    return on_any_mesh(shuffle, labels)(rng, labels)


def different_class(rng: Array, labels: ArrayLike) -> Array:
    """Draw partners of another class: each uniform among the batch's examples of other classes.

    `labels` is integer (batch,). The draws are independent: an example may be the partner of several. In a batch of one
    class each example is its own partner.

    Raises what `same_class` raises.

    >>> different_class(jax.random.key(0), jnp.array([3, 5, 3])).tolist() in ([1, 0, 1], [1, 2, 1])
    True
    """
    labels = _class_ids(labels)
    size = labels.shape[0]

    def pick(rng: Array, labels: Array) -> Array:
        order = jnp.argsort(labels).astype(jnp.int32)
        start, end = (jnp.searchsorted(labels[order], labels, side=side) for side in ("left", "right"))
        start, end = start.astype(jnp.int32), end.astype(jnp.int32)
        others = size - (end - start)
        # the examples of the other classes, counted from the end of one's own class and around the batch
        steps = jax.random.randint(rng, (size,), 0, jnp.maximum(others, 1), jnp.int32)
        return jnp.where(others > 0, order[(end + steps) % size], jnp.arange(size, dtype=jnp.int32))

    return on_any_mesh(pick, labels)(rng, labels)


def neighbours(rng: Array, table: ArrayLike, index: ArrayLike) -> Array:
    """Draw one of the k nearest neighbours of each example, uniformly (table 5, KNN; there k is 200).

    `table` is integer (dataset, k), from `neighbour_table`; `index`, integer (batch,), says which examples of the data
    set the batch holds. The result are rows of the data set, not of the batch: mix with ``other=`` the whole data set,
    and with no `block`. An index outside of the table cannot raise and takes the last row.

    Raises TypeError for a table or an index that are not integers, ValueError for other shapes.

    >>> neighbours(jax.random.key(0), jnp.array([[1], [2], [0]]), jnp.array([2, 0])).tolist()
    [0, 1]
    """
    table, index = _integers("table", table, "(dataset, k)", 2), _integers("index", index, "(batch,)", 1)
    if 0 in table.shape:
        raise ValueError(f"table must have at least one row and one neighbour, got {describe(table)}.")
    choice = jax.random.randint(rng, index.shape, 0, table.shape[1], jnp.int32)

    def look_up(table: Array, index: Array, choice: Array) -> Array:
        return table.at[index.astype(jnp.int32), choice].get(mode="clip").astype(jnp.int32)

    return on_any_mesh(look_up, index)(table, index, choice)


def by_label_distance(rng: Array, y: ArrayLike, bandwidth: ArrayLike, other: ArrayLike | None = None) -> Array:
    """Draw partners with similar labels, for regression (C-Mixup, Yao et al., NeurIPS 2022, arXiv 2210.05775, eq. 6).

    ``P(j | i)`` is proportional to ``exp(-||y_i - y_j||^2 / (2 * bandwidth^2))``; an example may be its own partner, as
    in the paper. `y` is float (batch,) or (batch, d), `bandwidth` > 0 in units of `y` and may be traced: infinity is
    uniform. `other`, the labels of the whole training set for one, (n,) or (n, d), is where the partners come from (as
    in the paper); then mix with ``other=`` its inputs.

    Memory: some four times batch x n float32 numbers. 65,536 rows at once, without `other`, ask for 64 GiB: draw the
    partners of a batch at a time, with `other` the labels of all.

    Raises TypeError for labels that are not floating-point, ValueError for other shapes, a bandwidth that is not a
    scalar or, where it can be seen, not positive.

    >>> by_label_distance(jax.random.key(0), jnp.array([0.0, 5.0, 9.0]), bandwidth=0.1).tolist()
    [0, 1, 2]
    """
    own, others = jnp.asarray(y), jnp.asarray(y if other is None else other)
    for name, array in (("y", own), ("other", others)):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"{name} must be floating-point targets, got {describe(array)}.")
        if array.ndim not in (1, 2) or array.shape[1:] != own.shape[1:] or 0 in array.shape:
            raise ValueError(f"y and other must be (n,) or (n, d) with the same d, got {own.shape} and {others.shape}.")
    if jnp.ndim(bandwidth) != 0:
        raise ValueError(f"bandwidth must be a scalar, got shape {jnp.shape(bandwidth)}; vmap over several values.")
    if not isinstance(bandwidth, Tracer) and not float(bandwidth) > 0:  # pyright: ignore[reportArgumentType]
        raise ValueError(f"bandwidth must be > 0, got {bandwidth}.")

    def pick(rng: Array, own: Array, others: Array, bandwidth: Array) -> Array:
        own, others = (each.astype(jnp.float32).reshape(each.shape[0], 1, -1) for each in (own, others))
        distance = jnp.sum(((own - others.swapaxes(0, 1)) / bandwidth) ** 2, axis=-1)
        return jax.random.categorical(rng, -distance / 2, axis=1).astype(jnp.int32)

    return on_any_mesh(pick, own, 1)(rng, own, others, jnp.asarray(bandwidth, jnp.float32))


def _class_ids(labels: ArrayLike) -> Array:
    return _integers("labels", labels, "(batch,)", 1)


def _integers(name: str, value: ArrayLike, shape: str, ndim: int) -> Array:
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"{name} must be integers {shape}, got {describe(array)}.")
    if array.ndim != ndim:
        raise ValueError(f"{name} must be {shape}, got {describe(array)}.")
    return array
