"""Losses against mixed labels, computed from the labels of both parents without a soft target.

A loss that is linear in the target ``lam * target_a + (1 - lam) * target_b`` equals ``lam * loss(target_a) + (1 - lam)
* loss(target_b)``, the form of the released code. `mixed_loss` uses this form for any other loss (CTC, sequences,
boxes). An example with a weight of exactly 0 adds nothing to a loss, whatever it holds.

This file imports jax and mixing.py: to use it in your own research, copy both and change the import of mixing.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.mixing import Mix, blend, checked, describe, on_any_mesh, take_partner, widened


def mixed_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    plan: Mix,
    other: ArrayLike | None = None,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """Softmax cross-entropy against mixed labels, from integer class ids: (batch,) float.

    ``lam * CE(logits, labels) + (1 - lam) * CE(logits, labels[partner])``, which equals the cross-entropy with the soft
    target ``mix(plan, one_hot(labels))``. `logits` is float (batch, classes), `labels` integer (batch,), `other` the
    labels of the other batch if the partners are in one. Half-precision logits are summed up in float32.

    An id that is no class, such as -1, adds nothing, like its one-hot row of zeros. `where`, bool (batch,), is False
    for the labels to ignore, in the example's own loss and in the losses of its partners.

    Raises TypeError if `labels` are not integers, `logits` not real or `where` not bool, ValueError if the lengths
    differ.

    >>> plan = Mix(lam=jnp.array([1.0, 0.5]), partner=jnp.array([1, 0]))
    >>> loss = mixed_cross_entropy(jnp.zeros((2, 10)), jnp.array([3, 7]), plan)
    >>> bool(jnp.allclose(loss, jnp.log(10)))
    True
    """
    logits, both, plan = _check(logits, labels, plan, other, where)

    logits -= jax.lax.stop_gradient(jnp.max(logits, axis=1, keepdims=True))  # the sum of large logits would round
    total = jax.nn.logsumexp(logits, axis=1)

    def loss(ids: Array, counted: Array) -> Array:
        logit, known = _logit(logits, ids)
        return jnp.where(known & counted, total - logit, 0)

    return _blend(plan, [loss(*labels) for labels in both])


def mixed_sigmoid_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    plan: Mix,
    other: ArrayLike | None = None,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """Sum over classes of the sigmoid cross-entropy against mixed labels: (batch,) float.

    `labels` are integer class ids (batch,) or, for several labels an example, float multi-hot (batch, classes), mixed
    linearly; for their union see `mixup_jax.methods.union`. An id that is no class means none of the classes, like a
    row of zeros; `where` leaves out an example's labels. Otherwise as `mixed_cross_entropy`.

    >>> plan = Mix(lam=jnp.array([1.0, 0.5]), partner=jnp.array([1, 0]))
    >>> loss = mixed_sigmoid_cross_entropy(jnp.zeros((2, 10)), jnp.array([3, 7]), plan)
    >>> bool(jnp.allclose(loss, 10 * jnp.log(2)))
    True
    """
    logits, both, plan = _check(logits, labels, plan, other, where, multi_hot=True)
    total = jnp.sum(jax.nn.softplus(logits), axis=1)

    def loss(labels: Array, counted: Array) -> Array:
        if labels.ndim == 2:
            wanted = labels.astype(logits.dtype)
            logit = jnp.sum(wanted * jnp.where((wanted == 0) & jnp.isinf(logits), 0, logits), axis=1)
        else:
            logit, known = _logit(logits, labels)
            logit = jnp.where(known, logit, 0)
        return jnp.where(counted, total - logit, 0)

    return _blend(plan, [loss(*labels) for labels in both])


def mixed_loss(loss: Callable[[Any], Array], labels: Any, plan: Mix, other: Any = None) -> Array:
    """Return ``lam * loss(labels) + (1 - lam) * loss(labels[partner])`` for any loss, one number an example: (batch,).

    `loss` takes labels and returns (batch,) or (batch, ...); it closes over the network's outputs for the mixed batch.
    Losses of 16 bits are mixed in float32 and keep their dtype; whole numbers and bool, such as ``predicted == labels``
    for an accuracy, are mixed as float32. `labels` is an array (batch, ...) of any dtype or a tree of arrays, such as
    token ids with their padding; `other`, a tree like `labels`, holds the partners' labels, as in `mix`.

    A parent with a weight of exactly 0 is replaced by the other parent, so that an infinite loss (a transcript longer
    than its audio) spoils neither the sum nor the gradient; the derivative by lambda is then 0.

    Raises TypeError if the loss is no function, ValueError for labels or losses that do not fit the plan.

    >>> plan = Mix(lam=jnp.array([1.0, 0.75]), partner=jnp.array([1, 0]))
    >>> mixed_loss(lambda label: (jnp.array([1.0, 2.0]) - label) ** 2, jnp.array([1.0, 4.0]), plan).tolist()
    [0.0, 3.25]
    """
    if not callable(loss):
        raise TypeError(f"loss must be a function of the labels, got {describe(loss)}: mixed_loss(loss, labels, plan).")
    plan = checked(plan, alone=other is None)

    def parents(leaf: Any, others: Any) -> tuple[Array, Array]:
        leaf, others = jnp.asarray(leaf), jnp.asarray(others)
        if leaf.shape[:1] != plan.lam.shape:
            raise ValueError(f"labels are {describe(leaf)}; the plan mixes a batch of {plan.lam.shape[0]}.")
        if others.shape[1:] != leaf.shape[1:] or others.dtype != leaf.dtype:
            raise ValueError(f"labels are {describe(leaf)}, but those of the partners are {describe(others)}.")

        def choose(plan: Mix, own: Array, others: Array) -> tuple[Array, Array]:
            partner, lam = take_partner(plan, others), plan.lam.reshape(-1, *[1] * (own.ndim - 1))
            return jnp.where(lam > 0, own, partner), jnp.where(lam < 1, partner, own)

        return on_any_mesh(choose, leaf)(plan, leaf, others)

    pairs = jax.tree.map(parents, labels, labels if other is None else other)
    losses = [jnp.asarray(loss(labels)) for labels in jax.tree.transpose(jax.tree.structure(labels), None, pairs)]
    for each in losses:
        if each.shape[:1] != plan.lam.shape:
            raise ValueError(f"loss must return one number an example, (batch,), got {describe(each)}.")
    return _blend(plan, losses)


def _blend(plan: Mix, losses: list[Array]) -> Array:
    dtype = losses[0].dtype if jnp.issubdtype(losses[0].dtype, jnp.inexact) else jnp.dtype(jnp.float32)
    own, partner = (each.astype(widened(dtype)) for each in losses)  # lambda in whole numbers would be 0 or 1
    lam = plan.lam.astype(own.dtype).reshape(-1, *[1] * (own.ndim - 1))
    return on_any_mesh(blend, own)(lam, own, partner).astype(dtype)


def _logit(logits: Array, ids: Array) -> tuple[Array, Array]:
    """Return the logit of an example's class, and whether the id is a class; if it is not, 0 and False."""
    ids = ids if ids.dtype.itemsize >= 4 else ids.astype(jnp.int32)
    known = (ids >= 0) & (ids < logits.shape[1])
    # a sum rather than a gather: XLA fuses it and partitions it by itself
    chosen = jnp.arange(logits.shape[1], dtype=jnp.int32)[None] == ids.astype(jnp.int32)[:, None]
    return jnp.sum(jnp.where(chosen, logits, 0), axis=1), known


