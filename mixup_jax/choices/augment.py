"""The augmentations beyond crops and mirror images, and their options."""

from dataclasses import dataclass, field

import tyro

from mixup_jax.config_checks import Checked


@dataclass(frozen=True)
class NoAugment(Checked):
    """Crops and mirror images alone."""

    name: tyro.conf.Suppress[str] = field(default="none", init=False)


@dataclass(frozen=True)
class RandAugment(Checked):
    """RandAugment (arXiv 1909.13719) as timm has it: ``rand-m9-mstd0.5-inc1`` is the default."""

    name: tyro.conf.Suppress[str] = field(default="randaugment", init=False)
    operations: int = 2
    """Operations that are drawn for an image, each out of 15."""
    magnitude: float = 9.0
    """Strength of the operations, 0 to 10."""
    magnitude_std: float = 0.5
    """Standard deviation of the magnitude, which is drawn for each operation and cut to 0 to 10."""
    operation_probability: float = 0.5
    """Probability that an operation that was drawn is applied."""

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if not 0 <= self.magnitude <= 10:
            raise ValueError(f"magnitude must be between 0 and 10 in randaugment, got {self.magnitude:g}.")


@dataclass(frozen=True)
class BigVisionRandAugment(Checked):
    """RandAugment as big_vision has it: ``randaug(2, 10)`` is the default. Even magnitude 0 changes images."""

    name: tyro.conf.Suppress[str] = field(default="big_vision_randaugment", init=False)
    operations: int = 2
    """Operations that are drawn for an image, each out of 16, and all applied."""
    magnitude: float = 10.0
    """Strength of the operations, 0 to 20."""


@dataclass(frozen=True)
class ThreeAugment(Checked):
    """3-Augment (arXiv 2204.07118): grayscale, solarisation or a Gaussian blur, one of them on every image."""

    name: tyro.conf.Suppress[str] = field(default="three_augment", init=False)


Augment = NoAugment | RandAugment | BigVisionRandAugment | ThreeAugment
