"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545); the smaller sizes are timm's.

Kernels start at N(0, 0.02), cut at +-2 in the authors' code (a hundred standard deviations: not at all), biases at 0.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.stochastic_depth import StochasticDepth, rates
from mixup_jax.models.layers.torch_layers import normal
from mixup_jax.models.layers.transformer import LayerNorm, MLPBlock, Patches
from mixup_jax.models.preact_resnet import Hidden, Image

EXPANSION = 4
"""Units of the hidden layer of a block, in widths."""
START = normal(0.02)


class Stem(nn.Module):
    """Embed patches and normalise them."""

    width: int
    patch: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image) -> Hidden:
        """Return an image of patches."""
        x = Patches(self.width, self.patch, START, dtype=self.dtype, name="patches")(x)
        return LayerNorm(dtype=self.dtype, name="norm")(x)


class Block(nn.Module):
    """Add to the image: a 7x7 convolution of each channel by itself, LayerNorm, an MLP over the channels of each pixel.

    What is added is multiplied by LayerScale's factors, one a channel, which start at `layer_scale`; 0 is without them.
    """

    layer_scale: float = 1e-6
    stochastic_depth: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the block; with `train` and stochastic depth, the "dropout" key must be given."""
        width = x.shape[-1]
        padding = ((3, 3), (3, 3))
        y = nn.Conv(
            width, (7, 7), padding=padding, feature_group_count=width, dtype=self.dtype, kernel_init=START, name="conv"
        )(x)
        y = LayerNorm(dtype=self.dtype, name="norm")(y)
        y = MLPBlock(EXPANSION * width, _start, dtype=self.dtype, name="mlp")(y, train)
        if self.layer_scale:
            gamma = self.param("gamma", nn.initializers.constant(self.layer_scale), (width,))
            y *= gamma[None, None, None].astype(self.dtype)
        return x + StochasticDepth(self.stochastic_depth, name="stochastic_depth")(y, train)


class Stage(nn.Module):
    """Halve the image, unless this is the first stage, then apply a block for each of `stochastic_depth`."""

    width: int
    stochastic_depth: tuple[float, ...]
    halve: bool = True
    layer_scale: float = 1e-6
    dtype: Any = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the stage; the last of an odd number of rows or columns is left out, as by a strided convolution."""
        if self.halve:
            x = LayerNorm(dtype=self.dtype, name="norm")(x)
            x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
            x = Patches(self.width, 2, START, dtype=self.dtype, name="halve")(x)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        for i, rate in enumerate(self.stochastic_depth, start=1):
            x = block(self.layer_scale, rate, self.dtype, name=f"block{i}")(x, train)
        return x


class Head(nn.Module):
    """Average over what is left of the image, normalise, classify; in float32, as the loss is."""

    classes: int

    @nn.compact
    def __call__(self, x: Image) -> Float[Array, "batch classes"]:
        """Return the logits."""
        x = LayerNorm(name="norm")(x.astype(jnp.float32).mean(axis=(1, 2)))
        return nn.Dense(self.classes, kernel_init=START, name="dense")(x)


class ConvNeXt(nn.Module):
    """Classify images (NHWC) with blocks of wide convolutions; the defaults are ConvNeXt-T, 28,589,128 parameters.

    The submodules "stem", "stage1", ..., "head" each take the hidden state as first argument, for mixing it.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``rngs={"dropout": key}`` if `stochastic_depth` is not 0.

    Raises ValueError for an image that patches do not divide, or that is too small to be halved from stage to stage.

    >>> import jax
    >>> model = ConvNeXt(classes=1000)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 224, 224, 3)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    28589128
    """

    classes: int
    width: int = 96
    """Channels of the first stage; they double from stage to stage."""
    blocks: tuple[int, ...] = (3, 3, 9, 3)
    """Blocks of each stage; the image halves from stage to stage."""
    patch: int = 4
    """Pixels of each side of a patch of the stem; 1 or 2 for small images."""
    layer_scale: float = 1e-6
    """What the factors of LayerScale start at; 0 is without LayerScale."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds; it rises linearly from 0 at the first."""
    dtype: Any = jnp.float32
    """Of the inputs and results of all layers but the last ones."""
    remat: bool = False
    """Keep only what each block returns, and compute the rest again in the backward pass."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        stages = len(self.blocks)
        needed = self.patch * 2 ** (stages - 1)
        if min(x.shape[1:3]) < needed:
            raise ValueError(
                f"images of {x.shape[1]} x {x.shape[2]} are too small: {stages} stages on patches of {self.patch} need "
                f"{needed} pixels; choose a smaller patch or fewer blocks."
            )
        x = Stem(self.width, self.patch, self.dtype, name="stem")(x)
        depths = rates(self.stochastic_depth, sum(self.blocks))
        for i, count in enumerate(self.blocks):
            mine, depths = depths[:count], depths[count:]
            stage = Stage(
                self.width * 2**i, mine, i > 0, self.layer_scale, self.dtype, self.remat, name=f"stage{i + 1}"
            )
            x = stage(x, train)
        return Head(self.classes, name="head")(x)


def _start(inputs: int, outputs: int) -> nn.initializers.Initializer:
    return START
