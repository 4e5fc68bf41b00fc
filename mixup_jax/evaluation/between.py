"""The behaviour of a network between two training examples (the paper, figure 2), as pure functions.

Both are evaluated at ``x = lam x_i + (1 - lam) x_j``; ``logits_fn(x) -> (batch, classes)``.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mixup_jax.evaluation.classification import predicted_class

LogitsFn = Callable[[Array], Array]
Scalar = Literal["max_logit", "loss", "jacobian"]


def misses(logits: Array, label_i: Array, label_j: Array) -> Array:
    """Return whether the prediction is neither of the two labels (figure 2a): bool (batch,).

    >>> misses(jnp.eye(3), jnp.array([0, 0, 0]), jnp.array([0, 1, 1])).tolist()
    [False, False, True]
    """
    predicted = predicted_class(logits)
    return (predicted != label_i) & (predicted != label_j)


def gradient_norms(logits_fn: LogitsFn, x: Array, target: Array, scalar: Scalar = "max_logit") -> Array:
    """Return the Euclidean norm of the gradient with respect to each input (figure 2b): float32 (batch,).

    The paper does not name the differentiated function. `scalar` is "max_logit", the largest logit; "loss", the
    cross-entropy with the soft labels `target` (batch, classes); or "jacobian", the Frobenius norm over all logits.
    Examples must not influence each other: evaluate with running statistics.

    Raises ValueError for another `scalar`.

    >>> weights = jnp.array([[3.0, 0.0], [4.0, 1.0]])
    >>> gradient_norms(lambda x: x @ weights, jnp.ones((1, 2)), jnp.eye(2)[:1]).tolist()
    [5.0]
    """
    if scalar == "jacobian":
        classes = target.shape[-1]
        rows = jax.vmap(lambda c: jnp.square(_norms(lambda x: jnp.sum(logits_fn(x)[:, c]), x)))(jnp.arange(classes))
        return jnp.sqrt(jnp.sum(rows, axis=0))
    if scalar == "max_logit":
        return _norms(lambda x: jnp.sum(jnp.max(logits_fn(x), axis=-1)), x)
    if scalar == "loss":
        return _norms(lambda x: jnp.sum(optax.softmax_cross_entropy(logits_fn(x), target)), x)
    raise ValueError(f"scalar must be max_logit, loss or jacobian, got {scalar!r}.")


def _norms(total: Callable[[Array], Array], x: Array) -> Array:
    gradient = jax.grad(total)(x)
    return jnp.sqrt(jnp.sum(jnp.square(gradient).reshape(len(x), -1), axis=1))
