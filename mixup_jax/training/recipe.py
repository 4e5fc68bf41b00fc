"""What a step does, made from the configuration: all that is fixed when the program is built."""

from dataclasses import dataclass

import flax.linen as nn
import optax

from mixup_jax.config import Config, Mixing
from mixup_jax.data import Dataset
from mixup_jax.methods import phase_out
from mixup_jax.methods.latent import INPUT
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
    pad_crop: int = 0
    flip: bool = False
    method: str = "mixup"
    cutmix_alpha: float = 1.0
    switch_probability: float = 0.5
    probability: Schedule | None = None
    """Of mixing at all, as a function of the step; None is always."""
    per: str = "batch"
    partner: str = "permutation"
    block: int | None = None
    layer: str = INPUT
    """Whose input is mixed."""
    labels: str = "mix"
    noise: float = 0.0
    label_smoothing: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    axis_name: str | None = None


def make_recipe(config: Config, data: Dataset) -> Recipe:
    """Return what a step does under this configuration on this data."""
    mixing, optimizer = config.mixing, config.optimizer
    return Recipe(
        model=build(config.model, len(data.classes)),
        optimizer=sgd(optimizer),
        schedule=learning_rate(optimizer, len(data.train_label) / config.batch_size, config.epochs),
        classes=len(data.classes),
        mean=data.mean,
        std=data.std,
        pad_crop=config.data.pad_crop,
        flip=config.data.flip,
        method=mixing.method,
        cutmix_alpha=mixing.cutmix_alpha,
        switch_probability=mixing.switch_probability,
        probability=mixing_probability(mixing, config.epochs * len(data.train_label) / config.batch_size),
        per=mixing.per,
        partner=mixing.partner,
        block=mixing.block,
        layer=mixing.layer,
        labels=mixing.labels,
        noise=config.data.noise,
        label_smoothing=mixing.label_smoothing,
        accumulate=optimizer.accumulate,
        ema=optimizer.ema,
    )


def mixing_probability(mixing: Mixing, steps: float) -> Schedule | None:
    """Return the probability of mixing at each step, None where it is always 1."""
    if mixing.phase_out is not None:
        start, end = mixing.phase_out
        return lambda step: mixing.probability * phase_out(step, steps, start=start, end=end)
    return None if mixing.probability == 1 else lambda step: mixing.probability


