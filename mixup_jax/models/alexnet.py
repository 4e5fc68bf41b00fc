"""AlexNet in the form of Krizhevsky, arXiv 1404.5997: one column, no local response normalisation."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import Over
from mixup_jax.models.plain import Head, Stage
from mixup_jax.models.preact_resnet import Image

SMALLEST = 63
"""Below this many pixels a side nothing is left after the last pooling."""
SMALLEST_AVERAGE = 31
"""Below this many nothing is left after the second; with `average` the last is left out where too little is left."""


class AlexNet(nn.Module):
    """Classify images (NHWC, 63 x 63 or more); the defaults have 61,100,840 parameters for 1,000 classes.

    The submodules "stage1", "stage2", "stage3" and "head" each take the hidden state as first argument.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``rngs={"dropout": key}`` if `dropout` is not 0, and ``mutable=["batch_stats"]`` with `norm`.

    Images may be 31 x 31 with `average`. Raises ValueError for smaller ones.

    >>> import jax
    >>> model = AlexNet(classes=10, width=4)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 64, 64, 3)), False), jax.random.key(0))
    >>> sorted(variables["params"])
    ['head', 'stage1', 'stage2', 'stage3']
    """

    classes: int
    width: int = 64
    """64 is the published size; every layer changes in proportion."""
    features: tuple[int, ...] = (64, 192, 384, 256, 256)
    """Channels of the five convolutions at width 64; 96, 256, 384, 384, 256 in the paper of 2012."""
    norm: bool = False
    """BatchNorm after each convolution."""
    average: bool = False
    """Average over all that is left of the image instead of two hidden layers."""
    dropout: float = 0.0
    """Probability of dropping a unit before each hidden layer; 0.5 in the original. Before the last with `average`."""
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    remat: bool = False
    """Keep only what each stage returns, and compute the rest again in the backward pass."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        height, width = x.shape[1:3]
        least = SMALLEST_AVERAGE if self.average else SMALLEST
        if min(height, width) < least:
            raise ValueError(f"image is {height} x {width}; AlexNet needs {least} x {least} or more.")
        # Paper: of maps such as MixedWM38's (52 x 52) too little is left to pool a third time: they are averaged as is.
        last = 3 if min(height, width) >= SMALLEST else 1
        stage = nn.remat(Stage, static_argnums=(2,)) if self.remat else Stage
        one, two, *rest = (max(1, count * self.width // 64) for count in self.features)
        stages = [((one, 11, 4, 2),), ((two, 5, 1, 2),), tuple((features, 3, 1, 1) for features in rest)]
        for i, (layers, pool) in enumerate(zip(stages, (3, 3, last), strict=True), start=1):
            x = stage(layers, pool, self.norm, True, self.dtype, self.norm_over, name=f"stage{i}")(x, train)
        size, hidden = 1 if self.average else 6, 64 * self.width
        return Head(self.classes, size, hidden, self.dropout, True, True, self.dtype, name="head")(x, train)
