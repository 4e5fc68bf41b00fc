"""Many trainings as one program: vmapped on an accelerator, in a loop on a CPU; the same numbers, up to rounding."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def over_seeds(function: Callable, in_axes: tuple[int | None, ...]) -> Callable:
    """Return ``vmap(function, in_axes)``, on a CPU as a loop; an axis is 0 (one a training) or None (shared by all).

    A CPU's cores are full with one small net, and its cache holds the parameters of one, not of a hundred.

    >>> import jax.numpy as jnp
    >>> over_seeds(lambda x, y: x * y, (0, None))(jnp.arange(3), 2).tolist()
    [0, 2, 4]
    """
    if jax.default_backend() == "cpu":
        return map_over_seeds(function, in_axes)
    return jax.vmap(function, in_axes)


def map_over_seeds(function: Callable, in_axes: tuple[int | None, ...]) -> Callable:
    """Return ``vmap(function, in_axes)`` as a loop: a vmapped convolution is a grouped one, which CPUs are slow at."""

    @functools.wraps(function)  # the name that JAX gives the program in logs and profiles
    def mapped(*arguments: Any) -> Any:
        over = [argument for argument, axis in zip(arguments, in_axes, strict=True) if axis == 0]

        def one(these: list[Any]) -> Any:
            each = iter(these)
            return function(*(next(each) if axis == 0 else a for a, axis in zip(arguments, in_axes, strict=True)))

        return jax.lax.map(one, over)

    return mapped