def _check(
    logits: Any, labels: Any, plan: Mix, other: Any, where: Any, multi_hot: bool = False
) -> tuple[Array, list[tuple[Array, Array]], Mix]:
    """Validate the arguments; return logits of at least 32 bits, (labels, counted) of both parents, and the plan."""
    plan = checked(plan, alone=other is None)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    others = labels if other is None else jnp.asarray(other)
    multi_hot = multi_hot and labels.ndim == 2
    for name, ids in (("labels", labels), ("other", others)):
        if multi_hot and not jnp.issubdtype(ids.dtype, jnp.floating):
            raise TypeError(f"{name} must be float, got {describe(ids)}; multi-hot labels: labels.astype(jnp.float32).")
        if not multi_hot and not jnp.issubdtype(ids.dtype, jnp.integer):
            raise TypeError(
                f"{name} must be integer class ids, got {describe(ids)}; for soft labels mix them yourself."
            )
    if jnp.issubdtype(logits.dtype, jnp.complexfloating):
        raise TypeError(f"logits must be real numbers, got {describe(logits)}.")
    expected = logits.shape if multi_hot else logits.shape[:1]
    if logits.ndim != 2 or labels.shape != expected or labels.shape[:1] != plan.lam.shape:
        raise ValueError(
            f"logits (batch, classes), labels (batch,){' or like the logits' * multi_hot} and the plan must agree, "
            f"got {logits.shape}, {labels.shape} and a plan for {plan.lam.shape[0]}; for other shapes see mixed_loss."
        )
    if others.shape[1:] != labels.shape[1:] or others.ndim != labels.ndim:
        raise ValueError(f"other must be labels like {describe(labels)} of any length, got {describe(others)}.")
    counted = jnp.ones(len(labels), bool) if where is None else jnp.asarray(where)
    if counted.dtype != bool:
        raise TypeError(f"where must be bool (batch,), False for labels to ignore, got {describe(counted)}.")
    if counted.shape != plan.lam.shape:
        raise ValueError(f"where must be bool {plan.lam.shape}, got {describe(counted)}.")
    if where is not None and other is not None:
        raise ValueError("where says which labels count, not which of other: give those to ignore an id of -1.")
    floating = logits.dtype if jnp.issubdtype(logits.dtype, jnp.inexact) else jnp.float32
    both = [(labels, counted), (take_partner(plan, others), take_partner(plan, counted) if other is None else counted)]
    return logits.astype(widened(floating)), both, plan
