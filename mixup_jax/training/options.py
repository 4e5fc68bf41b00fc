"""When an option does something: one table. An option that does nothing is refused, or reset where a preset left it."""

from collections.abc import Callable
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeVar

from mixup_jax.config import Config, Mixing, Optimizer
from mixup_jax.data.sources import STREAMED, is_speech
from mixup_jax.models import normalizes, takes

C = TypeVar("C", bound=Any)
"""A Config, or another experiment's with some of its parts."""

Rule = tuple[Callable[[Any], bool], str]


def mixes(config: Config) -> bool:
    """Return whether anything is mixed: ERM is the method mixup with alpha 0.

    >>> mixes(Config()), mixes(Config(mixing=Mixing(alpha=0.0)))
    (True, False)
    """
    mixing: Mixing = config.mixing
    return mixing.method != "mixup" or any(mixing.alphas or (mixing.alpha,))


def _falls(config: Any) -> tuple[float, ...]:
    """Return the epochs of the training at which the step schedule falls."""
    optimizer: Optimizer = config.optimizer
    last = getattr(config, "epochs", float("inf"))
    return tuple(epoch for epoch in optimizer.decay_epochs if epoch < last)


MIXED: Rule = (mixes, "is for training that mixes, and this is ERM")
SPEECH: Rule = (lambda config: is_speech(config.data.dataset), "is for speech")
STEP: Rule = (lambda config: config.optimizer.schedule == "step", "is for the schedule step")

APPLIES: dict[str, tuple[Rule, ...]] = {
    "data.image_size": ((lambda config: config.data.dataset in STREAMED, f"is for {', '.join(STREAMED)}"),),
    "data.nyquist": (SPEECH,),
    "mixing.alpha": (
        (lambda config: config.mixing.method != "cutmix", "is mixup's; method cutmix takes cutmix_alpha"),
        (lambda config: not config.mixing.alphas, "is one alpha, and alphas are given"),
    ),
    "mixing.alphas": (
        (lambda config: config.mixing.method != "cutmix", "is mixup's; method cutmix takes cutmix_alpha"),
    ),
    "mixing.cutmix_alpha": ((lambda config: config.mixing.method != "mixup", "is for the methods cutmix and switch"),),
    "mixing.switch_probability": ((lambda config: config.mixing.method == "switch", "is for the method switch"),),
    "mixing.mix": (SPEECH,),
    "mixing.neighbours": (
        MIXED,
        (lambda config: config.mixing.partner.endswith("neighbours"), "is for partners among the neighbours"),
    ),
    **{
        f"mixing.{name}": (MIXED,)
        for name in ("probability", "phase_out", "unmixed_epochs", "per", "partner", "layer", "labels")
    },
    "optimizer.momentum": ((lambda config: config.optimizer.optimizer == "sgd", "is for sgd"),),
    "optimizer.nesterov": (
        (lambda config: config.optimizer.optimizer == "sgd", "is for sgd"),
        (lambda config: config.optimizer.momentum > 0, "is a form of momentum, and momentum is 0"),
    ),
    "optimizer.decay_norm": (
        (lambda config: config.optimizer.weight_decay > 0, "is for weight decay, and weight_decay is 0"),
        (lambda config: normalizes(config.model), "is for networks with BatchNorm, and this one has none"),
    ),
    "optimizer.decay_epochs": (
        STEP,
        (lambda config: _falls(config) == config.optimizer.decay_epochs, "must lie within the training"),
    ),
    "optimizer.decay_factor": (STEP, (lambda config: bool(_falls(config)), "is for decay_epochs within the training")),
    "optimizer.warmup_start": (
        (lambda config: config.optimizer.warmup_epochs > 0, "is for a warm-up, and warmup_epochs is 0"),
    ),
    **{
        f"model.{name}": ((lambda config, name=name: name in takes(config.model.model), "is not for this network"),)
        for name in ("width", "blocks", "variant", "dropout", "stem_stride", "remat")
    },
}
"""What must hold for an option to do something, each with the words that say so; the others always do something."""


def idle(config: Any) -> dict[str, str]:
    """Return the options that do nothing under a configuration, ``part.name``, and why.

    >>> sorted(idle(Config()))
    ['data.image_size', 'data.nyquist', 'mixing.cutmix_alpha', 'mixing.mix', 'mixing.neighbours', ...]
    """
    reasons = {}
    for name, rules in APPLIES.items():
        part, _, field = name.partition(".")
        if hasattr(getattr(config, part, None), field):
            broken = [words for applies, words in rules if not applies(config)]
            reasons |= {name: broken[0]} if broken else {}
    return reasons


def check_options(config: Any) -> None:
    """Raise ValueError, naming the option, for one that is not at its default and does nothing."""
    mixing = getattr(config, "mixing", None)
    if mixing is not None and mixing.method == "switch" and 0 in (mixing.alphas or (mixing.alpha,)):
        raise ValueError("method switch needs alpha > 0: with alpha 0 half of it is ERM; use --probability for that.")
    for name, reason in idle(config).items():
        given, default = attrgetter(name)(config), _default(config, name)
        if given != default:
            raise ValueError(refusal(name, given, reason))


def refusal(name: str, given: Any, reason: str) -> str:
    """Say that an option does nothing.

    >>> refusal("mixing.neighbours", 20, "is for partners among the neighbours")
    'neighbours does nothing here: it is for partners among the neighbours; leave it out, got 20.'
    """
    return f"{name.rpartition('.')[2]} does nothing here: it {reason}; leave it out, got {given}."


def settled(config: C) -> C:
    """Return the configuration with every option that does nothing at its default, as if it had been left out.

    >>> settled(Config(optimizer=Optimizer(schedule="cosine", decay_factor=0.2))).optimizer.decay_factor
    0.1
    """
    for name in idle(config):
        value = _default(config, name)
        if name == "optimizer.decay_epochs" and config.optimizer.schedule == "step":
            value = _falls(config)
        part, _, field = name.partition(".")
        config = replace(config, **{part: replace(getattr(config, part), **{field: value})})
    return config


def _default(config: Any, name: str) -> Any:
    part, _, field = name.partition(".")
    return next(each.default for each in fields(getattr(config, part)) if each.name == field)
