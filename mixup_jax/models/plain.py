"""What AlexNet and VGG share: convolutions in a row, and what classifies after them."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Initializer
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.convolution import conv_general_dilated
from mixup_jax.models.layers.torch_layers import (
    Dropout,
    adaptive_avg_pool,
    bias_init,
    he_normal_fan_out,
    kernel_init,
    normal,
)
from mixup_jax.models.preact_resnet import Hidden, Image


class Stage(nn.Module):
    """Convolve with bias and rectify, once for each of `layers`, then take the largest of each `pool` x `pool` pixels.

    `layers` are (features, size, stride, padding) of each convolution. `pool` 1 pools nothing; pooling strides by 2.
    `torch_start` draws kernels and biases as PyTorch does; else kernels are He et al.'s and biases 0.
    """

    layers: tuple[tuple[int, int, int, int], ...]
    pool: int
    norm: bool = False
    torch_start: bool = False
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the stage."""
        for i, (features, size, stride, padding) in enumerate(self.layers, start=1):
            bias: Initializer = bias_init(size * size * x.shape[-1]) if self.torch_start else nn.initializers.zeros
            x = nn.Conv(
                features,
                (size, size),
                strides=stride,
                padding=((padding, padding),) * 2,
                dtype=self.dtype,
                kernel_init=kernel_init if self.torch_start else he_normal_fan_out,
                bias_init=bias,
                conv_general_dilated=conv_general_dilated,
                name=f"conv{i}",
            )(x)
            if self.norm:
                x = BatchNorm(dtype=self.dtype, over=self.norm_over, name=f"bn{i}")(x, train)
            x = nn.relu(x)
        return x if self.pool == 1 else nn.max_pool(x, (self.pool, self.pool), (2, 2))


class Head(nn.Module):
    """Classify with two hidden layers over the image averaged to `size` x `size`; with `size` 1, without hidden ones.

    Training with `dropout` needs ``rngs={"dropout": key}``.
    """

    classes: int
    size: int
    hidden: int
    dropout: float = 0.0
    dropout_first: bool = False
    """Drop before each layer but the last (AlexNet), not after each hidden one (VGG)."""
    torch_start: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits, float32."""
        x = adaptive_avg_pool(x, self.size).reshape(x.shape[0], -1)
        if self.size == 1:
            x = Dropout(self.dropout, name="dropout1")(x, train)
            return self._dense(x.astype(jnp.float32), self.classes, jnp.float32, "dense")
        for i in (1, 2):
            if self.dropout_first:
                x = Dropout(self.dropout, name=f"dropout{i}")(x, train)
            x = nn.relu(self._dense(x, self.hidden, self.dtype, f"hidden{i}"))
            if not self.dropout_first:
                x = Dropout(self.dropout, name=f"dropout{i}")(x, train)
        return self._dense(x.astype(jnp.float32), self.classes, jnp.float32, "dense")

    def _dense(self, x: Array, features: int, dtype: Any, name: str) -> Array:
        kernel = kernel_init if self.torch_start else normal(0.01)
        bias: Initializer = bias_init(x.shape[-1]) if self.torch_start else nn.initializers.zeros
        return nn.Dense(features, dtype=dtype, kernel_init=kernel, bias_init=bias, name=name)(x)
