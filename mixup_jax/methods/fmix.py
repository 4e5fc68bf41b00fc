"""FMix: masks of any shape from low-frequency noise (Harris et al., arXiv 2002.12047, section 4).

x~ = M * x_i + (1 - M) * x_j        M = 1 at the lam * h * w largest pixels of IFFT(Z / max(|f|, 1 / max(h, w))^decay)
"""

import math
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import check_size, lambdas, largest, mix_regions, options_of, paste
from mixup_jax.mixing import Mix, X, Y, draw


def draw_fmix(
    rng: Array,
    size: tuple[int, ...],
    alpha: ArrayLike,
    *,
    dims: int = 2,
    decay: ArrayLike = 3.0,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes blobs; `size` is (batch, height, width), the rest options of `mixup_jax.draw`.

    `dims` is 2 for images, 1 for sequences with `size` (batch, length), 3 for volumes (batch, depth, height, width).

    An image keeps exactly ``round(lam * height * width)`` of its pixels, ``lam ~ Beta(alpha, alpha)``, and the plan's
    lambda is that count. ``per="batch"`` draws one mask for all images, as the paper's code does. `decay` >= 0, which
    may be traced, is the power with which high frequencies are damped: 0 is white noise, larger makes fewer and
    rounder blobs. alpha = 0 pastes nothing. Raises what `draw` raises.

    >>> plan = draw_fmix(jax.random.key(0), (4, 8, 8), alpha=1.0)
    >>> bool((plan.mask.sum(axis=(1, 2)) == jnp.round(plan.lam * 64)).all())
    True
    """
    rng_plan, rng_mask = jax.random.split(rng)
    plan = draw(rng_plan, check_size(size, dims)[0], alpha, per=per, partner=partner, block=block)
    lam = lambdas(plan, per)
    grey = low_frequency_images(rng_mask, (len(lam), *size[1:]), decay)
    # Paper: the code tosses a coin between rounding up and down; the nearest count needs none.
    count = jnp.round(lam * math.prod(size[1:])).astype(jnp.int32)
    return paste(plan, largest(grey.reshape(len(lam), -1), count).reshape(grey.shape))


@options_of(draw_fmix)
def fmix(
    rng: Array, x: X, y: Y, alpha: ArrayLike, *, other: tuple[Any, Any] | None = None, **options: Any
) -> tuple[X, Y]:
    """Paste blobs between the images of a batch and mix the labels by area: ``mix(draw_fmix(...), (x, y))``.

    `x` is images (batch, height, width), also with channels last, of any dtype, or a tree of them, `y` floating-point
    soft labels (batch, classes). `other` is as in `mixup`, the rest as in `draw_fmix`.

    >>> x, y = fmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.eye(4), alpha=1.0)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    return mix_regions(draw_fmix, rng, x, y, alpha, other, options)


def low_frequency_images(rng: Array, size: tuple[int, ...], decay: ArrayLike) -> Array:
    """Return grey images (batch, *positions), float32: normal noise, each frequency divided by itself to `decay`."""
    batch, *sides = size
    every = [jnp.fft.fftfreq(length, dtype=jnp.float32) for length in sides[:-1]]  # cycles a pixel
    every.append(jnp.fft.rfftfreq(sides[-1], dtype=jnp.float32))
    along = jnp.meshgrid(*every, indexing="ij", sparse=True)
    frequency = jnp.maximum(reduce(jnp.hypot, along), 1 / max(sides))
    # drawn flat: many dimensions compile slowly on a CPU
    noise = jax.random.normal(rng, (2 * batch * frequency.size,), jnp.float32)
    real, imaginary = noise.reshape(2, batch, *frequency.shape)
    damping = frequency ** jnp.asarray(decay, jnp.float32)
    spectrum = jax.lax.complex(real, imaginary) / damping.astype(jnp.complex64)[None]
    return jnp.fft.irfftn(spectrum, s=sides, axes=range(1, 1 + len(sides)))
