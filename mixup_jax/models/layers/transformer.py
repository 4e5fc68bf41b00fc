"""What ViT, MLP-Mixer and ConvNeXt share: patches, LayerNorm, GELU, two fully connected layers, and how they start."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Initializer
from jaxtyping import Array, Float

from mixup_jax.models.layers.torch_layers import Dropout, uniform

Gelu = Literal["exact", "tanh"]
Tokens = Float[Array, "batch tokens features"]


class LayerNorm(nn.Module):
    """Normalise the last axis (arXiv 1607.06450), with the epsilon of all three papers' code.

    All of it is float32 in any dtype, and the result of this one. As `flax.linen.LayerNorm`, but that variances are
    means of squared differences, and that the backward pass keeps the input alone: on a CPU, writing more to memory
    and reading it again takes longer than computing it again.

    >>> LayerNorm().init_with_output(jax.random.key(0), jnp.array([[1.0, 3.0]]))[0].round(3).tolist()
    [[-1.0, 1.0]]
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Return the normalised numbers."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return _normalized(x.reshape(-1, x.shape[-1]), scale, bias).astype(self.dtype).reshape(x.shape)


@jax.checkpoint
def _normalized(
    x: Float[Array, "rows features"], scale: Float[Array, "features"], bias: Float[Array, "features"]
) -> Float[Array, "rows features"]:
    centred = x.astype(jnp.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    variance = jnp.square(centred).mean(axis=1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-6) * scale[None] + bias[None]


def gelu(kind: Gelu) -> Callable[[Array], Array]:
    """Return GELU (arXiv 1606.08415): with the error function (timm), or with tanh (Flax's default; big_vision).

    >>> [round(float(gelu(kind)(jnp.float32(-2.0))), 5) for kind in ("exact", "tanh")]
    [-0.0455, -0.0454]
    """
    return _gelu if kind == "exact" else partial(jax.nn.gelu, approximate=True)


@jax.checkpoint
def _gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return x times the normal distribution function of x.

    By erf, as PyTorch does: `jax.nn.gelu` calls erfc, whose gradient took 1.4 times as long on a CPU. The backward
    pass keeps x alone.
    """
    half = jnp.asarray(0.5, x.dtype)
    return half * x * (1 + jax.lax.erf(x * jnp.asarray(math.sqrt(0.5), x.dtype)))


def dense(
    x: Float[Array, "*batch inputs"],
    features: int,
    name: str,
    dtype: Any,
    kernel_init: Initializer,
    bias_init: Initializer = nn.initializers.zeros,
) -> Float[Array, "*batch features"]:
    """Apply a fully connected layer to the last axis, of the module that calls, under this name.

    All other axes become one, for one product of two matrices: on a CPU its gradient is faster than that of three axes.
    """
    layer = nn.Dense(features, dtype=dtype, kernel_init=kernel_init, bias_init=bias_init, name=name)
    return layer(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], features)


class Patches(nn.Module):
    """Convolve with a kernel as large as its stride: each patch of `size` x `size` pixels becomes `features` numbers.

    Raises ValueError for an image that patches do not divide.
    """

    features: int
    size: int
    kernel_init: Initializer
    bias_init: Initializer = nn.initializers.zeros
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch rows columns features"]:
        """Return the embedded patches."""
        batch, height, width, channels = x.shape
        size, rows, columns = self.size, height // self.size, width // self.size
        if (rows * size, columns * size) != (height, width) or not rows * columns:
            raise ValueError(
                f"patch is {size}, which does not divide images of {height} x {width}: choose a divisor of both sides."
            )
        kernel = self.param("kernel", self.kernel_init, (size, size, channels, self.features))
        bias = self.param("bias", self.bias_init, (self.features,))
        x = x.astype(self.dtype).reshape(batch, rows, size, columns, size, channels).swapaxes(2, 3)
        x = x.reshape(batch * rows * columns, size * size * channels)
        x = x @ kernel.reshape(-1, self.features).astype(self.dtype) + bias[None].astype(self.dtype)
        return x.reshape(batch, rows, columns, self.features)


class MLPBlock(nn.Module):
    """Two fully connected layers over the last axis with GELU between them; the axis keeps its length."""

    hidden: int
    kernel_init: Callable[[int, int], Initializer]
    """Makes the initialiser of a kernel from its inputs and outputs."""
    bias_init: Initializer = nn.initializers.zeros
    gelu: Gelu = "exact"
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*batch width"], train: bool) -> Float[Array, "*batch width"]:
        """Apply both layers."""
        width = x.shape[-1]
        y = dense(x, self.hidden, "dense1", self.dtype, self.kernel_init(width, self.hidden), self.bias_init)
        y = Dropout(self.dropout, name="dropout1")(gelu(self.gelu)(y), train)
        y = dense(y, width, "dense2", self.dtype, self.kernel_init(self.hidden, width), self.bias_init)
        return Dropout(self.dropout, name="dropout2")(y, train)


def xavier_uniform(fan_in: int, fan_out: int) -> Initializer:
    """Return an initialiser of numbers uniform in ``+-sqrt(6 / (fan_in + fan_out))`` (Glorot and Bengio, 2010).

    >>> kernel = xavier_uniform(100, 50)(jax.random.key(0), (100, 150))    # three kernels side by side
    >>> bool(abs(kernel).max() <= 0.2), bool(abs(kernel).max() > 0.199)
    (True, True)
    """
    return uniform(math.sqrt(6 / (fan_in + fan_out)))


def lecun_normal(key, shape, dtype=None, out_sharding=None) -> Float[Array, "..."]:
    """Draw a kernel of variance ``1 / fan_in``, normal and cut at two standard deviations: Flax's default.

    >>> kernel = lecun_normal(jax.random.key(0), (4, 4, 25, 50))
    >>> bool(abs(kernel.std() * 20 - 1) < 0.02)
    True
    """
    cut = 0.87962566103423978  # standard deviation of a normal number that is cut at +-2
    std = 1 / math.sqrt(math.prod(shape[:-1])) / cut
    flat = std * jax.random.truncated_normal(key, -2.0, 2.0, (math.prod(shape),), dtype or jnp.float32)
    return jnp.reshape(flat, shape, out_sharding=out_sharding)
