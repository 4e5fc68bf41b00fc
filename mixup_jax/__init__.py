"""mixup for JAX: `mixup(rng, x, y, alpha)` and what it is made of."""

from mixup_jax.mixing import Mix, draw, mix, mixed_cross_entropy, mixup

__all__ = ["Mix", "draw", "mix", "mixed_cross_entropy", "mixup"]
