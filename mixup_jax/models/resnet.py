"""ResNet (He et al., arXiv 1512.03385) and ResNeXt (Xie et al., arXiv 1611.05431), the networks of the paper's table 1.

As in Goyal et al., arXiv 1706.02677, whose training the paper follows: a bottleneck block strides in its 3x3
convolution, the last BatchNorm of each block starts at scale 0, so that at first every block passes its input on, and
the last layer starts at N(0, 0.01). Convolutions start at He et al.'s normal distribution, by their outputs.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.stochastic_depth import StochasticDepth, rates
from mixup_jax.models.layers.torch_layers import Dropout, he_normal_fan_out, normal
from mixup_jax.models.preact_resnet import Hidden, Image, conv

EXPANSION = 4
"""Channels that a bottleneck block returns, in channels of a basic block of its stage."""


class Stem(nn.Module):
    """Lift the image to `features` channels at a quarter of its resolution."""

    features: int
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Convolve, normalise, rectify, pool."""
        x = conv(self.features, 7, 2, self.dtype, "conv", he_normal_fan_out)(x)
        x = nn.relu(BatchNorm(dtype=self.dtype, over=self.norm_over, name="bn")(x, train))
        padding: Any = ((1, 1), (1, 1))  # flax says str
        return nn.max_pool(x, (3, 3), (2, 2), padding)


class Block(nn.Module):
    """Rectify the sum of the shortcut and a few convolutions, each followed by BatchNorm and all but the last by ReLU.

    `layers` describes the convolutions: (features, size, stride, groups) of each. The shortcut is the input, or a 1x1
    convolution and BatchNorm where channels or resolution change.
    """

    layers: tuple[tuple[int, int, int, int], ...]
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    stochastic_depth: float = 0.0

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the block."""
        norm = partial(BatchNorm, dtype=self.dtype, over=self.norm_over)
        y, total_stride = x, 1
        for i, (features, size, stride, groups) in enumerate(self.layers, start=1):
            last = i == len(self.layers)
            y = conv(features, size, stride, self.dtype, f"conv{i}", he_normal_fan_out, groups)(y)
            init = nn.initializers.zeros if last else nn.initializers.ones
            y = norm(scale_init=init, name=f"bn{i}")(y, train)
            y = y if last else nn.relu(y)
            total_stride *= stride
        if x.shape != y.shape:
            x = conv(y.shape[-1], 1, total_stride, self.dtype, "shortcut", he_normal_fan_out)(x)
            x = norm(name="shortcut_bn")(x, train)
        y = StochasticDepth(self.stochastic_depth, name="stochastic_depth")(y, train)
        return nn.relu(x + y)


class Stage(nn.Module):
    """Apply blocks in turn, each described by its layers and the probability of leaving it out."""

    blocks: tuple[tuple[tuple[int, int, int, int], ...], ...]
    stochastic_depth: tuple[float, ...]
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    remat: bool = False

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the blocks."""
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        for i, (layers, rate) in enumerate(zip(self.blocks, self.stochastic_depth, strict=True), start=1):
            x = block(layers, self.dtype, self.norm_over, rate, name=f"block{i}")(x, train)
        return x


class Head(nn.Module):
    """Average over what is left of the image, then classify; in float32, as the loss is."""

    classes: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits."""
        x = x.astype(jnp.float32).mean(axis=(1, 2))
        x = Dropout(self.dropout, name="dropout")(x, train)
        return nn.Dense(self.classes, kernel_init=normal(0.01), name="dense")(x)


class ResNet(nn.Module):
    """Classify images (NHWC, any size) with residual blocks; the defaults are ResNet-50, 25,557,032 parameters.

    The submodules "stem", "stage1", ..., "head" each take the hidden state as first argument, for mixing it.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``mutable=["batch_stats"]``, and with `dropout` or `stochastic_depth` ``rngs={"dropout": key}``.

    Raises ValueError where the width does not divide into the groups.

    >>> import jax
    >>> model = ResNet(classes=1000)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 224, 224, 3)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    25557032
    """

    classes: int
    width: int = 64
    """Channels of the first stage, before the expansion of bottleneck blocks; they double from stage to stage."""
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks of each stage; the first block of each but the first stage halves the image."""
    bottleneck: bool = True
    """Blocks of 1x1, 3x3 and 1x1 convolutions; else two 3x3 convolutions."""
    groups: int = 1
    """Of the 3x3 convolution of a bottleneck block; ResNeXt's cardinality."""
    group_width: int = 64
    """Channels of each group in the first stage, at width 64."""
    dropout: float = 0.0
    """Probability of dropping a unit before the last layer; the papers drop none."""
    dtype: Any = jnp.float32
    """Of the convolutions' inputs and results."""
    norm_over: Over = Over()
    """See BatchNorm."""
    remat: bool = False
    """Keep only what each block returns, and compute the rest again in the backward pass."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds to its shortcut; it rises linearly from 0 at the first."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        x = Stem(self.width, self.dtype, self.norm_over, name="stem")(x, train)
        depths = rates(self.stochastic_depth, sum(self.blocks))
        for i, count in enumerate(self.blocks):
            blocks = tuple(self._layers(i, 2 if i > 0 and j == 0 else 1) for j in range(count))
            mine, depths = depths[:count], depths[count:]
            x = Stage(blocks, mine, self.dtype, self.norm_over, self.remat, name=f"stage{i + 1}")(x, train)
        return Head(self.classes, self.dropout, name="head")(x, train)

    def _layers(self, stage: int, stride: int) -> tuple[tuple[int, int, int, int], ...]:
        """Return (features, size, stride, groups) of each convolution of a block."""
        features = self.width * 2**stage
        if not self.bottleneck:
            return ((features, 3, stride, 1), (features, 3, 1, 1))
        each, rest = divmod(features * self.group_width, 64)
        if rest:
            needed = 64 // math.gcd(64, self.group_width)
            raise ValueError(
                f"width is {self.width}; groups of {self.group_width} channels need a multiple of {needed}."
            )
        inner = each * self.groups
        return ((inner, 1, 1, 1), (inner, 3, stride, self.groups), (EXPANSION * features, 1, 1, 1))
