"""How well generated points stand for a mixture of narrow Gaussians, in three numbers."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

RADIUS = 0.1
"""A point this close to a mean is of high quality: ten standard deviations, a fifth of the grid's spacing."""
FRAME = 1.5
"""The picture's half side."""


class Quality(NamedTuple):
    """Modes covered (a count), and shares in per cent; each (...,) of samples (..., points, 2)."""

    modes: Float[Array, "..."]
    high_quality: Float[Array, "..."]
    inside: Float[Array, "..."]


def quality(points: Float[Array, "*runs points 2"], means: Float[Array, "modes 2"]) -> Quality:
    """Measure generated points: NaN counts as far away.

    A mode is covered if at least 1 % of the points are within `RADIUS` of it; of high quality are points within
    `RADIUS` of any; inside are those with both coordinates within `FRAME`.

    >>> means = jnp.array([[0.0, 0.0], [1.0, 0.0]])
    >>> [float(each) for each in quality(jnp.array([[0.0, 0.05], [0.0, -0.05], [0.5, 0.0], [9.0, 0.0]]), means)]
    [1.0, 50.0, 75.0]
    """
    distance = jnp.linalg.norm(points[..., None, :] - jnp.expand_dims(means, tuple(range(points.ndim - 1))), axis=-1)
    near = distance <= RADIUS
    covered = jnp.sum(jnp.mean(near, axis=-2) >= 0.01, axis=-1)
    inside = jnp.all(jnp.abs(points) <= FRAME, axis=-1)
    return Quality(
        covered.astype(jnp.float32),
        100 * jnp.mean(jnp.any(near, axis=-1), axis=-1),
        100 * jnp.mean(inside, axis=-1),
    )
