"""Operations that change each value by itself, as one table of 256 values a channel, in the compiled step.

All of them together are one table and one look-up: under `vmap` a branch costs as much as all branches, and 256 values
cost nothing beside an image. Integers throughout, so that the bits are the same on every device, compiled or not.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32

from mixup_jax.augment.levels import SOLARIZE_ADD_BELOW, Operation

FRACTION = 20
"""Bits after the point of a blend's factor."""
UPWARDS = 1 << 7
"""Lifts a blend that is a whole number but for the rounding of its factor."""

Image = Int32[Array, "height width channels"]
Scalar = Int32[Array, ""]


def look_up(image: Image, operation: Scalar, argument: Scalar, contrast_gray: Scalar | int) -> Image:
    """Apply an operation of `POINT` to an image, values from 0 to 255; any other operation leaves it as it is.

    `argument` is the operation's, a factor in units of 2**-20; `contrast_gray` is the gray that contrast is lowered to.
    """
    channels = image.shape[-1]
    flat = image.reshape(-1, channels)
    value = jnp.arange(256)[:, None]
    tables = {
        Operation.AUTO_CONTRAST: _auto_contrast(flat, value),
        Operation.EQUALIZE: _equalize(_histogram(flat)),
        Operation.INVERT: 255 - value,
        Operation.POSTERIZE: value & -(1 << (8 - argument.clip(0, 8))),
        Operation.SOLARIZE: jnp.where(value < argument, value, 255 - value),
        Operation.SOLARIZE_ADD: jnp.where(value < SOLARIZE_ADD_BELOW, jnp.minimum(value + argument, 255), value),
        Operation.BRIGHTNESS: blend(jnp.zeros_like(value), value, argument),
        Operation.CONTRAST: blend(jnp.full_like(value, contrast_gray), value, argument),
    }
    table = jnp.broadcast_to(value, (256, channels))
    for which, each in tables.items():
        table = jnp.where(operation == which, each, table)
    return jnp.take_along_axis(table, flat, axis=0, mode="promise_in_bounds").reshape(image.shape)


def blend(poorer: Int32[Array, "..."], image: Int32[Array, "..."], factor: Scalar) -> Int32[Array, "..."]:
    """Return ``poorer + factor * (image - poorer)``, cut to 0 to 255 and truncated; the factor is in units of 2**-20.

    >>> blend(jnp.array([0, 100]), jnp.array([200, 200]), jnp.int32(round(1.1 * 2**20)))
    Array([220, 210], dtype=int32)
    """
    # |factor| < 4 and values of 8 bits: no more than 31 bits.
    return (((poorer << FRACTION) + factor * (image - poorer) + UPWARDS) >> FRACTION).clip(0, 255)


def _auto_contrast(flat: Int32[Array, "pixels channels"], value: Array) -> Array:
    least, most = flat.min(axis=0, keepdims=True), flat.max(axis=0, keepdims=True)
    stretched = ((value - least) * 255 // jnp.maximum(most - least, 1)).clip(0, 255)
    return jnp.where(most > least, stretched, value)


def _equalize(counts: Int32[Array, "256 channels"]) -> Int32[Array, "256 channels"]:
    value = jnp.arange(256)[:, None]
    greatest = jnp.where(counts > 0, value, 0).max(axis=0, keepdims=True)
    step = jnp.where(value == greatest, 0, counts).sum(axis=0, keepdims=True) // 255
    below = jnp.cumsum(counts, axis=0) - counts
    even = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), 255)
    return jnp.where(step > 0, even, value)


def _histogram(flat: Int32[Array, "pixels channels"]) -> Int32[Array, "256 channels"]:
    """Count values: one by one on a CPU, by a matrix product elsewhere; the counts are the same."""
    return jax.lax.platform_dependent(flat, cpu=_count_each, default=_count_by_product)


def _count_each(flat: Int32[Array, "pixels channels"]) -> Int32[Array, "256 channels"]:
    channels = flat.shape[1]
    return jnp.zeros((256, channels), jnp.int32).at[flat, jnp.arange(channels)[None]].add(1)


def _count_by_product(flat: Int32[Array, "pixels channels"]) -> Int32[Array, "256 channels"]:
    """Multiply two 0/1 matrices, of the upper and of the lower four bits.

    Exact below 2**24 pixels on any device: zeros and ones survive every precision, and sums are float32.
    """
    digit = jnp.arange(16)[None, None]
    upper = (flat[..., None] >> 4 == digit).astype(jnp.float32)
    lower = (flat[..., None] & 15 == digit).astype(jnp.float32)
    counts = jnp.einsum("pcu,pcl->ulc", upper, lower, preferred_element_type=jnp.float32)
    return counts.astype(jnp.int32).reshape(256, flat.shape[1])
