"""VGG (Simonyan & Zisserman, arXiv 1409.1556); started as He et al. do, without their layer-wise pretraining."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import Over
from mixup_jax.models.plain import Head, Stage
from mixup_jax.models.preact_resnet import Image

SMALLEST = 32
"""Below this many pixels a side nothing is left after the last pooling."""


class VGG(nn.Module):
    """Classify images (NHWC, 32 x 32 or more); the defaults are VGG-16, 138,357,544 parameters for 1,000 classes.

    The submodules "stage1", ..., "stage5" and "head" each take the hidden state as first argument.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``rngs={"dropout": key}`` if `dropout` is not 0, and ``mutable=["batch_stats"]`` with `norm`.

    Raises ValueError for smaller images.

    >>> import jax
    >>> model = VGG(classes=10, width=4)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 32, 32, 3)), False), jax.random.key(0))
    >>> sorted(variables["params"])
    ['head', 'stage1', 'stage2', 'stage3', 'stage4', 'stage5']
    """

    classes: int
    width: int = 64
    """Channels of the first stage; they double up to the fourth."""
    blocks: tuple[int, ...] = (2, 2, 3, 3, 3)
    """Convolutions of each stage."""
    norm: bool = False
    """BatchNorm after each convolution."""
    average: bool = False
    """Average over all that is left of the image instead of two hidden layers."""
    dropout: float = 0.0
    """Probability of dropping a unit after each hidden layer; 0.5 in the original. Before the last with `average`."""
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    remat: bool = False
    """Keep only what each stage returns, and compute the rest again in the backward pass."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        if min(x.shape[1:3]) < SMALLEST:
            raise ValueError(f"image is {x.shape[1]} x {x.shape[2]}; VGG needs {SMALLEST} x {SMALLEST} or more.")
        stage = nn.remat(Stage, static_argnums=(2,)) if self.remat else Stage
        for i, count in enumerate(self.blocks):
            layers = ((self.width * 2 ** min(i, 3), 3, 1, 1),) * count
            x = stage(layers, 2, self.norm, False, self.dtype, self.norm_over, name=f"stage{i + 1}")(x, train)
        size, hidden = 1 if self.average else 7, 64 * self.width
        return Head(self.classes, size, hidden, self.dropout, dtype=self.dtype, name="head")(x, train)
