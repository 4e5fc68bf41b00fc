"""k-mixup: mix groups of k examples along their optimal matching (Greenewald et al., TMLR 2023, arXiv 2106.02933).

x~_i = lam x_i + (1 - lam) x'_s(i)        s = argmin over permutations of sum_i ||x_i - x'_s(i)||^2

Near examples meet near ones, so that clusters and manifolds in the data keep their shape; k = 1 is mixup.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike

from mixup_jax.mixing import describe, on_any_mesh


def optimal_partners(rng: Array, x: ArrayLike, k: int, other: ArrayLike | None = None) -> Array:
    """Draw partners from group to group, by optimal transport: int32 (batch,), for ``draw(..., partner=...)``.

    The batch is split at random into groups of `k`; each is matched one to one with another of the groups, drawn so
    that each has its turn once, such that the sum of squared Euclidean distances is least. `x` is floating-point or
    uint8 (batch, ...), inputs or features of them; distances are computed in float32. Of `other`, a second batch of the
    same shape, if given, come the groups to be matched with: then mix with ``other=`` it, as in the paper, which draws
    both sides independently. Larger k means nearer partners; a larger alpha makes up for it. With k = 1 and
    no `other` an example never meets itself.

    Cost: ``batch * k`` distances, and a sequential ``k^3`` matching, all groups at once.

    Needs Optax, ``pip install optax``.

    Raises TypeError for other dtypes, ValueError where k does not divide the batch or leaves a single group and no
    other, or `other` has not the shape of `x`.

    >>> from mixup_jax import draw, mix
    >>> x = jnp.array([0.0, 0.1, 5.0, 5.1])
    >>> plan = draw(jax.random.key(1), 4, alpha=1.0, partner=optimal_partners(jax.random.key(0), x, k=2))
    >>> mix(plan, x).shape
    (4,)
    """
    own = jnp.asarray(x)
    others = own if other is None else jnp.asarray(other)
    _check(own, others, k, alone=other is None)
    size = own.shape[0]
    rng_own, rng_other = jax.random.split(rng)
    groups = jax.random.permutation(rng_own, size).astype(jnp.int32).reshape(-1, k)
    if other is None:  # the groups are random, so that the next one is a random one
        their_groups = jnp.roll(groups, 1, axis=0)
    else:
        their_groups = jax.random.permutation(rng_other, size).astype(jnp.int32).reshape(-1, k)

    def match(own: Array, others: Array, groups: Array, their_groups: Array) -> Array:
        matched = jax.vmap(lambda mine, theirs: theirs[_match(own[mine], others[theirs])])(groups, their_groups)
        return jnp.zeros(size, jnp.int32).at[groups.reshape(size)].set(matched.reshape(size))

    return on_any_mesh(match, own, 1)(own, others, groups, their_groups)


def _match(x: Array, others: Array) -> Array:
    """Return for each of k examples the one of k others that it is matched with: (k,)."""
    x, others = (each.astype(jnp.float32).reshape(each.shape[0], -1) for each in (x, others))
    centre = jnp.mean(others, axis=0, keepdims=True)  # an offset that all share would cost digits
    x, others = x - centre, others - centre
    squares = [jnp.sum(each**2, axis=1) for each in (x, others)]
    cost = squares[0][:, None] + squares[1][None] - 2 * jnp.dot(x, others.T, precision="highest")
    row, column = _hungarian(cost)
    return jnp.zeros_like(column).at[row].set(column)


def _hungarian(cost: Array) -> tuple[Array, Array]:
    """Call Optax, whose loops know neither 64 bits, nor strict promotion, nor the manual axes of a `shard_map`."""
    import optax  # here: all other methods need jax alone

    def match(cost: Array) -> tuple[Array, Array]:
        with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
            return optax.assignment.hungarian_algorithm(cost)

    if jax.sharding.get_abstract_mesh().manual_axes:
        match = jax.shard_map(match, in_specs=P(), out_specs=P(), axis_names=set(), check_vma=False)
    return match(cost)


def _check(own: Array, others: Array, k: int, alone: bool) -> None:
    for name, array in (("x", own), ("other", others)):
        if array.dtype != jnp.uint8 and not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"{name} must be floating-point or uint8 features, got {describe(array)}.")
    if own.ndim == 0 or own.shape != others.shape:
        raise ValueError(f"x and other must be batches of the same shape, got {describe(own)} and {describe(others)}.")
    if k < 1 or own.shape[0] % k:
        raise ValueError(f"k must divide the batch, got {k} and a batch of {own.shape[0]}.")
    if alone and own.shape[0] < 2 * k:
        raise ValueError(f"k must leave two groups or more, got {k} and a batch of {own.shape[0]}; or give other.")
