"""Attacks with a bounded change of every pixel, as pure functions (the paper, section 3.5 and table 3).

Images are float (batch, ...) in pixel units, by default 0 to 255. Normalise in `loss_fn`, so that `epsilon` means the
same for every network. ``loss_fn(x, y) -> (batch,)`` returns the loss of each example; the attack on an example does
not depend on the other examples.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

LossFn = Callable[[Array, Array], Array]


def fgsm(loss_fn: LossFn, x: Array, y: Array, epsilon: ArrayLike, *, low: float = 0.0, high: float = 255.0) -> Array:
    """Move every pixel by `epsilon` in the direction that raises the loss (Goodfellow et al., arXiv 1412.6572, sec. 4).

    ``clip(x + epsilon * sign(grad_x loss), low, high)``; `epsilon` >= 0, in pixel units, may be traced.
    Raises ValueError for a negative or NaN epsilon where it can be seen, for bounds in the wrong order and for pixels
    that are integers.

    >>> x = jnp.array([[10.0, 255.0]])
    >>> fgsm(lambda x, y: jnp.sum(x, axis=1), x, jnp.array([0]), 4.0).tolist()
    [[14.0, 255.0]]
    """
    return iterated_fgsm(loss_fn, x, y, epsilon, steps=1, low=low, high=high)


def iterated_fgsm(
    loss_fn: LossFn,
    x: Array,
    y: Array,
    epsilon: ArrayLike,
    *,
    steps: int = 10,
    step_size: ArrayLike | None = None,
    low: float = 0.0,
    high: float = 255.0,
) -> Array:
    """Take `steps` steps of FGSM, staying within `epsilon` of `x` (Kurakin et al., arXiv 1607.02533).

    `step_size` is ``epsilon / steps`` if left out (the paper: 10 iterations with equal steps). Errors as in `fgsm`.

    >>> x = jnp.array([[10.0, 255.0]])
    >>> iterated_fgsm(lambda x, y: jnp.sum(x, axis=1), x, jnp.array([0]), 4.0, steps=2, step_size=3.0).tolist()
    [[14.0, 255.0]]
    """
    _check(x, epsilon, steps, low, high)
    return _iterate(loss_fn, x, x, y, epsilon, steps, epsilon / steps if step_size is None else step_size, low, high)


def pgd(
    rng: Array,
    loss_fn: LossFn,
    x: Array,
    y: Array,
    epsilon: ArrayLike,
    *,
    steps: int = 20,
    step_size: ArrayLike | None = None,
    low: float = 0.0,
    high: float = 255.0,
) -> Array:
    """Start at random within `epsilon` of `x`, then as `iterated_fgsm`; stronger (Madry et al., arXiv 1706.06083).

    `step_size` is ``2.5 * epsilon / steps`` if left out. Errors as in `fgsm`.
    """
    _check(x, epsilon, steps, low, high)
    noise = jax.random.uniform(rng, (x.size,), x.dtype, -1.0, 1.0).reshape(x.shape)
    start = jnp.clip(x + epsilon * noise, low, high)
    size = 2.5 * epsilon / steps if step_size is None else step_size
    return _iterate(loss_fn, start, x, y, epsilon, steps, size, low, high)


def _iterate(
    loss_fn: LossFn,
    start: Array,
    x: Array,
    y: Array,
    epsilon: ArrayLike,
    steps: int,
    step_size: ArrayLike,
    low: float,
    high: float,
) -> Array:
    """Repeat: move along the sign of the gradient, then clip to the ball around `x` and to the range of pixels."""
    gradient = jax.grad(lambda moved: jnp.sum(loss_fn(moved, y)))

    def step(_: Any, moved: Array) -> Array:
        moved = moved + step_size * jnp.sign(gradient(moved))
        return jnp.clip(jnp.clip(moved, x - epsilon, x + epsilon), low, high)

    return jax.lax.fori_loop(0, steps, step, start)


def _check(x: Array, epsilon: ArrayLike, steps: int, low: float, high: float) -> None:
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x must be floating-point pixels, got {x.dtype}.")
    if not isinstance(epsilon, Tracer) and not float(epsilon) >= 0:  # pyright: ignore[reportArgumentType]
        raise ValueError(f"epsilon must be >= 0, in units of a pixel (0 to 255), got {epsilon}.")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}.")
    if not low < high:
        raise ValueError(f"low must be less than high, got {low} and {high}.")
