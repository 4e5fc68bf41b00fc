"""The schedules of the learning rate and their options."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mixup_jax.config_checks import Checked


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


@dataclass(frozen=True, kw_only=True)
class Fall(Warmup):
    """Options of the schedules that fall from step to step."""

    end_lr: float = 0.0
    """Learning rate at the end of the training."""
    warmup_prefix: bool = True
    """The fall begins after the warm-up, as in big_vision. Otherwise it begins at epoch 0, and the warm-up stands in
    place of its first part, as in timm: after it the learning rate is below the highest."""
    lr_per: Literal["step", "epoch"] = "step"
    """The learning rate, in the warm-up too, changes from step to step, or only from epoch to epoch, as in timm."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if not self.warmup_prefix and not self.warmup_epochs:
            raise ValueError("warmup_prefix is for a warm-up, and warmup_epochs is 0: leave it out.")


@dataclass(frozen=True)
class Cosine(Fall):
    """Let the learning rate fall along half a cosine."""

    name: tyro.conf.Suppress[str] = field(default="cosine", init=False)


@dataclass(frozen=True)
class Linear(Fall):
    """Let the learning rate fall along a line."""

    name: tyro.conf.Suppress[str] = field(default="linear", init=False)


@dataclass(frozen=True)
class Constant(Warmup):
    """Keep the learning rate."""

    name: tyro.conf.Suppress[str] = field(default="constant", init=False)


Schedule = Step | Cosine | Linear | Constant
