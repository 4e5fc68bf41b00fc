"""The methods that mix, and their options: every one of `mixup_jax.methods.table`, and what can be made of them."""

from dataclasses import dataclass, field
from typing import Any, Literal

import tyro

from mixup_jax.config_checks import LARGEST, LEAST_ALPHA, Checked, mixes
from mixup_jax.mixing import PARTNERS

NEIGHBOURS = 200
"""Of each example, where no number is given."""
GROUP = 16
"""Examples that k-mixup matches at once, where no number is given."""


@dataclass(frozen=True)
class Erm(Checked):
    """Empirical risk minimisation: examples as they are."""

    name: tyro.conf.Suppress[str] = field(default="erm", init=False)
    alphas = (0.0,)


@dataclass(frozen=True, kw_only=True)
class Mixed(Checked):
    """Options of every method that mixes (paper, section 2)."""

    per: Literal["batch", "block", "example"] = "batch"
    """One lambda for the whole batch, for each --block of it, or for each example."""
    partner: Literal[
        "permutation",
        "derangement",
        "roll",
        "flip",
        "same_class",
        "different_class",
        "neighbours",
        "same_class_neighbours",
        "optimal",
    ] = "permutation"
    """How partners are chosen: permutation (released code), derangement (never itself), roll, flip; by class in the
    batch; among the nearest neighbours in the training set; or by optimal transport between groups of the batch
    (k-mixup, arXiv 2106.02933)."""
    neighbours: int | None = None
    """How many nearest neighbours an example has (raw pixels, Euclidean), 200 if left out; for partners among them."""
    group: int | None = None
    """How many examples are matched at once, the k of k-mixup, 16 if left out; for partner optimal."""
    block: int | None = None
    """Partners come from runs of this many examples; where it divides one device's share, no image moves."""
    labels: Literal["mix", "larger"] = "mix"
    """Mix labels too, or keep that of the example which weighs more."""
    probability: float = 1.0
    """Probability of mixing at all, drawn for each batch (or block or example, see --per)."""
    phase_out: tuple[float, float] | None = None
    """Shares of the training between which the probability falls to 0; two equal numbers switch it off there."""
    unmixed_epochs: float = 0.0
    """Epochs at the start without mixing."""

    least = 0.0  # among several alphas, where it is ERM

    def __post_init__(self) -> None:
        super().__post_init__()
        if hasattr(self, "alpha"):
            _check_alpha(self.alphas, self.least, isinstance(vars(self)["alpha"], tuple))
        if self.group is not None and self.partner != "optimal":
            raise ValueError(f"group is for partner optimal, got partner {self.partner}.")
        if self.neighbours is not None and not self.among_neighbours:
            raise ValueError(f"neighbours is for partners among the neighbours, got partner {self.partner}.")
        if self.per == "block" and self.block is None:
            raise ValueError("per block needs block, how many examples have one lambda.")
        if self.block is not None and self.partner not in PARTNERS:
            raise ValueError(f"block goes with the partners {', '.join(PARTNERS)}, got {self.partner}.")

    @property
    def among_neighbours(self) -> bool:
        """Return whether partners are nearest neighbours in the training set."""
        return self.partner.endswith("neighbours")

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return all strengths."""
        alpha = vars(self)["alpha"]
        return alpha if isinstance(alpha, tuple) else (alpha,)

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return the method's own options by their names in the library."""
        return {}


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
        if self.layer != "input" and self.among_neighbours:
            raise ValueError(f"layer {self.layer} goes with partners in the batch, got {self.partner}.")


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

    least = LEAST_ALPHA


