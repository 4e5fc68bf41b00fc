"""The two toy distributions of the paper's figure 5: narrow Gaussians on a ring, and on a grid."""

import jax
import numpy as np
from jaxtyping import Array, Float, Float32, Key

SIGMA = 0.01
"""Standard deviation of each Gaussian (the first author's demo)."""


def centres(name: str) -> Float32[np.ndarray, "modes 2"]:
    """Return the means: "ring", 8 on the unit circle from the top clockwise, or "grid", 5 x 5 from -1 to 1.

    Raises ValueError for another name.

    >>> centres("ring").shape, centres("grid").shape, centres("grid")[0].tolist()
    ((8, 2), (25, 2), [-1.0, -1.0])
    """
    if name == "ring":
        angle = 2 * np.pi * np.arange(8) / 8
        return np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    if name == "grid":
        line = np.linspace(-1, 1, 5)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
    raise ValueError(f"distribution is {name!r}; it must be ring or grid.")


def draw_points(rng: Key[Array, ""], means: Float[Array, "modes 2"], count: int) -> Float[Array, "count 2"]:
    """Draw points, each from one of the Gaussians, all equally likely.

    >>> import jax.numpy as jnp
    >>> points = draw_points(jax.random.key(0), jnp.asarray(centres("ring")), 1000)
    >>> bool(jnp.abs(jnp.linalg.norm(points, axis=1) - 1).max() < 0.05)
    True
    """
    rng_mode, rng_noise = jax.random.split(rng)
    mode = jax.random.randint(rng_mode, (count,), 0, len(means))
    return means[mode] + SIGMA * jax.random.normal(rng_noise, (count, 2))
