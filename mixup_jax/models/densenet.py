"""DenseNet-BC (Huang et al., arXiv 1608.06993) as the paper's figure 3 has it: 190 layers, growth rate 40."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.torch_layers import Dropout, he_normal_fan_out, kernel_init
from mixup_jax.models.preact_resnet import Hidden, Image, conv

BOTTLENECK = 4
"""Channels between the two convolutions of a layer, in growth rates."""
COMPRESSION = 0.5
"""Share of the channels that a transition keeps."""


class Layer(nn.Module):
    """Return `growth` new channels of all before them: ``conv3x3(relu(bn(conv1x1(relu(bn(x))))))``."""

    growth: int
    dropout: float = 0.0
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, before: Sequence[Array], train: bool) -> Float[Array, "batch height width growth"]:
        """Apply the layer; dropout follows each convolution."""
        x = jnp.concatenate(before, axis=-1)  # within the layer: `remat` computes it again, and keeps no copy
        norm = partial(BatchNorm, dtype=self.dtype, over=self.norm_over)
        convolve = partial(conv, stride=1, dtype=self.dtype, init=he_normal_fan_out)
        y = nn.relu(norm(name="bn1")(x, train))
        y = convolve(BOTTLENECK * self.growth, 1, name="conv1")(y)
        y = Dropout(self.dropout, name="dropout1")(y, train)
        y = nn.relu(norm(name="bn2")(y, train))
        y = convolve(self.growth, 3, name="conv2")(y)
        return Dropout(self.dropout, name="dropout2")(y, train)


class DenseNet(nn.Module):
    """Classify images (NHWC, each side divisible by 4); the defaults have 25,624,430 parameters for 10 classes.

    A layer reads the results of all before it in its block, so that the memory for activations grows with the square
    of the depth: `remat` keeps only what each layer returned, which is new, and computes the rest again, what it read
    too, in the backward pass.

    >>> import jax
    >>> model = DenseNet(classes=10, width=4, blocks=(2, 2))
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 32, 32, 3)), False), jax.random.key(0))
    >>> sorted(variables["params"])
    ['block1', 'block2', 'bn', 'head', 'stem', 'transition1']
    """

    classes: int
    width: int = 40
    """The growth rate: channels that a layer adds."""
    blocks: tuple[int, ...] = (31, 31, 31)
    """Layers (of two convolutions) of each dense block; depth = 2 * sum + 4 for three blocks."""
    dropout: float = 0.0
    """Probability of dropping a unit after each convolution."""
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    remat: bool = False

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        norm = partial(BatchNorm, dtype=self.dtype, over=self.norm_over)
        convolve = partial(conv, stride=1, dtype=self.dtype, init=he_normal_fan_out)
        x = convolve(2 * self.width, 3, name="stem")(x)
        for i, layers in enumerate(self.blocks):
            if i > 0:
                x = Transition(self.dropout, self.dtype, self.norm_over, name=f"transition{i}")(x, train)
            x = Block(layers, self.width, self.dropout, self.dtype, self.norm_over, self.remat, name=f"block{i + 1}")(
                x, train
            )
        x = nn.relu(norm(name="bn")(x, train)).astype(jnp.float32).mean(axis=(1, 2))
        return nn.Dense(self.classes, kernel_init=kernel_init, name="head")(x)


class Block(nn.Module):
    """Apply `layers` layers in turn, each of which adds `growth` channels."""

    layers: int
    growth: int
    dropout: float = 0.0
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    remat: bool = False

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the block."""
        layer = nn.remat(Layer, static_argnums=(2,)) if self.remat else Layer
        results = [x]
        for i in range(self.layers):
            new = layer(self.growth, self.dropout, self.dtype, self.norm_over, name=f"layer{i + 1}")
            results.append(new(results, train))
        return jnp.concatenate(results, axis=-1)


class Transition(nn.Module):
    """Halve the channels and the image: ``average_pool(conv1x1(relu(bn(x))))``."""

    dropout: float = 0.0
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the transition."""
        x = nn.relu(BatchNorm(dtype=self.dtype, over=self.norm_over, name="bn")(x, train))
        x = conv(math.floor(x.shape[-1] * COMPRESSION), 1, 1, self.dtype, "conv", he_normal_fan_out)(x)
        return nn.avg_pool(Dropout(self.dropout, name="dropout")(x, train), (2, 2), (2, 2))
