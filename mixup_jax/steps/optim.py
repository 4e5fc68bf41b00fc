"""Optimisers as directions, what decays, and learning-rate schedules as functions of the step."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

from mixup_jax.choices import Adam, AdamW, Fall, Lamb, Linear, Optimizer, Schedule, Sgd, Step
from mixup_jax.steps.layer_decay import scale_by_layer
from mixup_jax.steps.state import Rate


def direction(config: Optimizer) -> optax.GradientTransformation:
    """Return the direction of an optimiser; multiply by ``-lr`` to get the update.

    The gradient's norm is clipped first (arXiv 1211.5063, algorithm 1), and each layer's share of the learning rate
    comes last, on weight decay too. The learning rate is left out so that it may be a traced number or a schedule.
    """
    parts = [{"sgd": sgd, "adam": adam, "adamw": adamw, "lamb": lamb}[config.name](config)]
    if config.clip is not None:
        parts.insert(0, optax.clip_by_global_norm(config.clip))
    if config.layer_decay is not None:
        parts.append(scale_by_layer(config.layer_decay))
    return optax.chain(*parts) if len(parts) > 1 else parts[0]


def sgd(config: Sgd) -> optax.GradientTransformation:
    """Return SGD's direction: L2 coupled into the gradient, then momentum.

    Weight decay is added before momentum, which is what torch's SGD does, on every parameter (released code), or on
    all but those of BatchNorm.
    """
    return optax.chain(
        coupled_decay(config),
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
    return optax.chain(coupled_decay(config), optax.scale_by_adam())


def adamw(config: AdamW) -> optax.GradientTransformation:
    """Return AdamW's direction: Adam's, plus ``weight_decay`` times the parameters that decay (arXiv 1711.05101).

    As in torch and optax, decay is thereby multiplied by the learning rate. big_vision's is multiplied by the schedule
    without its highest rate: a decay of d there is d / lr here.
    """
    return optax.chain(
        optax.scale_by_adam(config.beta1, config.beta2, config.eps, mu_dtype=jnp.dtype(config.moment_dtype)),
        optax.add_decayed_weights(config.weight_decay, decayed(config)),
    )


def lamb(config: Lamb) -> optax.GradientTransformation:
    """Return LAMB's direction: AdamW's, of the length of the parameter (arXiv 1904.00962, algorithm 2).

    As in timm, a parameter that does not decay keeps Adam's length, and so does one where either length is 0.
    """
    mask = decayed(config)
    return optax.chain(
        optax.scale_by_adam(config.beta1, config.beta2, config.eps),
        optax.add_decayed_weights(config.weight_decay, mask),
        optax.scale_by_trust_ratio() if mask is None else optax.masked(optax.scale_by_trust_ratio(), mask),
    )


def coupled_decay(config: Sgd | Adam) -> optax.GradientTransformation:
    """Return coupled L2, on every parameter (released code) or on all but those of norm layers (Goyal et al.)."""
    return optax.add_decayed_weights(config.weight_decay, None if config.decay_norm else outside_norms)


def decayed(config: AdamW | Lamb) -> Callable[[Any], Any] | None:
    """Return the function from parameters to the mask of those that decay, None where all do."""
    return None if config.decay == "all" else kernels


def kernels(params: Mapping[str, Any]) -> Any:
    """Return a tree of bool, True for kernels: what is no bias, scale, embedding, class token or LayerScale.

    >>> kernels({"stem": {"kernel": 1.0, "bias": 0.0}, "pos_embed": 0.0, "norm": {"scale": 1.0}})
    {'stem': {'kernel': True, 'bias': False}, 'pos_embed': False, 'norm': {'scale': False}}
    """
    return {name: kernels(value) if isinstance(value, Mapping) else name == "kernel" for name, value in params.items()}


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

    Decays happen at the first step of `decay_epochs`, counted from epoch 0 whether there is a warm-up or not. With
    `lr_per` epoch, the rate of a step is that of its epoch's beginning.

    Raises ValueError for an `end_lr` that is not below `lr`.

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
    elif isinstance(config, Fall):
        begin = warmup if config.warmup_prefix else 0.0
        fall = _fall(config, lr, max(1, round(total - begin)))
        base = lambda step: fall(jnp.maximum(step - begin, 0.0))  # noqa: E731
    else:
        base = optax.constant_schedule(lr)
    by_epoch = isinstance(config, Fall) and config.lr_per == "epoch"

    def schedule(step: Any) -> Array:
        if by_epoch:
            # A quarter of a step later, or the first step of an epoch could be rounded down into the one before.
            step = jnp.floor((jnp.asarray(step, jnp.float32) + 0.25) / steps_per_epoch) * steps_per_epoch
        rate = jnp.asarray(base(step), jnp.float32)
        if not warmup:
            return rate
        share = jnp.asarray(step, jnp.float32) / warmup
        return jnp.where(share < 1, config.warmup_start + share * (lr - config.warmup_start), rate)

    return schedule


def _fall(config: Fall, lr: float, steps: int) -> Rate:
    """Return the fall from `lr` to `end_lr` within so many steps; the rate stays there."""
    if config.end_lr and config.end_lr >= lr:
        raise ValueError(f"end_lr must be below the learning rate of {lr:g}, got {config.end_lr:g}.")
    if isinstance(config, Linear):
        return optax.linear_schedule(lr, config.end_lr, steps)
    return optax.cosine_decay_schedule(lr, steps, config.end_lr / lr if lr else 0.0)
