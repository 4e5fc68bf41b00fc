"""PyTorch's default initialisation, which is what the published ResNet numbers were trained from."""

import jax
import jax.numpy as jnp
from jax.nn import initializers
from jaxtyping import Array, Float

# Variance 1/(3 fan_in) is U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for convolutions and dense layers alike.
kernel_init = initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def bias_init(fan_in: int) -> initializers.Initializer:
    """Return an initialiser of biases, uniform in ``+-1/sqrt(fan_in)`` (torch's `nn.Linear`).

    A bias does not know how many inputs its layer has, so the layer says it.

    >>> bias = bias_init(100)(jax.random.key(0), (1000,))
    >>> bool(abs(bias).max() <= 0.1), bool(abs(bias).max() > 0.09)
    (True, True)
    """
    bound = fan_in**-0.5

    def init(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
        return jax.random.uniform(key, shape, dtype or jnp.float32, -bound, bound, out_sharding=out_sharding)

    return init
