"""Take the background of a wafer map away, so that its defect can be laid over another map, which has one of its own.

Two maps that are laid over each other have the background of both, 1 - (1 - p)^2, which no map with two defects has.
Where a share f of the dies fails and the background is p, a failing die is due to the background alone with the
probability p (1 - f) / ((1 - p) f); with that probability it is taken away.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.stats import binom
from jaxtyping import Float, Key

SQUARE, RAY, HEADINGS = 5, 7, 32
"""Side of the square about a die; dies of a ray that begins beside it; directions of rays."""
LEVEL = 0.1
"""Chance that a die of nothing but background has a window with significantly more failing dies (Bonferroni)."""


def _windows() -> np.ndarray:
    """Return a square about a die and rays from it, without the die itself, (15, 15, 1, 33).

    Scratches are one die wide, and most of a bent one is beside a straight line through its middle, not beside a ray.
    """
    windows = np.zeros((2 * RAY + 1, 2 * RAY + 1, 1, 1 + HEADINGS), np.float32)
    inside = slice(RAY - SQUARE // 2, RAY + SQUARE // 2 + 1)
    windows[inside, inside, 0, 0] = 1
    for heading in range(HEADINGS):
        down, right = np.sin(2 * np.pi * heading / HEADINGS), np.cos(2 * np.pi * heading / HEADINGS)
        for step in range(1, RAY + 1):  # a die for each step along the longer direction
            row, column = (round(step * each / max(abs(down), abs(right))) for each in (down, right))
            windows[RAY + row, RAY + column, 0, 1 + heading] = 1
    windows[RAY, RAY] = 0
    return windows


WINDOWS = _windows()


def take_background_away(
    rng: Key[Array, ""], fail: Float[Array, "maps height width"], exists: Float[Array, "#maps height width"]
) -> Float[Array, "maps height width"]:
    """Return the failing dies, 0 or 1, without those that the background explains.

    The background of a map is the median, over its dies, of the share that fails in a square about each: a defect
    covers less than half of a wafer; of one that covers more nothing is left. The share about a die is the largest over
    a square, rays in 32 directions and the 16 lines that opposite rays make, if it is significantly more than the
    background (binomial tail). `exists` may be one map for all.

    >>> exists = jnp.ones((1, 16, 16))
    >>> fail = jnp.zeros((1, 16, 16)).at[0, 4:8, 4:8].set(1.0).at[0, 15, 0].set(1.0)
    >>> bool((take_background_away(jax.random.key(0), fail, exists)[0, 4:8, 4:8] == 1).all())
    True
    """
    failing, dies = counts(fail), counts(exists)
    share = failing / jnp.maximum(dies, 1)
    background = jnp.nanmedian(jnp.where(exists > 0, share[..., 0], jnp.nan), axis=(1, 2))
    background = jnp.clip(background, 1e-3, 1 - 1e-3)
    each = jnp.arange(len(fail))[:, None, None, None]
    enough = _significant(background, share.shape[-1])[each, dies.astype(int)]
    background = background[:, None, None]
    densest = jnp.max(jnp.where(failing >= enough, share, background[..., None]), axis=-1)
    explained = background * (1 - densest) / ((1 - background) * densest)
    keep = jax.random.uniform(rng, (fail.size,)).reshape(fail.shape) >= explained
    return jnp.where(keep, fail, 0.0)


def counts(dies: Float[Array, "maps height width"]) -> Float[Array, "maps height width windows"]:
    """Return how many of these dies are in each window about each die: the square, the rays, the lines."""
    numbers = ("NHWC", "HWIO", "NHWC")
    found = lax.conv_general_dilated(dies[..., None], jnp.asarray(WINDOWS), (1, 1), "SAME", dimension_numbers=numbers)
    there, back = jnp.split(found[..., 1:], 2, axis=-1)
    return jnp.concatenate([found, there + back], axis=-1)


def _significant(background: Float[Array, " maps"], windows: int) -> Array:
    """Return how many dies must fail of each number of dies to be more than background, (maps, dies + 1)."""
    number = jnp.arange(SQUARE**2)
    chance = binom.pmf(number[None, None, :], number[None, :, None], background[:, None, None])
    tail = jnp.cumsum(chance[..., ::-1], axis=-1)[..., ::-1]
    rare = tail < LEVEL / windows
    return jnp.where(rare.any(axis=-1), rare.argmax(axis=-1), SQUARE**2)
