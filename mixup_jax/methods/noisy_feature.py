"""Noisy feature mixup: mix, then disturb (Lim et al., ICLR 2022, arXiv 2110.02180, section 3).

x~ = (1 + sigma_mult * xi_mult) * (lam x_i + (1 - lam) x_j) + sigma_add * xi_add

The authors' experiments draw both sigmas anew for each batch, as a level times a number from Beta(2, 5); xi_add is
normal, xi_mult uniform between -1 and 1. The levels 0.4 and 0.2 are noise of 0.13 and 0.04, as roots of mean squares.
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

    `additive` and `multiplicative` are the levels of two independent noises, in units of `x` and relative to it, which
    `draw_sigmas` makes smaller for each batch; 0 switches one off, and both may be traced. alpha = 0 is noise without
    mixing. `x` may be hidden states (see `mix_at`); the other arguments, options and errors are those of `mixup`.

    >>> import jax.numpy as jnp
    >>> x, y = noisy_feature_mixup(jax.random.key(0), jnp.zeros((4, 3)), jnp.eye(4), 1.0, additive=0.1)
    >>> 0 < float(jnp.abs(x).mean()) < 1
    True
    """
    rng_mix, rng_noise = jax.random.split(rng)
    x, y = mixup(rng_mix, x, y, alpha, other=other, per=per, partner=partner, block=block)
    rng_sigma, rng_noise = jax.random.split(rng_noise)
    return add_noise(rng_noise, x, *draw_sigmas(rng_sigma, additive, multiplicative)), y


def draw_sigmas(rng: Array, additive: ArrayLike, multiplicative: ArrayLike) -> tuple[Array, Array]:
    """Draw how strong the noises of a batch are: each level times a number from Beta(2, 5), whose mean is 2/7.

    >>> bool(draw_sigmas(jax.random.key(0), 0.4, 0.2)[0] < 0.4)
    True
    """
    # the second smallest of six is Beta(2, 5)
    share = jnp.sort(jax.random.uniform(rng, (2, 6), jnp.float32), axis=1)[:, 1]
    return share[0] * jnp.asarray(additive, jnp.float32), share[1] * jnp.asarray(multiplicative, jnp.float32)


def add_noise(rng: Array, tree: X, additive: ArrayLike, multiplicative: ArrayLike) -> X:
    """Return ``(1 + multiplicative * uniform(-1, 1)) * leaf + additive * normal`` for each leaf, in its dtype."""
    leaves, structure = jax.tree.flatten(tree)
    sigmas = jnp.stack([jnp.asarray(each, jnp.float32) for each in (additive, multiplicative)])[:, None]
    noisy = []
    for index, leaf in enumerate(leaves):
        # drawn flat: many dimensions compile slowly on a CPU
        rng_add, rng_multiply = jax.random.split(jax.random.fold_in(rng, index))
        normal = jax.random.normal(rng_add, (1, leaf.size), jnp.float32)
        uniform = jax.random.uniform(rng_multiply, (1, leaf.size), jnp.float32, minval=-1)
        noise = (sigmas * jnp.concatenate([normal, uniform])).astype(widened(leaf.dtype))
        add, multiply = noise.reshape(2, *leaf.shape)
        noisy.append(((1 + multiply) * leaf.astype(add.dtype) + add).astype(leaf.dtype))
    return jax.tree.unflatten(structure, noisy)
