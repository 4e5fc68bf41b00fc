"""MLP-Mixer (Tolstikhin et al., arXiv 2105.01601): MLPs over patches and over channels in turn.

Kernels start at LeCun's normal distribution, biases and the last kernel at 0, as in the authors' code. GELU is by the
error function unless asked otherwise: theirs is with tanh.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.stochastic_depth import Rule, StochasticDepth, rates
from mixup_jax.models.layers.transformer import Gelu, LayerNorm, MLPBlock, Patches, Tokens, lecun_normal
from mixup_jax.models.preact_resnet import Image

TOKENS_SHARE, CHANNELS_SHARE = 0.5, 4
"""Units of the hidden layers of the MLPs over tokens and over channels, in widths (table 1 of the paper)."""


class Stem(nn.Module):
    """Embed the patches."""

    width: int
    patch: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image) -> Tokens:
        """Return the tokens, row by row of the image."""
        x = Patches(self.width, self.patch, lecun_normal, dtype=self.dtype, name="patches")(x)
        return x.reshape(x.shape[0], -1, self.width)


class Block(nn.Module):
    """Add an MLP over the normalised tokens of each channel, then one over the normalised channels of each token."""

    gelu: Gelu = "exact"
    stochastic_depth: float = 0.0
    rescale: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Tokens, train: bool) -> Tokens:
        """Apply the block; with `train` and stochastic depth, the "dropout" key must be given."""
        width = x.shape[-1]
        y = LayerNorm(dtype=self.dtype, name="norm1")(x).swapaxes(1, 2)
        y = self._mlp(int(TOKENS_SHARE * width), "tokens")(y, train).swapaxes(1, 2)
        x += StochasticDepth(self.stochastic_depth, self.rescale, name="stochastic_depth1")(y, train)
        y = LayerNorm(dtype=self.dtype, name="norm2")(x)
        y = self._mlp(CHANNELS_SHARE * width, "channels")(y, train)
        return x + StochasticDepth(self.stochastic_depth, self.rescale, name="stochastic_depth2")(y, train)

    def _mlp(self, hidden: int, name: str) -> MLPBlock:
        return MLPBlock(hidden, _start, gelu=self.gelu, dtype=self.dtype, name=name)


class Head(nn.Module):
    """Normalise, average over the tokens, classify; in float32, as the loss is."""

    classes: int
    head_bias: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Tokens) -> Float[Array, "batch classes"]:
        """Return the logits."""
        x = LayerNorm(dtype=self.dtype, name="norm")(x).astype(jnp.float32).mean(axis=1)
        bias = nn.initializers.constant(self.head_bias)
        return nn.Dense(self.classes, kernel_init=nn.initializers.zeros, bias_init=bias, name="dense")(x)


class MLPMixer(nn.Module):
    """Classify images (NHWC) with MLPs over their patches; the defaults are Mixer-B/16, 59,880,472 parameters.

    The submodules "stem", "block1", ..., "head" each take the hidden state as first argument, for mixing it.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``rngs={"dropout": key}`` if `stochastic_depth` is not 0. Images may have any size when the
    network is initialised; it is their size from then on. Raises ValueError for an image that patches do not divide.

    >>> import jax
    >>> model = MLPMixer(classes=1000)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 224, 224, 3)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    59880472
    """

    classes: int
    width: int = 768
    """Channels of a token; 4 times as many units in the MLPs over channels, half as many in those over tokens."""
    depth: int = 12
    """Blocks."""
    patch: int = 16
    """Pixels of each side of a patch."""
    gelu: Gelu = "exact"
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds; see `rates` for the others."""
    stochastic_depth_rule: Rule = "linear"
    stochastic_depth_rescale: bool = True
    head_bias: float = 0.0
    """What the biases of the last layer start at."""
    dtype: Any = jnp.float32
    """Of the inputs and results of all layers but the last ones."""
    remat: bool = False
    """Keep only what each block returns, and compute the rest again in the backward pass."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        x = Stem(self.width, self.patch, self.dtype, name="stem")(x)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        for i, rate in enumerate(rates(self.stochastic_depth, self.depth, self.stochastic_depth_rule), start=1):
            x = block(self.gelu, rate, self.stochastic_depth_rescale, self.dtype, name=f"block{i}")(x, train)
        return Head(self.classes, self.head_bias, self.dtype, name="head")(x)


def _start(inputs: int, outputs: int) -> nn.initializers.Initializer:
    return lecun_normal
