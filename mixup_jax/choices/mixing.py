"""The methods that mix, and their options."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mixup_jax.config_checks import LARGEST, LEAST_ALPHA, Checked, mixes
from mixup_jax.mixing import PARTNERS

NEIGHBOURS = 200
"""Of each example, where no number is given."""


@dataclass(frozen=True)
class Erm(Checked):
    """Empirical risk minimisation: examples as they are."""

    name: tyro.conf.Suppress[str] = field(default="erm", init=False)
    alphas = (0.0,)


@dataclass(frozen=True, kw_only=True)
class Mixed(Checked):
    """Options of every method that mixes (paper, section 2)."""

    per: Literal["batch", "example"] = "batch"
    """One lambda for the whole batch, or one for each example."""
    partner: Literal[
        "permutation",
        "derangement",
        "roll",
        "flip",
        "same_class",
        "different_class",
        "neighbours",
        "same_class_neighbours",
    ] = "permutation"
    """How partners are chosen: permutation (released code), derangement (never itself), roll, flip; by class in the
    batch; or among the nearest neighbours in the training set."""
    neighbours: int | None = None
    """How many nearest neighbours an example has (raw pixels, Euclidean), 200 if left out; for partners among them."""
    block: int | None = None
    """Partners come from runs of this many examples; where it divides one device's share, no image moves."""
    labels: Literal["mix", "larger"] = "mix"
    """Mix labels too, or keep that of the example which weighs more."""
    probability: float = 1.0
    """Probability of mixing at all, drawn for each batch (or example, see --per)."""
    phase_out: tuple[float, float] | None = None
    """Shares of the training between which the probability falls to 0; two equal numbers switch it off there."""
    unmixed_epochs: float = 0.0
    """Epochs at the start without mixing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours is not None and not self.among_neighbours:
            raise ValueError(f"neighbours is for partners among the neighbours, got partner {self.partner}.")
        if self.block is not None and self.partner not in PARTNERS:
            raise ValueError(f"block goes with the partners {', '.join(PARTNERS)}, got {self.partner}.")

    @property
    def among_neighbours(self) -> bool:
        """Return whether partners are nearest neighbours in the training set."""
        return self.partner.endswith("neighbours")


@dataclass(frozen=True)
class Mixup(Mixed):
    """Blend two examples, ``lam * x1 + (1 - lam) * x2`` with lambda from Beta(alpha, alpha)."""

    name: tyro.conf.Suppress[str] = field(default="mixup", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """Strength of mixup; several (--alphas too) are trained side by side in one program, each with all seeds, and 0
    among them is ERM."""
    layer: str = "input"
    """Mix the input of this layer instead of the images: stage1, ..., head (manifold mixup)."""

    def __post_init__(self) -> None:
        """Validate the options of mixup."""
        super().__post_init__()
        _check_alpha(self.alpha, least=0.0)
        if self.layer != "input" and self.among_neighbours:
            raise ValueError(f"layer {self.layer} goes with partners in the batch, got {self.partner}.")

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return all strengths."""
        return self.alpha if isinstance(self.alpha, tuple) else (self.alpha,)


@dataclass(frozen=True)
class CutMix(Mixed):
    """Paste a box of one image into another (arXiv 1905.04899)."""

    name: tyro.conf.Suppress[str] = field(default="cutmix", init=False)
    cutmix_alpha: float = 1.0
    """The alpha of CutMix; --alpha is mixup's."""

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return the strength."""
        return (self.cutmix_alpha,)


@dataclass(frozen=True)
class Switch(Mixed):
    """Pick mixup or CutMix at random."""

    name: tyro.conf.Suppress[str] = field(default="switch", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """Strength of mixup; several (--alphas too) are trained side by side in one program, each with all seeds."""
    cutmix_alpha: float = 1.0
    """The alpha of CutMix; --alpha is mixup's."""
    switch_probability: float = 0.5
    """Probability of picking CutMix."""

    def __post_init__(self) -> None:
        """Validate the options of both methods."""
        super().__post_init__()
        _check_alpha(self.alpha, least=LEAST_ALPHA)

    alphas = Mixup.alphas


def _check_alpha(alpha: float | tuple[float, ...], least: float) -> None:
    """Raise ValueError unless all strengths are positive; with `least` 0 one of several may be 0, which is ERM."""
    alphas = alpha if isinstance(alpha, tuple) else (alpha,)
    fits = all(mixes(each) or (each == least == 0 and isinstance(alpha, tuple)) for each in alphas)
    if not alphas or not fits or len(set(alphas)) < len(alphas):
        erm = "" if least else "; 0 is ERM: method erm, or one of several"
        raise ValueError(
            f"alpha must be one number, or several different ones, {LEAST_ALPHA:g} to {LARGEST:g}{erm}, got {alpha}."
        )


Mixing = Erm | Mixup | CutMix | Switch
