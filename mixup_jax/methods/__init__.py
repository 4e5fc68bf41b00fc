"""The mixing family: what came after mixup, as pure functions on the same plan type; one method a file.

from mixup_jax.methods import cutmix, choose, fmix, mix_at, ...
"""

from mixup_jax.methods.cutmix import cutmix, draw_cutmix
from mixup_jax.methods.dirichlet import draw_dirichlet, mix_all
from mixup_jax.methods.noisy_feature import noisy_feature_mixup
from mixup_jax.methods.regmixup import regmixup
from mixup_jax.methods.schedule import phase_out
from mixup_jax.methods.switch import choose

__all__ = [
    "choose",
    "cutmix",
    "draw_cutmix",
    "draw_dirichlet",
    "mix_all",
    "noisy_feature_mixup",
    "phase_out",
    "regmixup",
]
