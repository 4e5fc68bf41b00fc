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

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
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
    uniform. A label that is NaN, not known, is no partner of others, and its own is any that is known. `other`, the
    labels of the whole training set for one, (n,) or (n, d), is where the partners come from (as in the paper); then
    mix with ``other=`` its inputs.

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
        distance = jnp.where(jnp.isnan(own).any(axis=2), 0, distance)  # a NaN distance would be the largest
        unknown = jnp.isnan(others).any(axis=(1, 2))[None]
        return jax.random.categorical(rng, jnp.where(unknown, -jnp.inf, -distance / 2), axis=1).astype(jnp.int32)

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


EXACT_FEATURES = 2**15 - 1
"""Above this many bytes an example a squared distance may not fit 31 bits."""
LONGEST = 1e18
"""An example that is longer may have squared distances that overflow float32."""


def neighbour_table(features: ArrayLike, k: int, labels: ArrayLike | None = None, block: int = 1024) -> Array:
    """Return the `k` nearest neighbours of each example, nearest first and without itself: int32 (n, k).

    `features` is (n, ...), uint8 (raw pixels, as in the paper) or floating-point; the distance is Euclidean over all
    but the first axis. With `labels`, integer (n,), neighbours are of the same class. Of equally distant examples the
    one with the lower index comes first. Distances of uint8 features (up to 32,767 an example) are whole numbers and
    exact: the table is the same on any device. Others are computed in float32, after the mean was taken off, and
    neighbours whose squared distances differ by less than some 1e-6 of the squared norm may come in either order.
    Traced features with a NaN make every example its own neighbour.

    Memory: (`block`, n) distances at a time. Cost: ``n * n`` times the features, on 2 CPU cores minutes for CIFAR.
    Where it cannot be seen (labels traced) that a class has no k + 1 examples, an example fills its row with itself.

    Raises TypeError for features of other dtypes and labels that are not integers, ValueError for a k that is not in
    1..n-1, a block below 1, labels that are not (n,), or a class with fewer than k + 1 examples; and, where it can be
    seen, for features that are not finite or so large that their squares are not.

    >>> neighbour_table(jnp.array([0.0, 1.0, 3.0, 7.0]), k=2).tolist()
    [[1, 2], [0, 2], [1, 0], [2, 1]]
    >>> neighbour_table(jnp.array([0.0, 1.0, 3.0, 7.0]), k=1, labels=jnp.array([0, 1, 1, 0])).tolist()
    [[3], [2], [1], [0]]
    """
    features = jnp.asarray(features)
    labels = None if labels is None else jnp.asarray(labels)
    _check(features, k, labels, block)
    table = partial(_table, k=k, block=min(block, features.shape[0]))
    return on_any_mesh(table, features, 1)(features.reshape(features.shape[0], -1), labels=labels)


@partial(jax.jit, static_argnames=("k", "block"))
def _table(features: Array, *, k: int, labels: Array | None, block: int) -> Array:
    size = features.shape[0]
    exact = features.dtype == jnp.uint8 and features.shape[1] <= EXACT_FEATURES
    features = features.astype(jnp.float32)
    features -= 128 if exact else jnp.mean(features, axis=0, keepdims=True)
    row = jnp.arange(size, dtype=jnp.int32)

    def nearest(index: Array) -> Array:
        distance = _distances(features[index], features, exact)
        excluded = index[:, None] == row[None]
        if labels is not None:
            excluded |= labels[index][:, None] != labels[None]
        value, neighbour = jax.lax.top_k(jnp.where(excluded, -jnp.inf, -distance), k)
        return jnp.where(value > -jnp.inf, neighbour, index[:, None]).astype(jnp.int32)

    blocks = -(-size // block)
    index = jnp.minimum(jnp.arange(blocks * block, dtype=jnp.int32), size - 1).reshape(blocks, block)
    return jax.lax.map(nearest, index).reshape(-1, k)[:size]


def _distances(some: Array, every: Array, exact: bool) -> Array:
    """Return squared distances, or numbers in the same order: float32 (len(some), len(every))."""
    if not exact:
        norms = [jnp.sum(each**2, axis=1) for each in (some, every)]
        return norms[0][:, None] + norms[1][None] - 2 * jnp.dot(some, every.T, precision="highest")
    total = jnp.zeros((some.shape[0], every.shape[0]), jnp.int32)
    for start in range(0, every.shape[1], 1024):  # float32 holds a sum of 1024 products without rounding
        a, b = some[:, start : start + 1024], every[:, start : start + 1024]
        norms = [jnp.sum(each**2, axis=1).astype(jnp.int32) for each in (a, b)]
        product = jnp.dot(a, b.T, precision="highest").astype(jnp.int32)
        total += norms[0][:, None] + norms[1][None] - 2 * product
    # Integers sort slowly on a CPU, and float32 would round them. The bit patterns of positive floats are in the order
    # of their values: read the integers as such patterns, 2**23 up, past the numbers that may be flushed to zero.
    return jax.lax.bitcast_convert_type(total + 2**23, jnp.float32)


def _check(features: Array, k: int, labels: Array | None, block: int) -> None:
    if features.dtype != jnp.uint8 and not jnp.issubdtype(features.dtype, jnp.floating):
        raise TypeError(f"features must be uint8 or floating-point, got {describe(features)}.")
    size = features.shape[0] if features.ndim else 0
    if not 1 <= k < size:
        raise ValueError(f"k must be from 1 to one less than the number of examples, got {k} and {describe(features)}.")
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}.")
    if features.dtype != jnp.uint8 and not isinstance(features, Tracer) and features.is_fully_addressable:
        longest = float(jnp.max(jnp.abs(features))) * (features.size / size) ** 0.5
        if not longest < LONGEST:
            raise ValueError(f"features must be finite and below {LONGEST:g} in length, got up to {longest:g}.")
    if labels is None:
        return
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"labels must be integers ({size},), got {describe(labels)}.")
    if labels.shape != (size,):
        raise ValueError(f"labels must be ({size},), got {describe(labels)}.")
    if not isinstance(labels, Tracer):
        classes, counts = np.unique(np.asarray(labels), return_counts=True)
        if counts.min() <= k:
            few = counts.argmin()
            raise ValueError(f"k is {k}, but class {classes[few]} has {counts[few]} examples; it needs k + 1.")
