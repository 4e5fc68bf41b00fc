"""Mixup phased out towards the end of training (idea: Yu et al., "Mixup Without Hesitation", arXiv 2101.04342)."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def phase_out(step: ArrayLike, steps: ArrayLike, *, start: float = 0.6, end: float = 0.9) -> Array:
    """Return the probability of mixing at a step of `steps`: 1 until `start`, falling linearly to 0 at `end`.

    `start` and `end` are shares of the training, 0 <= start <= end; equal, mixing is switched off at once. All but
    these two may be traced. Give the result to `choose` as the probability of a plan. (The paper alternates mixed and
    clean batches for a while before its probability falls; a line is the simplest such schedule.)

    >>> [round(float(phase_out(step, 100)), 2) for step in (0, 59, 75, 90, 99)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if not 0 <= start <= end:
        raise ValueError(f"start and end must satisfy 0 <= start <= end, got {start} and {end}.")
    share = jnp.asarray(step, jnp.float32) / steps
    if start == end:
        return jnp.where(share < start, 1.0, 0.0)
    return jnp.clip((end - share) / (end - start), 0.0, 1.0)
