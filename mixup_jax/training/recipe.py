"""What a step does, made from the configuration: all that is fixed when the program is built."""

from dataclasses import dataclass

import flax.linen as nn
import optax

from mixup_jax.config import Config, Data, Mixing
from mixup_jax.data import Dataset
from mixup_jax.methods import phase_out
from mixup_jax.models import build
from mixup_jax.optim import Schedule, learning_rate, sgd


@dataclass(frozen=True)
class Recipe:
    """What a step does, apart from numbers that may be traced: fixed when the program is built."""

    model: nn.Module
    optimizer: optax.GradientTransformation
    schedule: Schedule
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    data: Data
    """How images are augmented."""
    mixing: Mixing
    """How they are mixed, but for alpha, an argument of the step."""
    probability: Schedule | None = None
    """Of mixing at all, as a function of the step; None is always."""
    accumulate: int = 1
    ema: float = 0.0
    axis_name: str | None = None


def make_recipe(config: Config, data: Dataset) -> Recipe:
    """Return what a step does under this configuration on this data."""
    steps_per_epoch = len(data.train_label) / config.batch_size
    return Recipe(
        model=build(config.model, len(data.classes)),
        optimizer=sgd(config.optimizer),
        schedule=learning_rate(config.optimizer, steps_per_epoch, config.epochs),
        classes=len(data.classes),
        mean=data.mean,
        std=data.std,
        data=config.data,
        mixing=config.mixing,
        probability=mixing_probability(config.mixing, config.epochs * steps_per_epoch),
        accumulate=config.optimizer.accumulate,
        ema=config.optimizer.ema,
    )


def mixing_probability(mixing: Mixing, steps: float) -> Schedule | None:
    """Return the probability of mixing at each step, None where it is always 1."""
    if mixing.phase_out is not None:
        start, end = mixing.phase_out
        return lambda step: mixing.probability * phase_out(step, steps, start=start, end=end)
    return None if mixing.probability == 1 else lambda step: mixing.probability
