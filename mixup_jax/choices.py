"""The data and the choices of a run: a method, an optimiser, a schedule; frozen dataclasses that validate themselves.

A choice is a type: ``optimizer=Sgd(...)`` or ``Adam(...)``, so that an option of another choice cannot be given. The
comments are the command line's help. The default of a new field must mean what was done before the field existed: it is
the default for older runs.
"""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mixup_jax.config_checks import LARGEST, LEAST_ALPHA, Checked, mixes
from mixup_jax.mixing import PARTNERS

IMAGE_SIZE = 224
"""Of photographs, where none is given."""
NEIGHBOURS = 200
"""Of each example, where no number is given."""


@dataclass(frozen=True)
class Data(Checked):
    """The training data, and how they are augmented."""

    dataset: str = "cifar10"
    """digits, fashion_mnist, cifar10, cifar100, imagenet or folder:PATH (PATH/train/<class>/*.png, PATH/test/...); of
    speech speech_commands, fsdd, fsdd:SPEAKER (held out), chirps or speech:PATH (PATH/<word>/*.wav)."""
    train_examples: int | None = None
    """Train on the first N images only (default: all), of the subset if there is one."""
    train_subset: tuple[int, int] | None = None
    """INDEX COUNT: train on one of COUNT disjoint parts of the training images, INDEX counted from 0."""
    label_noise: float = 0.0
    """Share of the training labels replaced by a class drawn uniformly, the true one included."""
    pad_crop: int = 4
    """Zero pixels added on each side before a random crop back to size; 0 switches it off."""
    flip: bool = True
    """Mirror images left to right at random."""
    image_size: int | None = None
    """Side of the square that imagenet's photographs are cut and resized to, 224 if left out."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to the normalised input."""
    nyquist: bool = False
    """Speech: keep the last row of spectrograms, 161 of them in place of the paper's 160."""
    mix: Literal["spectrogram", "waveform"] = "spectrogram"
    """Speech: mix spectrograms, computed once, or waveforms, of which every step computes the spectrograms."""

    def __post_init__(self) -> None:
        """Validate the data's options."""
        super().__post_init__()
        if self.image_size is not None and not self.is_streamed:
            raise ValueError(f"image_size is imagenet's; the images of {self.dataset} have their own size.")
        for name, given in (("mix waveform", self.mix == "waveform"), ("nyquist", self.nyquist)):
            if given and not self.is_speech:
                raise ValueError(f"{name} is for speech, and {self.dataset} is none: leave it out.")

    @property
    def is_speech(self) -> bool:
        """Return whether the data are recordings.

        >>> [Data(name).is_speech for name in ("fsdd", "fsdd:theo", "speech:words", "cifar10", "chirps:theo")]
        [True, True, True, False, False]
        """
        return self.dataset in ("speech_commands", "fsdd", "chirps") or self.dataset.startswith(("speech:", "fsdd:"))

    @property
    def is_streamed(self) -> bool:
        """Return whether the images stay on disk."""
        return self.dataset == "imagenet"


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


@dataclass(frozen=True)
class Optimizer(Checked):
    """Options of every optimiser."""

    lr: float = 0.1
    """Learning rate after the warm-up."""
    weight_decay: float = 1e-4
    """Coupled L2 on all parameters, biases and BatchNorm included, as in the released code."""
    decay_norm: bool = True
    """Coupled L2 also on scales and biases of BatchNorm; the ImageNet recipe leaves these out."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if not self.decay_norm and self.weight_decay == 0:
            raise ValueError("decay_norm is for weight decay, and weight_decay is 0: leave it out.")


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum."""

    name: tyro.conf.Suppress[str] = field(default="sgd", init=False)
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is a form of momentum, and momentum is 0: leave it out.")


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (arXiv 1412.6980) with its constants 0.9, 0.999 and 1e-8."""

    name: tyro.conf.Suppress[str] = field(default="adam", init=False)


@dataclass(frozen=True, kw_only=True)
class Warmup(Checked):
    """Options of every schedule: the learning rate first rises linearly."""

    warmup_epochs: float = 0.0
    """Epochs of linear warm-up."""
    warmup_start: float = 0.0
    """Learning rate at the start of the warm-up."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if self.warmup_start and not self.warmup_epochs:
            raise ValueError("warmup_start is for a warm-up, and warmup_epochs is 0: leave it out.")


@dataclass(frozen=True)
class Step(Warmup):
    """Divide the learning rate at some epochs."""

    name: tyro.conf.Suppress[str] = field(default="step", init=False)
    decay_epochs: tuple[float, ...] = (100, 150)
    """Epochs at which the learning rate falls."""
    decay_factor: float = 0.1
    """The learning rate is multiplied by it."""


@dataclass(frozen=True)
class Cosine(Warmup):
    """Let the learning rate fall to 0 along half a cosine."""

    name: tyro.conf.Suppress[str] = field(default="cosine", init=False)


@dataclass(frozen=True)
class Constant(Warmup):
    """Keep the learning rate."""

    name: tyro.conf.Suppress[str] = field(default="constant", init=False)


Schedule = Step | Cosine | Constant
