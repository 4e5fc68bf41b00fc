"""PyTorch's default initialisation, which is what the published ResNet numbers were trained from.

Weights and biases alike are uniform in ``+-1/sqrt(fan_in)``. The numbers are drawn as one long vector and then shaped:
the same bits, but XLA's CPU backend takes seven times longer to compile a draw of four dimensions.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import initializers
from jaxtyping import Array, Float


def kernel_init(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
    """Draw a kernel whose last axis is its outputs; all others are the inputs of one of them.

    >>> kernel = kernel_init(jax.random.key(0), (5, 5, 4, 10))
    >>> kernel.shape, bool(abs(kernel).max() <= 0.1), bool(abs(kernel).max() > 0.09)
    ((5, 5, 4, 10), True, True)
    """
    return bias_init(math.prod(shape[:-1]))(key, shape, dtype, out_sharding)


def bias_init(fan_in: int) -> initializers.Initializer:
    """Return an initialiser of biases; a bias does not know how many inputs its layer has, so the layer says it.

    >>> bias = bias_init(100)(jax.random.key(0), (1000,))
    >>> bool(abs(bias).max() <= 0.1), bool(abs(bias).max() > 0.09)
    (True, True)
    """
    return uniform(fan_in**-0.5)


def uniform(bound: float) -> initializers.Initializer:
    """Return an initialiser of numbers uniform in +-`bound`."""

    def init(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
        flat = jax.random.uniform(key, (math.prod(shape),), dtype or jnp.float32, -bound, bound)
        return jnp.reshape(flat, shape, out_sharding=out_sharding)

    return init


def he_normal(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
    """Draw a normal kernel with standard deviation ``sqrt(2 / fan_in)`` (He et al., arXiv 1502.01852).

    >>> kernel = he_normal(jax.random.key(0), (3, 3, 100, 20))
    >>> bool(abs(kernel.std() * 450**0.5 - 1) < 0.02)
    True
    """
    return _normal(math.sqrt(2 / math.prod(shape[:-1])), key, shape, dtype, out_sharding)


def he_normal_fan_out(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
    """Draw a normal kernel with standard deviation ``sqrt(2 / fan_out)``, fan_out = height * width * outputs.

    >>> kernel = he_normal_fan_out(jax.random.key(0), (3, 3, 100, 20))
    >>> bool(abs(kernel.std() * 90**0.5 - 1) < 0.02)
    True
    """
    return _normal(math.sqrt(2 / (math.prod(shape[:-2]) * shape[-1])), key, shape, dtype, out_sharding)


def normal(std: float) -> initializers.Initializer:
    """Return an initialiser of normal numbers with mean 0 and this standard deviation.

    >>> bool(abs(normal(0.01)(jax.random.key(0), (100, 100)).std() - 0.01) < 0.0003)
    True
    """

    def init(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
        return _normal(std, key, shape, dtype, out_sharding)

    return init


def _normal(std: float, key, shape, dtype, out_sharding) -> Float[Array, "..."]:
    flat = std * jax.random.normal(key, (math.prod(shape),), dtype or jnp.float32)
    return jnp.reshape(flat, shape, out_sharding=out_sharding)


def dense(
    x: Float[Array, "batch inputs"], features: int, name: str, dtype: Any = jnp.float32
) -> Float[Array, "batch features"]:
    """Apply a fully connected layer, of the module that calls, under this name; `dtype` is its inputs' and result's."""
    layer = nn.Dense(features, dtype=dtype, kernel_init=kernel_init, bias_init=bias_init(x.shape[-1]), name=name)
    return layer(x)


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


def adaptive_avg_pool(x: Float[Array, "batch height width channels"], size: int) -> Float[Array, "batch n n channels"]:
    """Average images into `size` x `size` bins; bin i covers the rows floor(i H / size) to ceil((i + 1) H / size) - 1.

    Bins overlap where `size` does not divide the height, and repeat pixels where the image is smaller; the same goes
    for columns. Sums are in float32, the result has the dtype of `x`.

    >>> adaptive_avg_pool(jnp.arange(3.0).reshape(1, 3, 1, 1), 2)[0, :, 0, 0].tolist()
    [0.5, 1.5]
    """
    if x.shape[1:3] == (size, size):
        return x
    rows, columns = (jnp.asarray(_bins(length, size)) for length in x.shape[1:3])
    pooled = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x.astype(jnp.float32), precision="highest")
    return pooled.astype(x.dtype)


def _bins(length: int, size: int) -> np.ndarray:
    """Return the weight of each pixel in each bin, float32 (size, length)."""
    weight = np.zeros((size, length), np.float32)
    for i in range(size):
        start, stop = i * length // size, -(-(i + 1) * length // size)
        weight[i, start:stop] = 1 / (stop - start)
    return weight
