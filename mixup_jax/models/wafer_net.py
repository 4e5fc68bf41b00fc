"""A small network for wafer maps on CPUs: few channels at full resolution, a head that looks all over the wafer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.torch_layers import Dropout, dense
from mixup_jax.models.preact_resnet import Hidden, Image, conv

LAYERS = ((0.5, 1), (1, 2), (1, 1), (2, 2), (2, 1), (2, 1))
"""Of each convolution: its channels, in widths, and its stride."""


class WaferNet(nn.Module):
    """Classify maps (NHWC, any size) by six 3 x 3 convolutions with BatchNorm and ReLU.

    The first has half the width's channels, at full resolution: a scratch is one die wide. The second and the fourth
    halve the map, from the fourth on there are twice the width's channels; the others are added to their input. Each
    die knows its distance from the middle of the wafer: a Center elsewhere is a Loc. The head sees the mean and the
    maximum of each channel: a thin scratch hardly moves a mean over the wafer, and a mean tells how far a defect
    extends.

    >>> import jax
    >>> model = WaferNet(classes=8, width=4)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 52, 52, 2)), train=False)
    >>> model.apply(variables, jnp.zeros((3, 52, 52, 2)), train=False).shape
    (3, 8)
    """

    classes: int
    width: int = 32
    """Channels of the second and third convolution, even."""
    dropout: float = 0.0
    """Probability of dropping an input of the last layer."""
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    """See BatchNorm."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of maps."""
        x = with_distance(x)
        for layer, (widths, stride) in enumerate(LAYERS, start=1):
            out = conv(int(widths * self.width), 3, stride, self.dtype, f"conv{layer}")(x)
            out = nn.relu(BatchNorm(dtype=self.dtype, over=self.norm_over, name=f"bn{layer}")(out, train))
            x = x + out if out.shape == x.shape else out
        x = x.astype(jnp.float32)
        x = jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=-1)
        x = Dropout(self.dropout, name="dropout")(x, train)
        return dense(x, self.classes, "head")


def with_distance(x: Image) -> Hidden:
    """Return images with one more channel: the distance from the middle, 1 at the middle of a side.

    >>> with_distance(jnp.ones((1, 3, 5, 2)))[0, 1, :, 2].tolist()
    [1.0, 0.5, 0.0, 0.5, 1.0]
    """
    batch, height, width, _ = x.shape
    v, u = jnp.meshgrid(jnp.linspace(-1, 1, height), jnp.linspace(-1, 1, width), indexing="ij")
    distance = jnp.broadcast_to(jnp.hypot(u, v).astype(x.dtype)[None, :, :, None], (batch, height, width, 1))
    return jnp.concatenate([x, distance], axis=-1)
