"""mixup for JAX: `mixup(rng, x, y, alpha)` and what it is made of; what came after it is in `mixup_jax.methods`."""

from mixup_jax.losses import mixed_cross_entropy, mixed_sigmoid_cross_entropy
from mixup_jax.mixing import Mix, draw, mix, mixup

__all__ = ["Mix", "draw", "mix", "mixed_cross_entropy", "mixed_sigmoid_cross_entropy", "mixup"]
