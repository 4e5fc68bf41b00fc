"""The k nearest neighbours of every example of a data set, once: what `neighbours` draws partners from.

The paper mixes with one of 200 neighbours in its ablation (section 3.8, table 5); SMOTE is the same inside a class.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from mixup_jax.mixing import describe, on_any_mesh

EXACT_FEATURES = 2**15 - 1
"""Above this many bytes an example a squared distance may not fit 31 bits."""


def neighbour_table(features: ArrayLike, k: int, labels: ArrayLike | None = None, block: int = 1024) -> Array:
    """Return the `k` nearest neighbours of each example, nearest first and without itself: int32 (n, k).

    `features` is (n, ...), uint8 (raw pixels, as in the paper) or floating-point; the distance is Euclidean over all
    but the first axis. With `labels`, integer (n,), neighbours are of the same class. Of equally distant examples the
    one with the lower index comes first. Distances of uint8 features (up to 32,767 an example) are whole numbers and
    exact: the table is the same on any device. Others are computed in float32, after the mean was taken off, and
    neighbours whose squared distances differ by less than some 1e-6 of the squared norm may come in either order.

    Memory: (`block`, n) distances at a time. Cost: ``n * n`` times the features, on 2 CPU cores minutes for CIFAR.
    Where it cannot be seen (labels traced) that a class has no k + 1 examples, an example fills its row with itself.

    Raises TypeError for features of other dtypes and labels that are not integers, ValueError for a k that is not in
    1..n-1, a block below 1, labels that are not (n,), or a class with fewer than k + 1 examples.

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
