"""LeNet as the speech experiments of the paper use it (section 3.3): two convolutions, two fully connected layers."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.convolution import conv_general_dilated
from mixup_jax.models.layers.torch_layers import Dropout, bias_init, dense, kernel_init

TAPS = 5
"""Side of a kernel."""
POOL = (2, 2)
HIDDEN = 50
"""Units of the hidden layer for each channel: 1,000 for 20."""


class LeNet(nn.Module):
    """Classify images (NHWC, each side 16 or more); 16,321,570 parameters for spectrograms of 160 x 101 and 30 classes.

    The paper gives the name and the number of layers; channels, units and dropout are those of the public code for the
    same data (adiyoss/GCommandsPytorch): convolution, pooling, ReLU, twice, with whole channels dropped before the
    second pooling, and units after the hidden layer. Its probability for both is 0.5.
    Training with `dropout` needs ``rngs={"dropout": key}``.

    >>> import jax
    >>> model = LeNet(classes=30, dropout=0.5)
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 160, 101, 1)), False), jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    16321570
    """

    classes: int
    width: int = 20
    """Channels of both convolutions."""
    dropout: float = 0.0
    """Probability of dropping a channel of the second convolution, and a unit of the hidden layer."""
    dtype: Any = jnp.float32
    """Of the inputs and results of all layers but the last."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"], train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch."""
        if min(x.shape[1:3]) < 16:
            raise ValueError(f"lenet needs images of 16 x 16 or more, got {x.shape[1]} x {x.shape[2]}.")
        x = nn.relu(nn.max_pool(self._conv(x, "conv1"), POOL, POOL))
        x = self._conv(x, "conv2")
        x *= Dropout(self.dropout, name="dropout1")(jnp.ones_like(x[:, :1, :1]), train)
        x = nn.relu(nn.max_pool(x, POOL, POOL)).reshape(x.shape[0], -1)
        x = nn.relu(dense(x, HIDDEN * self.width, "hidden", self.dtype))
        x = Dropout(self.dropout, name="dropout2")(x, train)
        return dense(x.astype(jnp.float32), self.classes, "head")

    def _conv(self, x, name: str) -> Float[Array, "batch height width channels"]:
        return nn.Conv(
            self.width,
            (TAPS, TAPS),
            padding="VALID",
            dtype=self.dtype,
            kernel_init=kernel_init,
            bias_init=bias_init(TAPS * TAPS * x.shape[-1]),
            conv_general_dilated=conv_general_dilated,
            name=name,
        )(x)
