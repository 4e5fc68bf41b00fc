"""The methods that mix a batch of images, in one table: title, function, plan. Gallery, commands and tests read it."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from mixup_jax.methods.cutmix import cutmix, draw_cutmix
from mixup_jax.methods.fmix import draw_fmix, fmix
from mixup_jax.methods.gridmix import draw_gridmix, gridmix
from mixup_jax.methods.noisy_feature import noisy_feature_mixup
from mixup_jax.methods.resizemix import draw_resizemix, paste_resized, resizemix
from mixup_jax.methods.saliencymix import draw_saliencymix, saliencymix, static_saliency
from mixup_jax.mixing import draw, mix, mixup


class Method(NamedTuple):
    """A method: its name in print, the function, and the plan behind it, None where there is more than a plan."""

    title: str
    apply: Callable[..., Any]
    """``(rng, x, y, alpha, **options) -> (x, y)``, one of the public functions."""
    draw: Callable[..., Any] | None = None
    """``(rng, x, alpha, **options) -> plan`` for images x (batch, height, width, ...)."""
    carry_out: Callable[..., Any] = mix
    """``(plan, tree, other=None) -> tree``."""
    pastes: bool = True
    """It pastes regions, of images of any dtype; else it blends, floating-point ones only."""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the method's own options, in addition to the options of `mixup`.

        >>> METHODS["gridmix"].options
        ('dims', 'cells', 'period')
        """
        names, common = (inspect.signature(each).parameters for each in (self.apply, mixup))
        return tuple(name for name in names if name not in common)


def _of_shape(draw_plan: Callable[..., Any]) -> Callable[..., Any]:
    return lambda rng, x, alpha, **options: draw_plan(rng, x.shape[: 1 + options.get("dims", 2)], alpha, **options)


METHODS = {
    "mixup": Method("mixup", mixup, lambda rng, x, alpha, **options: draw(rng, len(x), alpha, **options), pastes=False),
    "cutmix": Method("CutMix", cutmix, _of_shape(draw_cutmix)),
    "fmix": Method("FMix", fmix, _of_shape(draw_fmix)),
    "gridmix": Method("GridMix", gridmix, _of_shape(draw_gridmix)),
    "resizemix": Method("ResizeMix", resizemix, _of_shape(draw_resizemix), paste_resized),
    "saliencymix": Method(
        "SaliencyMix",
        saliencymix,
        lambda rng, x, alpha, **options: draw_saliencymix(rng, static_saliency(x), alpha, **options),
    ),
    "noisy_feature_mixup": Method("Noisy feature mixup", noisy_feature_mixup, pastes=False),
}
"""By the name of the function."""
