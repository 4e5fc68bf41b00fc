"""VGG-11 with BatchNorm and a short head, as the speech experiments of the paper use it (section 3.3)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.convolution import conv_general_dilated
from mixup_jax.models.layers.torch_layers import bias_init, dense, kernel_init

STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of each convolution in widths; each stage ends with a pooling."""
POOL = (2, 2)
HIDDEN = 8
"""Units of the hidden layer in widths: 512 for 64."""


class VGG11(nn.Module):
    """Classify images (NHWC, each side 32 or more); 13,172,894 parameters for spectrograms of 160 x 101, 30 classes.

    Eight 3x3 convolutions (configuration A of arXiv 1409.1556), each with BatchNorm and ReLU, then two fully connected
    layers with nothing between them: so it is in the public code for the paper's data (adiyoss/GCommandsPytorch).
    Training needs ``mutable=["batch_stats"]``.

    >>> import jax
    >>> model = VGG11(classes=30)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 160, 101, 1)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    13172894
    """

    classes: int
    width: int = 64
    """Channels of the first convolution."""
    dtype: Any = jnp.float32
    """Of the inputs and results of all layers but the last."""
    norm_over: Over = Over()
    """See BatchNorm."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"], train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch."""
        if min(x.shape[1:3]) < 2 ** len(STAGES):
            raise ValueError(
                f"vgg11 halves images {len(STAGES)} times and needs {2 ** len(STAGES)} x {2 ** len(STAGES)} or more, "
                f"got {x.shape[1]} x {x.shape[2]}."
            )
        for stage, widths in enumerate(STAGES, start=1):
            for layer, factor in enumerate(widths, start=1):
                x = self._conv(x, factor * self.width, f"conv{stage}_{layer}")
                x = nn.relu(BatchNorm(dtype=self.dtype, over=self.norm_over, name=f"bn{stage}_{layer}")(x, train))
            x = nn.max_pool(x, POOL, POOL)
        x = dense(x.reshape(x.shape[0], -1), HIDDEN * self.width, "hidden", self.dtype)
        return dense(x.astype(jnp.float32), self.classes, "head")

    def _conv(self, x, features: int, name: str) -> Float[Array, "batch height width features"]:
        return nn.Conv(
            features,
            (3, 3),
            dtype=self.dtype,
            kernel_init=kernel_init,
            bias_init=bias_init(9 * x.shape[-1]),
            conv_general_dilated=conv_general_dilated,
            name=name,
        )(x)
