"""RegMixup: the mixed batch as a regulariser beside the clean one (Pinto et al., NeurIPS 2022, arXiv 2206.14502).

loss = CE(f(x), y) + eta * CE(f(x~), y~)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.mixing import X, Y, mixup


def regmixup(
    rng: Array,
    x: X,
    y: Y,
    alpha: ArrayLike = 20.0,
    *,
    other: tuple[Any, Any] | None = None,
    eta: ArrayLike = 1.0,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[X, Y, Array]:
    """Return a batch of twice the length, the clean examples and then the mixed ones, and a weight for each loss.

    One forward pass sees both halves, so that BatchNorm normalises them together, as in the paper's code. The loss is
    ``mean(weight * cross_entropy(logits, y))``: the weights, float32 (2 * batch,), are 2 and ``2 * eta``, so that the
    mean over twice as many examples is the sum of the two means. `alpha` is large here: most pairs are mixed in about
    equal parts. The other arguments, options and errors are those of `mixup`.

    >>> x, y, weight = regmixup(jax.random.key(0), jnp.eye(4), jnp.eye(4), eta=0.5)
    >>> x.shape, weight.tolist()
    ((8, 4), [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    """
    clean, mixed = (x, y), mixup(rng, x, y, alpha, other=other, per=per, partner=partner, block=block)
    x, y = jax.tree.map(lambda *pair: jnp.concatenate([jnp.asarray(leaf) for leaf in pair]), clean, mixed)
    size = len(jax.tree.leaves(y)[0]) // 2
    return x, y, jnp.repeat(jnp.stack([2.0, 2.0 * jnp.asarray(eta, jnp.float32)]), size)
