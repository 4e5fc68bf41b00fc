"""Stochastic depth (Huang et al., arXiv 1603.09382): leave out what a block adds, example by example, when training."""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Rule = Literal["linear", "uniform"]


class StochasticDepth(nn.Module):
    """Set examples to zero with probability `rate` when training, and scale the others by ``1 / (1 - rate)``.

    Put it around what a block adds to its input. Without `rescale` nothing is scaled when training (MLP-Mixer in
    big_vision), nor afterwards. Needs ``rngs={"dropout": key}`` when training, unless `rate` is 0. Whether an example
    is left out depends on the key and on its place in the batch, not on the size of the batch.

    >>> y = StochasticDepth(0.5).apply({}, jnp.ones((8, 3)), train=True, rngs={"dropout": jax.random.key(0)})
    >>> sorted(set(y.sum(axis=1).tolist()))
    [0.0, 6.0]
    """

    rate: float
    rescale: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "batch *shape"], train: bool) -> Float[Array, "batch *shape"]:
        """Leave out examples of `x`."""
        if not train or self.rate == 0.0:
            return x
        keep = jax.random.bernoulli(self.make_rng("dropout"), 1.0 - self.rate, (len(x),))
        kept: Any = 1.0 / (1.0 - self.rate) if self.rescale else 1.0
        factor = jnp.where(keep, kept, 0.0).astype(x.dtype)
        return x * factor.reshape(-1, *(1,) * (x.ndim - 1))


def rates(rate: float, blocks: int, rule: Rule = "linear") -> tuple[float, ...]:
    """Return the rate of each block: from 0 at the first to `rate` at the last (timm, big_vision), or `rate` at all.

    Huang et al. begin at ``rate / blocks``.

    >>> rates(0.2, 3), rates(0.2, 3, "uniform")
    ((0.0, 0.1, 0.2), (0.2, 0.2, 0.2))
    """
    if rule == "uniform":
        return (rate,) * blocks
    return tuple(rate * i / max(1, blocks - 1) for i in range(blocks))
