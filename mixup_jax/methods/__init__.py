"""The methods that came after mixup, as pure functions on the same type of plan; one method a file.

from mixup_jax.methods import cutmix, choose, fmix, mix_at, ...

They import jax alone, but for `mix_at` and `mix_at_random` (Flax) and `optimal_partners` (Optax): the extra [methods].
"""

from mixup_jax.methods.cutmix import cutmix, draw_cutmix
from mixup_jax.methods.dirichlet import draw_dirichlet, mix_all
from mixup_jax.methods.fmix import draw_fmix, fmix
from mixup_jax.methods.gridmix import draw_gridmix, gridmix
from mixup_jax.methods.k_mixup import optimal_partners
from mixup_jax.methods.labels import larger, threshold, union
from mixup_jax.methods.latent import mix_at, mix_at_random
from mixup_jax.methods.mixup_cutmix import mixup_cutmix
from mixup_jax.methods.noisy_feature import noisy_feature_mixup
from mixup_jax.methods.partners import (
    by_label_distance,
    different_class,
    neighbour_table,
    neighbours,
    same_class,
)
from mixup_jax.methods.regmixup import regmixup
from mixup_jax.methods.resizemix import draw_resizemix, paste_resized, resizemix
from mixup_jax.methods.rules import leave_padding, mix_by_rule
from mixup_jax.methods.saliencymix import draw_saliencymix, saliencymix, static_saliency
from mixup_jax.methods.switch import choose, phase_out

__all__ = [
    "by_label_distance",
    "choose",
    "cutmix",
    "different_class",
    "draw_cutmix",
    "draw_dirichlet",
    "draw_fmix",
    "draw_gridmix",
    "draw_resizemix",
    "draw_saliencymix",
    "fmix",
    "gridmix",
    "larger",
    "leave_padding",
    "mix_all",
    "mix_at",
    "mix_at_random",
    "mix_by_rule",
    "mixup_cutmix",
    "neighbour_table",
    "neighbours",
    "noisy_feature_mixup",
    "optimal_partners",
    "paste_resized",
    "phase_out",
    "regmixup",
    "resizemix",
    "saliencymix",
    "same_class",
    "static_saliency",
    "threshold",
    "union",
]
