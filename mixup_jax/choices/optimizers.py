"""The optimisers and their options."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mixup_jax.config_checks import Checked


@dataclass(frozen=True)
class Descent(Checked):
    """Options of every optimiser."""

    lr: float = 0.1
    """Learning rate after the warm-up."""
    weight_decay: float = 1e-4
    """Coupled L2 on all parameters, biases and BatchNorm included, as in the released code."""
    clip: float | None = None
    """Largest norm of the gradient over all parameters: a longer one is shortened to it, before anything else."""
    layer_decay: float | None = None
    """Learning rate of a layer as a share of the next layer's: of each block of a ViT or Mixer, of each three blocks of
    a stage (fine-tuning: 0.65 to 0.8)."""


@dataclass(frozen=True)
class Sgd(Descent):
    """Stochastic gradient descent with momentum."""

    name: tyro.conf.Suppress[str] = field(default="sgd", init=False)
    decay_norm: bool = True
    """Coupled L2 also on scales and biases of BatchNorm; the ImageNet recipe leaves these out."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        _refuse_without_decay(self, "decay_norm", self.decay_norm)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is a form of momentum, and momentum is 0: leave it out.")


@dataclass(frozen=True)
class Adam(Descent):
    """Adam (arXiv 1412.6980) with its constants 0.9, 0.999 and 1e-8."""

    name: tyro.conf.Suppress[str] = field(default="adam", init=False)
    decay_norm: bool = True
    """Coupled L2 also on scales and biases of BatchNorm."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        _refuse_without_decay(self, "decay_norm", self.decay_norm)


@dataclass(frozen=True)
class AdamW(Descent):
    """Adam with decoupled weight decay (arXiv 1711.05101), as torch's AdamW."""

    name: tyro.conf.Suppress[str] = field(default="adamw", init=False)
    lr: float = 1e-3
    """Learning rate after the warm-up."""
    weight_decay: float = 0.05
    """Share of a weight that a step takes away, times the learning rate. A recipe of big_vision says it without the
    learning rate: 1e-4 there, at a learning rate of 1e-3, is 0.1 here."""
    decay: Literal["kernels", "all"] = "kernels"
    """What decays. kernels: weights of convolutions and linear layers alone, which is what timm, DeiT, big_vision and
    ConvNeXt do: no bias, norm, position embedding, class token or LayerScale. all: every parameter, as in torch."""
    beta1: float = 0.9
    """Decay of the mean of the gradients."""
    beta2: float = 0.999
    """Decay of the mean of their squares."""
    eps: float = 1e-8
    """Added to the root of the mean of the squares."""
    moment_dtype: Literal["float32", "bfloat16"] = "float32"
    """In which the mean of the gradients is stored (big_vision: bfloat16)."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        _refuse_without_decay(self, "decay", self.decay == "kernels")


@dataclass(frozen=True)
class Lamb(Descent):
    """LAMB (arXiv 1904.00962) as timm's: what does not decay is not adapted, and gradients are clipped."""

    name: tyro.conf.Suppress[str] = field(default="lamb", init=False)
    lr: float = 5e-3
    """Learning rate after the warm-up."""
    weight_decay: float = 0.02
    """Share of a weight that is added to the direction before its length is adapted to the weight's."""
    clip: float | None = 1.0
    """Largest norm of the gradient over all parameters: a longer one is shortened to it, before anything else."""
    decay: Literal["kernels", "all"] = "kernels"
    """What decays and is adapted. kernels: weights of convolutions and linear layers alone: no bias, norm, position
    embedding, class token or LayerScale. all: every parameter."""
    beta1: float = 0.9
    """Decay of the mean of the gradients."""
    beta2: float = 0.999
    """Decay of the mean of their squares."""
    eps: float = 1e-6
    """Added to the root of the mean of the squares."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if self.weight_decay == 0:
            raise ValueError("weight_decay must be above 0 with lamb, which adapts what decays; without, take adamw.")


Optimizer = Sgd | Adam | AdamW | Lamb


def _refuse_without_decay(config: Descent, name: str, usual: bool) -> None:
    if config.weight_decay == 0 and not usual:
        raise ValueError(f"{name} is for weight decay, and weight_decay is 0: leave it out.")
