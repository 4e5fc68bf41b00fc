"""Dropout (Srivastava et al., 2014)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Dropout(nn.Module):
    """Set units to zero with probability `rate` when training, and scale the others by ``1 / (1 - rate)``.

    As `flax.linen.Dropout`, bit for bit, but the mask is drawn as one long vector and then shaped: XLA's CPU backend
    takes seven times longer to compile a draw of four dimensions. Needs ``rngs={"dropout": key}`` when training,
    unless `rate` is 0.

    >>> x = jnp.ones((2, 3))
    >>> Dropout(0.5).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)}).tolist()
    [...2.0...]
    >>> Dropout(0.5).apply({}, x, train=False).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"], train: bool) -> Float[Array, "*shape"]:
        """Drop units of `x`."""
        if not train or self.rate == 0.0:
            return x
        keep = jax.random.bernoulli(self.make_rng("dropout"), 1.0 - self.rate, (x.size,)).reshape(x.shape)
        return jnp.where(keep, x / (1.0 - self.rate), 0.0)
