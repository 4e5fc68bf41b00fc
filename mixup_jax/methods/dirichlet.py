"""Mixing of more than two examples with Dirichlet weights (the paper, section 2: no further gain, more computation)."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import rows_alike
from mixup_jax.mixing import Mix, X, draw, mix


def draw_dirichlet(
    rng: Array,
    size: int,
    alpha: ArrayLike,
    *,
    examples: int = 3,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> list[Mix]:
    """Draw weights ``w ~ Dirichlet(alpha, ..., alpha)`` of `examples` examples, as ``examples - 1`` plans in a row.

    A convex combination of many is a chain of convex combinations of two: the k-th plan gives what was mixed so far
    the weight ``(w_0 + ... + w_k-1) / (w_0 + ... + w_k)``; `mix_all` carries the chain out. With two examples this is
    mixup. alpha = 0 leaves the batch alone.

    Each plan has partners of its own: "permutation" or "derangement" are drawn anew for each of them, and integers
    (examples - 1, batch) give them all. The rest are options of `mixup_jax.draw`.

    Raises what `draw` raises, and ValueError for fewer than 2 examples, partners of another number of examples, and
    "roll" or "flip" with more than 2 examples, all but the first of which would be the same.

    >>> plans = draw_dirichlet(jax.random.key(0), 4, alpha=1.0, examples=3)
    >>> weights = mix_all(plans, jnp.eye(4))
    >>> bool(jnp.allclose(weights.sum(axis=1), 1.0)), int((weights[0] > 0).sum()) <= 3
    (True, True)
    """
    if examples < 2:
        raise ValueError(f"examples must be at least 2, got {examples}.")
    if examples > 2 and isinstance(partner, str) and partner in ("roll", "flip"):
        raise ValueError(f"partner {partner!r} would be the same example {examples - 1} times; give integers.")
    policies = [partner] * (examples - 1) if isinstance(partner, str) else list(jnp.asarray(partner))
    if len(policies) != examples - 1:
        raise ValueError(f"partner must be integers ({examples - 1}, {size}), got {len(policies)} rows.")
    rng_weight, *keys = jax.random.split(rng, examples)
    plans = [  # their partners; the weights are drawn below
        draw(key, size, alpha, per=per, partner=policy, block=block) for key, policy in zip(keys, policies, strict=True)
    ]
    alpha = jnp.asarray(alpha, jnp.float32)
    positive, alike = jnp.where(alpha > 0, alpha, 1.0), rows_alike(size, per, block)
    log_gamma = jax.random.loggamma(
        rng_weight, positive, (size // alike, examples), jnp.float32
    )  # in logs: no 0 / 0 at small alpha
    so_far = jax.lax.cumlogsumexp(log_gamma, axis=1)
    share = jnp.exp(so_far[:, :-1] - so_far[:, 1:])
    share = jnp.where(alpha > 0, share, jnp.where(alpha == 0, 1.0, jnp.nan))
    return [Mix(jnp.repeat(share[:, k], alike), plan.partner, block) for k, plan in enumerate(plans)]


def mix_all(plans: list[Mix], tree: X, other: Any = None) -> X:
    """Mix a tree by several plans in a row; partners are always those of the tree as it was given, or of `other`."""
    mixed, others = tree, tree if other is None else other
    for plan in plans:
        mixed = mix(plan, mixed, others)
    return mixed
