"""Noisy feature mixup: mix, then disturb (Lim et al., ICLR 2022, arXiv 2110.02180, section 3).

x~ = (1 + sigma_mult * xi_mult) * (lam x_i + (1 - lam) x_j) + sigma_add * xi_add
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.mixing import X, Y, mixup, widened


def noisy_feature_mixup(
    rng: Array,
    x: X,
    y: Y,
    alpha: ArrayLike,
    *,
    other: tuple[Any, Any] | None = None,
    additive: ArrayLike = 0.4,
    multiplicative: ArrayLike = 0.2,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[X, Y]:
    """Mix a batch with itself, then add noise to the inputs, not to the labels.

    `additive` and `multiplicative` are the standard deviations of two independent normal noises, in units of `x` and
    relative to it; 0 switches one off, and both may be traced. alpha = 0 is noise without mixing. `x` may be hidden
    states (see `mix_at`); the other arguments, options and errors are those of `mixup`.

    >>> import jax.numpy as jnp
    >>> x, y = noisy_feature_mixup(jax.random.key(0), jnp.zeros((4, 3)), jnp.eye(4), 1.0, additive=0.1)
    >>> 0 < float(jnp.abs(x).mean()) < 1
    True
    """
    rng_mix, rng_noise = jax.random.split(rng)
    x, y = mixup(rng_mix, x, y, alpha, other=other, per=per, partner=partner, block=block)
    return add_noise(rng_noise, x, additive, multiplicative), y


def add_noise(rng: Array, tree: X, additive: ArrayLike, multiplicative: ArrayLike) -> X:
    """Return ``(1 + multiplicative * normal) * leaf + additive * normal`` for each leaf, in its dtype."""
    leaves, structure = jax.tree.flatten(tree)
    deviations = jnp.stack([jnp.asarray(each, jnp.float32) for each in (additive, multiplicative)])[:, None]
    noisy = []
    for index, leaf in enumerate(leaves):
        # drawn flat: many dimensions compile slowly on a CPU
        noise = jax.random.normal(jax.random.fold_in(rng, index), (2 * leaf.size,), jnp.float32)
        add, multiply = (deviations * noise.reshape(2, -1)).astype(widened(leaf.dtype)).reshape(2, *leaf.shape)
        noisy.append(((1 + multiply) * leaf.astype(add.dtype) + add).astype(leaf.dtype))
    return jax.tree.unflatten(structure, noisy)
