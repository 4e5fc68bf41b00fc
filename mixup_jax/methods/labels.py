"""What becomes of the labels, other than the linear mixture (``mix(plan, y)``; also for regression targets).

`union` and `threshold` make sets of labels, for losses with a sigmoid per class; `larger` is the paper's "mix inputs
only" (table 5). All of them follow the plan's lambda, which for a pasted region is its share of the image.
"""

import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from mixup_jax.mixing import Mix, checked, describe, on_any_mesh, take_partner


def union(plan: Mix, y: ArrayLike, other: ArrayLike | None = None) -> Array:
    """Return the labels of both parents: the maximum over those that are really there.

    A parent with a weight of exactly 0 has no part in the picture, nor in its labels. `y` is multi-hot (batch, ...) of
    any dtype, or smoothed: the maximum of two smoothed labels is smoothed, it does not switch on every class. `other`
    are the labels of the partners where they come from another batch or the whole data set.

    Raises TypeError for class ids, integers (batch,); ValueError where `y`, `other` and the plan do not fit.

    >>> plan = Mix(lam=jnp.array([0.9, 1.0]), partner=jnp.array([1, 0]))
    >>> union(plan, jnp.array([[1, 0, 0], [0, 0, 1]])).tolist()
    [[1, 0, 1], [0, 0, 1]]
    """
    own, partner, lam = parents(plan, y, other)
    return maximum(own, lam > 0, partner, lam < 1)


def threshold(plan: Mix, y: ArrayLike, at: ArrayLike, other: ArrayLike | None = None) -> Array:
    """Return the labels that make up a share of at least `at`: of a parent with that weight, or of both parents.

    For labels of 0 and 1 that is ``mix(plan, y) >= at``. `at` in [0, 1] may be traced; 0 is `union`, above 0.5 there
    may be no label left. `y`, `other` and the errors are those of `union`; also ValueError for an `at` that is not a
    scalar or, where it can be seen, out of range.

    >>> plan = Mix(lam=jnp.array([0.9, 0.6]), partner=jnp.array([1, 0]))
    >>> threshold(plan, jnp.array([[1, 0, 0], [0, 0, 1]]), at=0.25).tolist()
    [[1, 0, 0], [1, 0, 1]]
    """
    if jnp.ndim(at) != 0:
        raise ValueError(f"at must be a scalar, got shape {jnp.shape(at)}; vmap over several values.")
    if not isinstance(at, Tracer) and not 0 <= float(at) <= 1:  # pyright: ignore[reportArgumentType]
        raise ValueError(f"at must be in [0, 1], got {at}.")
    own, partner, lam = parents(plan, y, other)
    one = maximum(own, (lam > 0) & (lam >= at), partner, (lam < 1) & (1 - lam >= at))
    return jnp.maximum(one, jnp.minimum(own, partner))


def larger(plan: Mix, y: ArrayLike, other: ArrayLike | None = None) -> Array:
    """Return the labels of the parent that weighs more, of the example itself in a tie (table 5, "mix inputs only").

    `y` is (batch, ...) of any dtype, class ids too; `other` as in `union`. With smoothing, smooth before or after.

    Raises ValueError where `y`, `other` and the plan do not fit.

    >>> plan = Mix(lam=jnp.array([0.9, 0.2]), partner=jnp.array([1, 0]))
    >>> larger(plan, jnp.array([3, 7])).tolist()
    [3, 3]
    """
    own, partner, lam = parents(plan, y, other, ids=True)
    return on_any_mesh(lambda lam, own, partner: jnp.where(lam >= 0.5, own, partner), own)(lam, own, partner)


def maximum(own: Array, own_counts: Array, partner: Array, partner_counts: Array) -> Array:
    """Return the maximum over those of two parents that count; 0 if none does."""
    nothing = jnp.zeros_like(own)
    return jnp.maximum(jnp.where(own_counts, own, nothing), jnp.where(partner_counts, partner, nothing))


def parents(
    plan: Mix, y: ArrayLike, other: ArrayLike | None, name: str = "y", ids: bool = False
) -> tuple[Array, Array, Array]:
    """Return both parents of each example, and lambda in a shape that goes with them; `ids` allows class ids."""
    plan, own = checked(plan, alone=other is None), jnp.asarray(y)
    others = own if other is None else jnp.asarray(other)
    if not ids and own.ndim == 1 and jnp.issubdtype(own.dtype, jnp.integer):
        raise TypeError(f"{name} holds class ids ({describe(own)}); one-hot them: jax.nn.one_hot(ids, classes).")
    if own.ndim == 0 or own.shape[0] != plan.lam.shape[0]:
        raise ValueError(f"{name} is {describe(own)}; the plan mixes a batch of {plan.lam.shape[0]}.")
    if others.shape[1:] != own.shape[1:] or others.dtype != own.dtype:
        raise ValueError(f"{name} is {describe(own)}, but its partners are {describe(others)}.")
    return own, take_partner(plan, others), plan.lam.reshape(-1, *[1] * (own.ndim - 1))
