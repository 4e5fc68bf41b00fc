"""Vision Transformer (Dosovitskiy et al., arXiv 2010.11929), in the forms in which it is trained today.

* timm and DeiT (Touvron et al., arXiv 2012.12877): a class token, positions learned for all tokens; the defaults.
* DeiT III (Touvron et al., arXiv 2204.07118): positions of patches only, LayerScale (arXiv 2103.17239).
* big_vision, "Better plain ViT baselines" (Beyer et al., arXiv 2205.01580): global average pooling, fixed positions,
  a hidden layer before the last one, GELU with tanh, kernels from Xavier's distribution, a last layer of zeros.
"""

from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Initializer
from jaxtyping import Array, Float

from mixup_jax.choices.networks import attention_heads
from mixup_jax.models.layers.stochastic_depth import Rule, StochasticDepth, rates
from mixup_jax.models.layers.torch_layers import Dropout, bias_init, kernel_init, normal
from mixup_jax.models.layers.transformer import (
    Gelu,
    LayerNorm,
    MLPBlock,
    Patches,
    Tokens,
    dense,
    lecun_normal,
    xavier_uniform,
)
from mixup_jax.models.preact_resnet import Image

Pool = Literal["token", "gap"]
Positions = Literal["learned", "learned_patches", "sincos2d"]
Start = Literal["timm", "big_vision"]

EXPANSION = 4
"""Units of the hidden layer of a block, in widths."""


def sincos2d(rows: int, columns: int, width: int) -> Float[np.ndarray, "tokens width"]:
    """Return the fixed positions of MoCo v3 (arXiv 2104.02057), float32 (rows * columns, width).

    Token (y, x) has the sines of x w_k, their cosines, the sines of y w_k, their cosines, where
    ``w_k = 10000 ** (-k / (width / 4 - 1))``, k from 0. Raises ValueError for a width that is no multiple of 4 or is 4.

    >>> sincos2d(1, 2, 8).round(3)[1]
    array([0.841, 0.   , 0.54 , 1.   , 0.   , 0.   , 1.   , 1.   ], dtype=float32)
    """
    if width % 4 or width < 8:
        raise ValueError(f"width is {width}; sincos2d positions need a multiple of 4, at least 8.")
    omega = 10000 ** (-np.arange(width // 4) / (width // 4 - 1))
    y, x = (place.reshape(-1, 1) * omega for place in np.mgrid[:rows, :columns])
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1).astype(np.float32)


class Stem(nn.Module):
    """Embed the patches, put the class token before them, add positions."""

    width: int
    patch: int
    pool: Pool = "token"
    positions: Positions = "learned"
    dropout: float = 0.0
    start: Start = "timm"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Tokens:
        """Return the tokens, row by row of the image."""
        timm = self.start == "timm"
        kernel, bias = (kernel_init, bias_init(self.patch**2 * x.shape[-1])) if timm else (lecun_normal, _ZEROS)
        x = Patches(self.width, self.patch, kernel, bias, self.dtype, name="patches")(x)
        batch, rows, columns, _ = x.shape
        x = x.reshape(batch, rows * columns, self.width)
        # The token first, where it has a position of its own; learned positions of big_vision have variance 1 / width.
        std = 0.02 if timm else self.width**-0.5
        if self.pool == "token" and self.positions == "learned":
            x = self._with_token(x)
        if self.positions == "sincos2d":
            table = jnp.asarray(sincos2d(rows, columns, self.width))
        else:
            table = self.param("positions", normal(std), (x.shape[1], self.width))
        x += table[None].astype(self.dtype)
        if self.pool == "token" and self.positions != "learned":
            x = self._with_token(x)
        return Dropout(self.dropout, name="dropout")(x, train)

    def _with_token(self, x: Array) -> Array:
        token = self.param("token", normal(0.02) if self.start == "timm" else _ZEROS, (self.width,))
        token = jnp.broadcast_to(token[None, None].astype(self.dtype), (x.shape[0], 1, self.width))
        return jnp.concatenate([token, x], axis=1)


class Attention(nn.Module):
    """Let each token look at all tokens, with several heads (Vaswani et al., arXiv 1706.03762).

    One product makes queries, keys and values, in this order, of all heads; the softmax is float32 in any dtype.
    """

    heads: int
    start: Start = "timm"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Tokens) -> Tokens:
        """Return what the tokens gather."""
        batch, tokens, width = x.shape
        each = width // self.heads
        init = kernel_start(self.start)(width, width)
        qkv = dense(x, 3 * width, "qkv", self.dtype, init)
        query, key, value = qkv.reshape(batch, tokens, 3, self.heads, each).transpose(2, 0, 3, 1, 4)
        score = jnp.einsum("bhqd,bhkd->bhqk", query * jnp.asarray(each**-0.5, self.dtype), key)
        weight = jax.nn.softmax(score.astype(jnp.float32)).astype(self.dtype)
        gathered = jnp.einsum("bhqk,bhkd->bhqd", weight, value).transpose(0, 2, 1, 3)
        return dense(gathered.reshape(batch, tokens, width), width, "out", self.dtype, init)


