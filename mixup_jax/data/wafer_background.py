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

SQUARE, LINE, HEADINGS = 5, 9, 12
SIGNIFICANT = 2.5
"""Standard deviations by which a window must fail more often than the background, to be more than background."""


def _windows() -> np.ndarray:
    """Return a square and lines at 12 headings about a die, without it, (9, 9, 1, 13): scratches are one die wide."""
    middle = LINE // 2
    windows = np.zeros((LINE, LINE, 1, 1 + HEADINGS), np.float32)
    inside = slice(middle - SQUARE // 2, middle + SQUARE // 2 + 1)
    windows[inside, inside, 0, 0] = 1
    for heading in range(HEADINGS):
        down, right = np.sin(np.pi * heading / HEADINGS), np.cos(np.pi * heading / HEADINGS)
        for step in range(-middle, middle + 1):  # a die for each step along the longer direction
            row, column = (round(step * each / max(abs(down), abs(right))) for each in (down, right))
            windows[middle + row, middle + column, 0, 1 + heading] = 1
    windows[middle, middle] = 0
    return windows


WINDOWS = _windows()


def take_background_away(
    rng: Key[Array, ""], fail: Float[Array, "maps height width"], exists: Float[Array, "maps height width"]
) -> Float[Array, "maps height width"]:
    """Return the failing dies, 0 or 1, without those that the background explains.

    The background of a map is the median, over its dies, of the share that fails in a square about each: a defect
    covers less than half of a wafer. The share about a die is the largest over a square and lines in 12 directions, if
    it is significantly more than the background.

    >>> exists = jnp.ones((1, 16, 16))
    >>> fail = jnp.zeros((1, 16, 16)).at[0, 4:8, 4:8].set(1.0).at[0, 15, 0].set(1.0)
    >>> bool((take_background_away(jax.random.key(0), fail, exists)[0, 4:8, 4:8] == 1).all())
    True
    """
    both = jnp.concatenate([fail, exists])[..., None]
    numbers = ("NHWC", "HWIO", "NHWC")
    counts = lax.conv_general_dilated(both, jnp.asarray(WINDOWS), (1, 1), "SAME", dimension_numbers=numbers)
    dies = jnp.maximum(counts[len(fail) :], 1)
    share = counts[: len(fail)] / dies
    background = jnp.nanmedian(jnp.where(exists > 0, share[..., 0], jnp.nan), axis=(1, 2))[:, None, None]
    background = jnp.maximum(background, 1e-3)
    chance = background[..., None]
    more = share - chance > SIGNIFICANT * jnp.sqrt(chance * (1 - chance) / dies)
    densest = jnp.max(jnp.where(more, share, chance), axis=-1)
    explained = background * (1 - densest) / ((1 - background) * densest)
    keep = jax.random.uniform(rng, (fail.size,)).reshape(fail.shape) >= explained
    return jnp.where(keep, fail, 0.0)
