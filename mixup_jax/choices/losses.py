"""The losses of the training and their options."""

from dataclasses import dataclass, field

import tyro

from mixup_jax.config_checks import Checked


@dataclass(frozen=True)
class Softmax(Checked):
    """Cross-entropy of a softmax over the classes."""

    name: tyro.conf.Suppress[str] = field(default="softmax", init=False)


@dataclass(frozen=True)
class BinaryCrossEntropy(Checked):
    """Cross-entropy of a sigmoid for each class (arXiv 2110.00476, section 3.1)."""

    name: tyro.conf.Suppress[str] = field(default="bce", init=False)
    sum_classes: bool = False
    """Sum over the classes, as in big_vision, in place of the mean, as in timm."""
    target_threshold: float | None = None
    """Train on 1 for each class whose share of the label is larger, and on 0 for the others (DeiT III: 0)."""


Loss = Softmax | BinaryCrossEntropy
