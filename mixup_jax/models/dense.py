"""A fully connected layer whose weights and biases start as PyTorch's do."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.initializers import bias_init, kernel_init


def dense(
    x: Float[Array, "batch inputs"], features: int, name: str, dtype: Any = jnp.float32
) -> Float[Array, "batch features"]:
    """Apply a fully connected layer, of the module that calls, under this name; `dtype` is its inputs' and result's."""
    layer = nn.Dense(features, dtype=dtype, kernel_init=kernel_init, bias_init=bias_init(x.shape[-1]), name=name)
    return layer(x)
