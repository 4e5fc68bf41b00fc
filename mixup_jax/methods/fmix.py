"""FMix: masks of any shape from low-frequency noise (Harris et al., arXiv 2002.12047, section 4).

x~ = M * x_i + (1 - M) * x_j        M = 1 at the lam * h * w largest pixels of IFFT(Z / max(|f|, 1 / max(h, w))^decay)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.regions import check_size, image_size, largest, paste
from mixup_jax.mixing import Mix, draw, mix


def draw_fmix(
    rng: Array,
    size: tuple[int, int, int],
    alpha: ArrayLike,
    *,
    decay: ArrayLike = 3.0,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a plan that pastes blobs; `size` is (batch, height, width), the rest are the options of `mixup_jax.draw`.

    An image keeps exactly ``round(lam * height * width)`` of its pixels, ``lam ~ Beta(alpha, alpha)``, and the plan's
    lambda is that count. ``per="batch"`` draws one mask for all images, as the paper's code does. `decay` >= 0, which
    may be traced, is the power with which high frequencies are damped: 0 is white noise, larger makes fewer and
    rounder blobs. alpha = 0 pastes nothing. Raises what `draw` raises.

    >>> plan = draw_fmix(jax.random.key(0), (4, 8, 8), alpha=1.0)
    >>> bool((plan.mask.sum(axis=(1, 2)) == jnp.round(plan.lam * 64)).all())
    True
    """
    rng_plan, rng_mask = jax.random.split(rng)
    plan = draw(rng_plan, check_size(size)[0], alpha, per=per, partner=partner, block=block)
    lam = plan.lam[:1] if per == "batch" else plan.lam
    grey = low_frequency_images(rng_mask, (len(lam), *size[1:]), decay)
    # Paper: the code tosses a coin between rounding up and down; the nearest count needs none.
    count = jnp.round(lam * (size[1] * size[2])).astype(jnp.int32)
    return paste(plan, largest(grey.reshape(len(lam), -1), count).reshape(grey.shape))


def fmix(
    rng: Array,
    x: Any,
    y: Any,
    alpha: ArrayLike,
    *,
    decay: ArrayLike = 3.0,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[Any, Any]:
    """Paste blobs between the images of a batch and mix the labels by area: ``mix(draw_fmix(...), (x, y))``.

    `x` is images (batch, height, width, ...) of any dtype or a tree of them, `y` floating-point soft labels (batch,
    classes). Options as in `draw_fmix`.

    >>> x, y = fmix(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.eye(4), alpha=1.0)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    plan = draw_fmix(rng, image_size(x), alpha, decay=decay, per=per, partner=partner, block=block)
    return mix(plan, (x, y))


def low_frequency_images(rng: Array, size: tuple[int, int, int], decay: ArrayLike) -> Array:
    """Return grey images (batch, height, width), float32: normal noise, each frequency divided by itself to `decay`."""
    batch, height, width = size
    row, column = jnp.fft.fftfreq(height)[:, None], jnp.fft.rfftfreq(width)[None]  # cycles a pixel
    frequency = jnp.maximum(jnp.hypot(row, column), 1 / max(height, width))
    # drawn flat: many dimensions compile slowly on a CPU
    real, imaginary = jax.random.normal(rng, (2 * batch * frequency.size,)).reshape(2, batch, *frequency.shape)
    return jnp.fft.irfft2(jax.lax.complex(real, imaginary) / (frequency**decay)[None], s=(height, width))
