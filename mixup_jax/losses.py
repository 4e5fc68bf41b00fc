"""Losses against mixed labels from the labels themselves: no soft target is ever made.

Both losses are linear in the target, so that ``loss(target_a * lam + target_b * (1 - lam))`` is
``lam * loss(target_a) + (1 - lam) * loss(target_b)`` (the released code's two-label form).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.mixing import Mix, describe, mix, take_partner


def mixed_cross_entropy(logits: ArrayLike, labels: ArrayLike, plan: Mix, other: ArrayLike | None = None) -> Array:
    """Softmax cross-entropy against mixed labels, from integer class ids: (batch,) float.

    ``lam * CE(logits, labels) + (1 - lam) * CE(logits, labels[partner])``, which equals the cross-entropy with the soft
    target ``mix(plan, one_hot(labels))``. `logits` is float (batch, classes), `labels` integer (batch,), `other` the
    labels of the partners where they come from another batch. Half-precision logits are summed up in float32.

    Raises TypeError when `labels` are not integers, ValueError when the lengths differ.

    >>> plan = Mix(lam=jnp.array([1.0, 0.5]), partner=jnp.array([1, 0]))
    >>> loss = mixed_cross_entropy(jnp.zeros((2, 10)), jnp.array([3, 7]), plan)
    >>> bool(jnp.allclose(loss, jnp.log(10)))
    True
    """
    logits, own, partner = _check(logits, labels, plan, other)
    logits -= jax.lax.stop_gradient(jnp.max(logits, axis=1, keepdims=True))  # the sum of large logits would round
    return jax.nn.logsumexp(logits, axis=1) - _mean_logit(logits, own, partner, plan)


def mixed_sigmoid_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, plan: Mix, other: ArrayLike | None = None
) -> Array:
    """Sum over classes of the sigmoid cross-entropy against mixed labels: (batch,) float.

    `labels` are integer class ids (batch,) or, for several labels an example, float multi-hot (batch, classes), mixed
    linearly; for their union see `mixup_jax.methods.union`. Otherwise as `mixed_cross_entropy`.

    >>> plan = Mix(lam=jnp.array([1.0, 0.5]), partner=jnp.array([1, 0]))
    >>> loss = mixed_sigmoid_cross_entropy(jnp.zeros((2, 10)), jnp.array([3, 7]), plan)
    >>> bool(jnp.allclose(loss, 10 * jnp.log(2)))
    True
    """
    if jnp.ndim(labels) == 2:
        target = mix(plan, labels, other)
        logits = jnp.asarray(logits).astype(jnp.promote_types(jnp.asarray(logits).dtype, jnp.float32))
        if logits.shape != target.shape:
            raise ValueError(f"logits and labels must have the same shape, got {logits.shape} and {target.shape}.")
        return jnp.sum(jax.nn.softplus(logits) - target * logits, axis=1)
    logits, own, partner = _check(logits, labels, plan, other)
    return jnp.sum(jax.nn.softplus(logits), axis=1) - _mean_logit(logits, own, partner, plan)


def _mean_logit(logits: Array, own: Array, partner: Array, plan: Mix) -> Array:
    both = jnp.take_along_axis(logits, jnp.stack([own, partner], axis=1), axis=1)
    own_part = jnp.where(plan.lam > 0, plan.lam * both[:, 0], 0.0)  # 0 * -inf of a class that is masked out
    return own_part + jnp.where(plan.lam < 1, (1 - plan.lam) * both[:, 1], 0.0)


def _check(logits: Any, labels: Any, plan: Mix, other: Any) -> tuple[Array, Array, Array]:
    """Return logits of at least 32 bits, and the class ids of both parents."""
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    others = labels if other is None else jnp.asarray(other)
    for name, ids in (("labels", labels), ("other", others)):
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise TypeError(
                f"{name} must be integer class ids, got {describe(ids)}; for soft labels mix them yourself."
            )
    if labels.shape != plan.lam.shape or logits.ndim != 2 or logits.shape[:1] != labels.shape or others.ndim != 1:
        raise ValueError(
            f"logits (batch, classes), labels (batch,) and the plan must agree, "
            f"got {logits.shape}, {labels.shape} and a plan for {plan.lam.shape[0]}."
        )
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return logits, labels, take_partner(plan, others)
