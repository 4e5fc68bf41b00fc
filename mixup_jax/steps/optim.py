"""SGD and Adam with coupled weight decay, and learning-rate schedules as functions of the step."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

from mixup_jax.choices import Adam, Cosine, Optimizer, Schedule, Sgd, Step
from mixup_jax.steps.state import Rate


def direction(config: Sgd | Adam) -> optax.GradientTransformation:
    """Return the direction of an optimiser; multiply by ``-lr`` to get the update."""
    return adam(config) if isinstance(config, Adam) else sgd(config)


def sgd(config: Sgd) -> optax.GradientTransformation:
    """Return SGD's direction: L2 coupled into the gradient, then momentum; multiply by ``-lr`` to get the update.

    Weight decay is added before momentum, which is what torch's SGD does, on every parameter (released code), or on
    all but those of BatchNorm. The learning rate is left out so that it may be a traced number or a schedule.
    """
    return optax.chain(
        weight_decay(config),
        optax.trace(decay=config.momentum, nesterov=config.nesterov),
    )


def adam(config: Adam) -> optax.GradientTransformation:
    """Return Adam's direction (arXiv 1412.6980, its constants 0.9, 0.999 and 1e-8) after L2 coupled into the gradient.

    >>> import jax.numpy as jnp
    >>> adapt = adam(Adam(weight_decay=0.0))
    >>> start = adapt.init(jnp.zeros(2))
    >>> adapt.update(jnp.array([1e-3, -100.0]), start, jnp.zeros(2))[0].round(3).tolist()    # a first step is a sign
    [1.0, -1.0]
    """
    return optax.chain(weight_decay(config), optax.scale_by_adam())


def weight_decay(config: Optimizer) -> optax.GradientTransformation:
    """Return coupled L2, on every parameter (released code) or on all but those of norm layers (Goyal et al.)."""
    return optax.add_decayed_weights(config.weight_decay, None if config.decay_norm else outside_norms)


def outside_norms(params: Any) -> Any:
    """Return a tree of bool, False for the parameters of BatchNorm and LayerNorm: the modules that have a scale.

    >>> outside_norms({"conv": {"kernel": 1.0}, "bn": {"scale": 1.0, "bias": 0.0}, "head": {"bias": 0.0}})
    {'conv': {'kernel': True}, 'bn': {'scale': False, 'bias': False}, 'head': {'bias': True}}
    """
    return {
        name: outside_norms(value) if isinstance(value, Mapping) else "scale" not in params
        for name, value in params.items()
    }


def learning_rate(config: Schedule, lr: float, steps_per_epoch: float, epochs: float) -> Rate:
    """Return the learning rate, float32, as a function of the step (an integer, may be traced).

    Decays happen at the first step of `decay_epochs`, counted from epoch 0 whether there is a warm-up or not.

    >>> rate = learning_rate(Step(decay_epochs=(100, 150)), lr=0.1, steps_per_epoch=391, epochs=200)
    >>> [round(float(rate(epoch * 391)), 6) for epoch in (0, 99, 100, 150)]
    [0.1, 0.1, 0.01, 0.001]
    """
    total, warmup = epochs * steps_per_epoch, config.warmup_epochs * steps_per_epoch
    if isinstance(config, Step):
        # Paper: divided after 100 epochs, as here; the released code divides one epoch late (101 epochs at 0.1).
        falls: dict[int, float] = {}
        for epoch in config.decay_epochs:
            fall_at = round(epoch * steps_per_epoch)
            falls[fall_at] = falls.get(fall_at, 1.0) * config.decay_factor
        base: Rate = optax.piecewise_constant_schedule(lr, falls)
    elif isinstance(config, Cosine):
        fall = optax.cosine_decay_schedule(lr, max(1, round(total - warmup)))
        base = lambda step: fall(jnp.maximum(step - warmup, 0.0))  # noqa: E731
    else:
        base = optax.constant_schedule(lr)

    def schedule(step: Any) -> Array:
        rate = jnp.asarray(base(step), jnp.float32)
        if not warmup:
            return rate
        share = jnp.asarray(step, jnp.float32) / warmup
        return jnp.where(share < 1, config.warmup_start + share * (lr - config.warmup_start), rate)

    return schedule
