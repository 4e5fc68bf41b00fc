"""PyTorch's default initialisation, which is what the published ResNet numbers were trained from.

Weights and biases alike are uniform in ``+-1/sqrt(fan_in)``. The numbers are drawn as one long vector and then shaped:
the same bits, but XLA's CPU backend takes seven times longer to compile a draw of four dimensions.
"""

import math

import jax
import jax.numpy as jnp
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
    bound = fan_in**-0.5

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
