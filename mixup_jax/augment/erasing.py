"""Random erasing (arXiv 1708.04896), in the compiled step and after the normalisation, as timm has it."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int, Key

AREA = (0.02, 1 / 3)
"""Of a box, as a share of the image: uniform."""
ASPECT = (0.3, 1 / 0.3)
"""Height over width of a box: log-uniform."""
TRIES = 10
FINE = 128
"""Areas, and aspects, from which a box is drawn."""


def erase(
    rng: Key[Array, ""],
    image: Float32[Array, "batch height width channels"],
    probability: float,
    positions: Int[Array, "batch"] | None = None,
) -> Float32[Array, "batch height width channels"]:
    """Replace a random box of each image by normal noise, with a probability between 0 and 1.

    `image` is normalised. A box is drawn again until both sides are less than the image's; after ten tries there is
    none. Example i uses the key ``fold_in(rng, positions[i])``; `positions` are the places in the whole batch, by
    default 0, 1, ...

    Raises ValueError for a probability outside of [0, 1].

    >>> erased = erase(jax.random.key(0), jnp.zeros((8, 16, 16, 1)), 1.0)
    >>> (erased != 0).any(axis=(1, 2, 3)).tolist() == [True] * 8
    True
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability is {probability}; it must be between 0 and 1")
    if probability == 0:
        return image
    if positions is None:
        positions = jnp.arange(image.shape[0], dtype=jnp.int32)

    def erase_one(position: Array, image: Array) -> Array:
        rng_box, rng_noise = jax.random.split(jax.random.fold_in(rng, position))
        inside = _draw_box(rng_box, image.shape[0], image.shape[1], probability)
        return jnp.where(inside[..., None], jax.random.normal(rng_noise, image.shape, jnp.float32), image)

    return jax.vmap(erase_one)(positions, image)


def _draw_box(rng: Key[Array, ""], height: int, width: int, probability: float) -> Bool[Array, "height width"]:
    """Return which pixels are in a box: none where nothing is erased."""
    words = jax.random.bits(rng, (TRIES + 3,))
    boxes = jnp.asarray(_boxes(height, width))[(words[:TRIES] % FINE**2).astype(np.int32)]
    fits = (boxes[:, 0] < height) & (boxes[:, 1] < width)
    high, wide = boxes[jnp.argmax(fits)]
    erased = fits.any() & ((words[TRIES] >> 1) < np.uint32(round(probability * 2**31)))
    top, left = (
        (word % jnp.maximum(side - length + 1, 1).astype(np.uint32)).astype(np.int32)
        for word, side, length in zip(words[TRIES + 1 :], (height, width), (high, wide), strict=True)
    )
    row, column = jnp.arange(height)[:, None] - top, jnp.arange(width)[None] - left
    return erased & (row >= 0) & (row < high) & (column >= 0) & (column < wide)


@cache
def _boxes(height: int, width: int) -> np.ndarray:
    """Return (height, width) of all boxes, int32 (16384, 2), each as likely as any other."""
    share = (np.arange(FINE) + 0.5) / FINE
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * share)[:, None]
    aspect = np.exp(np.log(ASPECT[0]) + (np.log(ASPECT[1]) - np.log(ASPECT[0])) * share)[None]
    sides = np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=-1)
    return np.round(sides).astype(np.int32).reshape(-1, 2)
