"""Crop and mirror images at random, for training; normalise images, wherever a network sees them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Float32, Int, Key, Num


def pad_crop_flip(
    rng: Key[Array, ""],
    image: Num[Array, "batch height width channels"],
    *,
    pad: int,
    flip: bool,
    positions: Int[Array, "batch"] | None = None,
) -> Num[Array, "batch height width channels"]:
    """Crop each image at random after padding it with `pad` zeros on each side, and mirror it with probability 1/2.

    `image` is uint8 or int16, or floating-point and finite; dtype and size are kept and values only move. `pad = 0` and
    `flip = False` switch the parts off. Example i uses the key ``fold_in(rng, positions[i])``; `positions` are the
    examples' places in the whole batch, by default 0, 1, ... Pass them where the function sees a part of the batch
    (`jax.pmap`, `jax.shard_map`); under a global-view `jit` it sees the whole.

    Raises ValueError for a negative `pad`, TypeError for images of another dtype.

    >>> image = jnp.arange(1, 10, dtype=jnp.uint8).reshape(1, 3, 3, 1)
    >>> pad_crop_flip(jax.random.key(2), image, pad=1, flip=True)[0, :, :, 0]
    Array([[5, 4, 0],
           [8, 7, 0],
           [0, 0, 0]], dtype=uint8)
    """
    if pad < 0:
        raise ValueError(f"pad is {pad}; it must be 0 or more pixels")
    _check_dtype(image, "pad_crop_flip")
    if pad == 0 and not flip:
        return image
    if positions is None:
        positions = jnp.arange(image.shape[0], dtype=jnp.int32)
    # Three words of bits an example: `split`, `randint` and `bernoulli` triple what XLA compiles. The remainder of 32
    # bits is uniform but for one part in 2**32 / (2 * pad + 1).
    bits = jax.vmap(lambda position: jax.random.bits(jax.random.fold_in(rng, position), (3,)))(positions)
    offset = (bits[:, :2] % (2 * pad + 1)).astype(jnp.int32) - pad
    mirror = (bits[:, 2] % 2 == 1) & flip
    # Paper: the released code pads raw pixels, before normalising, so the border becomes -mean/std, not 0.
    return _select_pixels(image, offset, mirror)


def _select_pixels(
    image: Num[Array, "batch height width channels"],
    offset: Int[Array, "batch 2"],
    mirror: Bool[Array, "batch"],
) -> Num[Array, "batch height width channels"]:
    """Shift each image by its offset, filling with zeros, and mirror it.

    Two matrix products with 0/1 matrices instead of a gather: exact, each row of a matrix holds at most one 1. Dynamic
    slices and gathers, once they are vmapped over examples and seeds inside a scan, run an order of magnitude slower
    on a CPU, and matrices are what a TPU is fast at. The batch axis is a batch axis of every operation, so under
    sharding no image leaves its device.
    """
    _, height, width, _ = image.shape
    row = offset[:, :1] + jnp.arange(height)[None]
    column = jnp.arange(width)[None]
    column = offset[:, 1:] + jnp.where(mirror[:, None], width - 1 - column, column)
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    pick_row = (row[:, :, None] == jnp.arange(height)[None, None]).astype(dtype)
    pick_column = (column[:, :, None] == jnp.arange(width)[None, None]).astype(dtype)
    # 8-bit integers survive any matrix precision (bfloat16 holds 0..256 exactly), float images need the full one.
    precision = jax.lax.Precision.DEFAULT if image.dtype == jnp.uint8 else jax.lax.Precision.HIGHEST
    moved = jnp.einsum("bhk,bkwc->bhwc", pick_row, image.astype(dtype), precision=precision)
    moved = jnp.einsum("bvw,bhwc->bhvc", pick_column, moved, precision=precision)
    return moved.astype(image.dtype)


def normalize(
    image: Num[Array, "*batch height width channels"],
    mean: Sequence[float] | Float[Array, "channels"],
    std: Sequence[float] | Float[Array, "channels"],
) -> Float32[Array, "*batch height width channels"]:
    """Return ``(image - mean) / std`` as float32; uint8 images are first brought to [0, 1], int16 waveforms to [-1, 1).

    `mean` and `std` hold one number a channel, for pixels in [0, 1]; floating-point images must be on their scale.

    Raises ValueError where their number is not the image's number of channels, TypeError for images of another dtype.

    >>> normalize(jnp.array([[[[0], [255]]]], jnp.uint8), (0.5,), (0.25,)).ravel().tolist()
    [-2.0, 2.0]
    """
    _check_dtype(image, "normalize")
    channels = image.shape[-1]
    if not len(mean) == len(std) == channels:
        raise ValueError(f"mean and std have {len(mean)} and {len(std)} numbers; image has {channels} channels")
    scale = 255.0 if image.dtype == jnp.uint8 else 32768.0 if image.dtype == jnp.int16 else 1.0
    shape = (1,) * (image.ndim - 1) + (channels,)
    centre, spread = (jnp.asarray(value, jnp.float32).reshape(shape) for value in (mean, std))
    return (image.astype(jnp.float32) / scale - centre) / spread


def _check_dtype(image: Array, function: str) -> None:
    if image.dtype not in (jnp.uint8, jnp.int16) and not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"image is {image.dtype}; {function} needs uint8, int16 or a floating-point dtype")