class Block(nn.Module):
    """Add attention over the normalised tokens to them, then an MLP over each normalised token."""

    heads: int
    layer_scale: float = 0.0
    gelu: Gelu = "exact"
    dropout: float = 0.0
    stochastic_depth: float = 0.0
    rescale: bool = True
    start: Start = "timm"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Tokens, train: bool) -> Tokens:
        """Apply the block; with `train` and dropout or stochastic depth, the "dropout" key must be given."""
        mlp_bias = nn.initializers.zeros if self.start == "timm" else normal(1e-6)
        y = LayerNorm(dtype=self.dtype, name="norm1")(x)
        y = Attention(self.heads, self.start, self.dtype, name="attention")(y)
        y = Dropout(self.dropout, name="dropout")(y, train)
        x += self._branch(y, 1, train)
        y = LayerNorm(dtype=self.dtype, name="norm2")(x)
        hidden = EXPANSION * x.shape[-1]
        mlp = MLPBlock(hidden, kernel_start(self.start), mlp_bias, self.gelu, self.dropout, self.dtype, name="mlp")
        return x + self._branch(mlp(y, train), 2, train)

    def _branch(self, y: Tokens, number: int, train: bool) -> Tokens:
        if self.layer_scale:
            gamma = self.param(f"gamma{number}", nn.initializers.constant(self.layer_scale), (y.shape[-1],))
            y *= gamma[None, None].astype(self.dtype)
        return StochasticDepth(self.stochastic_depth, self.rescale, name=f"stochastic_depth{number}")(y, train)


class Head(nn.Module):
    """Normalise and classify the class token, or the mean over all normalised tokens; in float32, as the loss is."""

    classes: int
    pool: Pool = "token"
    pre_logits: bool = False
    head_init: Literal["normal", "zeros"] = "normal"
    head_bias: float = 0.0
    start: Start = "timm"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Tokens) -> Float[Array, "batch classes"]:
        """Return the logits."""
        x = x[:, 0] if self.pool == "token" else x
        x = LayerNorm(dtype=self.dtype, name="norm")(x).astype(jnp.float32)
        x = x.mean(axis=1) if self.pool == "gap" else x
        if self.pre_logits:
            init = normal(0.02) if self.start == "timm" else lecun_normal
            x = jnp.tanh(nn.Dense(x.shape[-1], kernel_init=init, name="pre_logits")(x))
        kernel, bias = normal(0.02) if self.head_init == "normal" else _ZEROS, nn.initializers.constant(self.head_bias)
        return nn.Dense(self.classes, kernel_init=kernel, bias_init=bias, name="dense")(x)


class ViT(nn.Module):
    """Classify images (NHWC) with a transformer over their patches; the defaults are ViT-S/16, 22,050,664 parameters.

    The submodules "stem", "block1", ..., "head" each take the hidden state as first argument, for mixing it.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``rngs={"dropout": key}`` if `dropout` or `stochastic_depth` is not 0. Images may have any size when
    the network is initialised; where positions are learned, it is their size from then on.

    Raises ValueError where the heads do not divide the width, and for an image that patches do not divide.

    >>> model = ViT(classes=1000)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 224, 224, 3)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    22050664
    """

    classes: int
    width: int = 384
    """Numbers of a token."""
    depth: int = 12
    """Blocks."""
    heads: int | None = None
    """Heads of attention, each of ``width / heads`` numbers; 64 numbers a head if left out."""
    patch: int = 16
    """Pixels of each side of a patch."""
    pool: Pool = "token"
    positions: Positions = "learned"
    """"learned" for all tokens, "learned_patches" for all but the class token, or `sincos2d`, fixed, for the same."""
    layer_scale: float = 0.0
    """What the factors of LayerScale start at; 0 is without LayerScale."""
    pre_logits: bool = False
    """Put a layer of `width` tanh units before the last one."""
    gelu: Gelu = "exact"
    dropout: float = 0.0
    """Probability of dropping a unit after the stem, attention, and each layer of an MLP."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds; see `rates` for the others."""
    stochastic_depth_rule: Rule = "linear"
    stochastic_depth_rescale: bool = True
    initialization: Start = "timm"
    """Of kernels. timm: N(0, 0.02), patches PyTorch's default; big_vision: Xavier's uniform, patches LeCun's."""
    head_init: Literal["normal", "zeros"] = "normal"
    """Kernel of the last layer: N(0, 0.02) or zeros."""
    head_bias: float = 0.0
    """What the biases of the last layer start at."""
    dtype: Any = jnp.float32
    """Of the inputs and results of all layers but the last ones."""
    remat: bool = False
    """Keep only what each block returns, and compute the rest again in the backward pass."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        heads = attention_heads(self.width, self.heads)
        start = self.initialization
        first = (self.width, self.patch, self.pool, self.positions, self.dropout, start, self.dtype)
        x = Stem(*first, name="stem")(x, train)
        block = partial(
            nn.remat(Block, static_argnums=(2,)) if self.remat else Block,
            heads,
            self.layer_scale,
            self.gelu,
            self.dropout,
            rescale=self.stochastic_depth_rescale,
            start=start,
            dtype=self.dtype,
        )
        for i, rate in enumerate(rates(self.stochastic_depth, self.depth, self.stochastic_depth_rule), start=1):
            x = block(stochastic_depth=rate, name=f"block{i}")(x, train)
        last = (self.pool, self.pre_logits, self.head_init, self.head_bias, start, self.dtype)
        return Head(self.classes, *last, name="head")(x)


def kernel_start(start: Start) -> Any:
    """Return what makes the initialiser of a kernel from its inputs and outputs.

    timm's normal numbers are cut at +-2, a hundred standard deviations: not at all.
    """
    return xavier_uniform if start == "big_vision" else _normal


def _normal(inputs: int, outputs: int) -> Initializer:
    return normal(0.02)


_ZEROS: Initializer = nn.initializers.zeros
