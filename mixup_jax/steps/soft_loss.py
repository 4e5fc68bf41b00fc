"""The loss of the training: of logits against soft targets, mixed and smoothed before."""

import jax.numpy as jnp
import optax
from jax import Array

from mixup_jax.choices import BinaryCrossEntropy, Loss


def soft_loss(loss: Loss, logits: Array, target: Array) -> Array:
    """Return the loss of each example, (batch,) float, from float logits and targets, both (batch, classes).

    The cross-entropy of a softmax; or of a sigmoid for each class, its mean over the classes or its sum, against the
    targets or against 1 where they are above a threshold (arXiv 2110.00476, section 3.1; 2204.07118 for 0).

    Raises TypeError for targets that are no soft labels, such as class ids.

    >>> target = jnp.array([[0.7, 0.3, 0.0]])
    >>> both = soft_loss(BinaryCrossEntropy(sum_classes=True, target_threshold=0.2), jnp.zeros((1, 3)), target)
    >>> bool(jnp.allclose(both, 3 * jnp.log(2)))
    True
    """
    if target.shape != logits.shape or not jnp.issubdtype(target.dtype, jnp.floating):
        raise TypeError(
            f"target must be soft labels, float {logits.shape}, got {target.dtype} {target.shape}; "
            "of class ids: jax.nn.one_hot(ids, classes)."
        )
    if not isinstance(loss, BinaryCrossEntropy):
        return optax.softmax_cross_entropy(logits, target)
    if loss.target_threshold is not None:
        target = (target > loss.target_threshold).astype(target.dtype)
    each = optax.sigmoid_binary_cross_entropy(logits, target)
    return each.sum(axis=-1) if loss.sum_classes else each.mean(axis=-1)
