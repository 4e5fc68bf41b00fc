"""Take the background of a wafer map away, so that its defect can be laid over another map, which has one of its own.

Two maps that are laid over each other have the background of both, 1 - (1 - p)^2, which no map with two defects has.
Where a share f of the dies fails and the background is p, a failing die is due to the background alone with the
probability p (1 - f) / ((1 - p) f); with that probability it is taken away.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Key

SQUARE = 5
LINE = 7
HEADINGS = 8


def _windows() -> np.ndarray:
    """Return a square and lines through the middle at 8 headings, (LINE, LINE, 1, 9): scratches are one die wide."""
    middle = LINE // 2
    windows = np.zeros((LINE, LINE, 1, 1 + HEADINGS), np.float32)
    inside = slice(middle - SQUARE // 2, middle + SQUARE // 2 + 1)
    windows[inside, inside, 0, 0] = 1
    for heading in range(HEADINGS):
        angle = np.pi * heading / HEADINGS
        for step in np.linspace(-middle, middle, 4 * LINE):
            row, column = round(step * np.sin(angle)), round(step * np.cos(angle))
            windows[middle + row, middle + column, 0, 1 + heading] = 1
    return windows


WINDOWS = _windows()


def take_background_away(
    rng: Key[Array, ""], fail: Float[Array, "maps height width"], exists: Float[Array, "maps height width"]
) -> Float[Array, "maps height width"]:
    """Return the failing dies, 0 or 1, without those that the background explains.

    The background of a map is the median, over its dies, of the share that fails in a square about each: a defect
    covers less than half of a wafer. The share about a die is the largest over a square and lines in 8 directions.

    >>> exists = jnp.ones((1, 16, 16))
    >>> fail = jnp.zeros((1, 16, 16)).at[0, 4:8, 4:8].set(1.0).at[0, 15, 0].set(1.0)
    >>> bool((take_background_away(jax.random.key(0), fail, exists)[0, 4:8, 4:8] == 1).all())
    True
    """
    windows = jnp.asarray(WINDOWS)
    numbers = ("NHWC", "HWIO", "NHWC")
    both = jnp.concatenate([fail, exists])[..., None]
    counts = lax.conv_general_dilated(both, windows, (1, 1), "SAME", dimension_numbers=numbers)
    share = counts[: len(fail)] / jnp.maximum(counts[len(fail) :], 1)
    dies = exists > 0
    background = jnp.nanmedian(jnp.where(dies, share[..., 0], jnp.nan), axis=(1, 2), keepdims=True)
    densest = jnp.clip(jnp.max(share, axis=-1), 1e-3, 1.0)
    explained = background * (1 - densest) / ((1 - background) * densest)
    keep = jax.random.uniform(rng, (fail.size,)).reshape(fail.shape) >= explained
    return jnp.where(keep, fail, 0.0)
