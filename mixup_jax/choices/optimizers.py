"""The optimisers and their options."""

from dataclasses import dataclass, field

import tyro

from mixup_jax.config_checks import Checked


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