@dataclass(frozen=True)
class FMix(Mixed):
    """Paste blobs of one image into another (arXiv 2002.12047)."""

    name: tyro.conf.Suppress[str] = field(default="fmix", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """The pasted share is from Beta(alpha, alpha); several as with mixup, and 0 among them is ERM."""
    fmix_decay: float = 3.0
    """Power by which high frequencies of the mask are damped: 0 is white noise, more makes fewer and rounder blobs."""

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return the damping."""
        return {"decay": self.fmix_decay}


@dataclass(frozen=True)
class GridMix(Mixed):
    """Paste cells of a grid (DOI 10.1016/j.patcog.2020.107594), or squares on a lattice."""

    name: tyro.conf.Suppress[str] = field(default="gridmix", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """The pasted share is from Beta(alpha, alpha); several as with mixup, and 0 among them is ERM."""
    cells: int = 4
    """Rows and columns of the grid."""
    period: int | None = None
    """Paste a square in each tile of so many pixels squared instead, as GridMask (arXiv 2001.04086)."""

    def __post_init__(self) -> None:
        """Validate that there is one grid."""
        super().__post_init__()
        if self.period is not None and self.cells != type(self).cells:
            raise ValueError(f"cells does nothing with a period, got {self.cells} and a period of {self.period}.")

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return the grid."""
        return {"cells": self.cells, "period": self.period}


@dataclass(frozen=True)
class ResizeMix(Mixed):
    """Paste the whole of one image, shrunk, into another (arXiv 2012.11101)."""

    name: tyro.conf.Suppress[str] = field(default="resizemix", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """Between both ends of --resize, the side is from Beta(alpha, alpha), 1 is uniform; several as with mixup, and 0
    among them is ERM."""
    resize: tuple[float, float] = (0.1, 0.8)
    """Least and largest side of what is pasted, shares of the image's."""

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return the ends."""
        return dict(zip(("low", "high"), self.resize, strict=True))


@dataclass(frozen=True)
class SaliencyMix(Mixed):
    """Paste the box around what is salient in one image into another (arXiv 2006.01791)."""

    name: tyro.conf.Suppress[str] = field(default="saliencymix", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """The pasted share is from Beta(alpha, alpha); several as with mixup, and 0 among them is ERM."""
    peak: Literal["example", "batch"] = "example"
    """Each box around its own partner's peak (the paper), or all around that of the first (its code)."""

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return whose peak it is."""
        return {"peak": self.peak}


@dataclass(frozen=True)
class NoisyFeatureMixup(Mixed):
    """mixup of the images, which are then disturbed by noise (arXiv 2110.02180)."""

    name: tyro.conf.Suppress[str] = field(default="noisy_feature_mixup", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """Strength of mixup; several (--alphas too) are trained side by side in one program, each with all seeds."""
    additive_noise: float = 0.4
    """Level of normal noise that is added, in units of the normalised pixels; its deviation in a batch is the level
    times a number from Beta(2, 5), 0.13 on the whole."""
    multiplicative_noise: float = 0.2
    """Level of uniform noise, relative to the pixel; weakened for each batch in the same way."""
    least = LEAST_ALPHA

    def __post_init__(self) -> None:
        """Validate that there is noise."""
        super().__post_init__()
        if not self.additive_noise and not self.multiplicative_noise:
            raise ValueError("additive_noise and multiplicative_noise are both 0, which is method mixup.")


@dataclass(frozen=True)
class Dirichlet(Mixed):
    """Blend more than two examples, with weights from a Dirichlet distribution (paper, section 2)."""

    name: tyro.conf.Suppress[str] = field(default="dirichlet", init=False)
    alpha: float | tuple[float, ...] = 1.0
    """Weights are from Dirichlet(alpha, ..., alpha); several as with mixup, and 0 among them is ERM."""
    examples: int = 3
    """How many examples are blended; 2 is mixup."""
    partner: Literal["permutation", "derangement"] = field(default="permutation", kw_only=True)
    """How the partners of each example are chosen: permutations, or derangements (never itself)."""
    labels: tyro.conf.Suppress[Literal["mix"]] = field(default="mix", kw_only=True)

    @property
    def plan_options(self) -> dict[str, Any]:
        """Return how many."""
        return {"examples": self.examples}


@dataclass(frozen=True)
class RegMixup(Mixed):
    """Learn from the clean batch and from its mixture beside it, twice the examples a step (arXiv 2206.14502)."""

    name: tyro.conf.Suppress[str] = field(default="regmixup", init=False)
    alpha: float | tuple[float, ...] = 20.0
    """Strength of mixup; several (--alphas too) are trained side by side in one program, each with all seeds."""
    eta: float = 1.0
    """Weight of the loss of the mixture; that of the clean batch has 1."""
    least = LEAST_ALPHA


def _check_alpha(alphas: tuple[float, ...], least: float, several: bool) -> None:
    """Raise ValueError unless all strengths are positive; with `least` 0 one of several may be 0, which is ERM."""
    fits = all(mixes(each) or (each == least == 0 and several) for each in alphas)
    if not alphas or not fits or len(set(alphas)) < len(alphas):
        erm = "" if least else "; 0 is ERM: method erm, or one of several"
        raise ValueError(
            f"alpha must be one number, or several different ones, {LEAST_ALPHA:g} to {LARGEST:g}{erm}, "
            f"got {alphas if several else alphas[0]}."
        )


Mixing = (
    Erm | Mixup | CutMix | Switch | FMix | GridMix | ResizeMix | SaliencyMix | NoisyFeatureMixup | Dirichlet | RegMixup
)
