"""The schedules of the learning rate and their options."""

from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Cosine(Warmup):
    """Let the learning rate fall to 0 along half a cosine."""

    name: tyro.conf.Suppress[str] = field(default="cosine", init=False)


@dataclass(frozen=True)
class Constant(Warmup):
    """Keep the learning rate."""

    name: tyro.conf.Suppress[str] = field(default="constant", init=False)


Schedule = Step | Cosine | Constant
