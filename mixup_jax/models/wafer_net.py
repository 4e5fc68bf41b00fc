"""A small network for wafer maps on CPUs: four convolutions over patches, a head that looks all over the wafer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.batch_norm import BatchNorm
from mixup_jax.models.dense import dense
from mixup_jax.models.dropout import Dropout
from mixup_jax.models.preact_resnet import Hidden, Image, conv

PATCH = 4


class WaferNet(nn.Module):
    """Classify maps (NHWC, any size) by four convolutions with BatchNorm and ReLU over patches of 4 x 4 dies.

    Patches side by side in the channels make few large products of many small ones, which is what CPUs are quick at.
    Each patch knows its distance from the middle of the wafer: a Center elsewhere is a Loc. The third convolution
    halves the grid of patches and doubles the channels. The head sees the mean and the maximum of each channel: a thin
    scratch hardly moves a mean over the wafer, and a mean tells how far a defect extends.

    >>> import jax
    >>> model = WaferNet(classes=8, width=4)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 52, 52, 2)), train=False)
    >>> model.apply(variables, jnp.zeros((3, 52, 52, 2)), train=False).shape
    (3, 8)
    """

    classes: int
    width: int = 32
    """Channels of the first two convolutions."""
    dropout: float = 0.0
    """Probability of dropping an input of the last layer."""
    dtype: Any = jnp.float32
    axis_name: str | None = None
    """See BatchNorm."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of maps."""
        x = in_patches(x)
        for layer, (times, stride) in enumerate(((1, 1), (1, 1), (2, 2), (2, 1)), start=1):
            x = conv(times * self.width, 3, stride, self.dtype, f"conv{layer}")(x)
            x = nn.relu(BatchNorm(dtype=self.dtype, axis_name=self.axis_name, name=f"bn{layer}")(x, train))
        x = x.astype(jnp.float32)
        x = jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=-1)
        x = Dropout(self.dropout, name="dropout")(x, train)
        return dense(x, self.classes, "head")


def in_patches(x: Image) -> Hidden:
    """Lay patches of 4 x 4 pixels into the channels, and the patch's distance from the middle; the border is padded.

    >>> in_patches(jnp.ones((1, 6, 8, 2))).shape
    (1, 2, 2, 33)
    """
    batch, height, width, channels = x.shape
    x = jnp.pad(x, ((0, 0), (0, -height % PATCH), (0, -width % PATCH), (0, 0)))
    rows, columns = x.shape[1] // PATCH, x.shape[2] // PATCH
    x = x.reshape(batch, rows, PATCH, columns, PATCH, channels).swapaxes(2, 3).reshape(batch, rows, columns, -1)
    v, u = jnp.meshgrid(jnp.linspace(-1, 1, rows), jnp.linspace(-1, 1, columns), indexing="ij")
    distance = jnp.broadcast_to(jnp.hypot(u, v).astype(x.dtype)[None, :, :, None], (batch, rows, columns, 1))
    return jnp.concatenate([x, distance], axis=-1)
