"""Average pooling to a fixed size, as torch's AdaptiveAvgPool2d does it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def adaptive_avg_pool(x: Float[Array, "batch height width channels"], size: int) -> Float[Array, "batch n n channels"]:
    """Average images into `size` x `size` bins; bin i covers the rows floor(i H / size) to ceil((i + 1) H / size) - 1.

    Bins overlap where `size` does not divide the height, and repeat pixels where the image is smaller; the same goes
    for columns. Sums are in float32, the result has the dtype of `x`.

    >>> adaptive_avg_pool(jnp.arange(3.0).reshape(1, 3, 1, 1), 2)[0, :, 0, 0].tolist()
    [0.5, 1.5]
    """
    if x.shape[1:3] == (size, size):
        return x
    rows, columns = (jnp.asarray(_bins(length, size)) for length in x.shape[1:3])
    pooled = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x.astype(jnp.float32), precision="highest")
    return pooled.astype(x.dtype)


def _bins(length: int, size: int) -> np.ndarray:
    """Return the weight of each pixel in each bin, float32 (size, length)."""
    weight = np.zeros((size, length), np.float32)
    for i in range(size):
        start, stop = i * length // size, -(-(i + 1) * length // size)
        weight[i, start:stop] = 1 / (stop - start)
    return weight
