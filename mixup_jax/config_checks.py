"""What no run can be made of: values out of range, and options that do not go together.

What depends on data or devices is checked where they are known.
"""

import math
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mixup_jax.mixing import PARTNERS

if TYPE_CHECKING:
    from mixup_jax.config import Config

Range = tuple[Callable[[Any], bool], str]

FINITE: Range = (lambda value: 0 <= value < math.inf, "a finite number >= 0")
SHARE: Range = (lambda value: 0 <= value <= 1, "between 0 and 1")
BELOW_ONE: Range = (lambda value: 0 <= value < 1, "in [0, 1)")
COUNT: Range = (lambda value: value >= 1, "at least 1")

RANGES: dict[str, Range] = {
    "mixing.alpha": (FINITE[0], "a finite number >= 0 (0 is ERM)"),
    "mixing.alphas": (
        lambda alphas: all(map(FINITE[0], alphas)) and len(set(alphas)) == len(alphas),
        "different finite numbers >= 0",
    ),
    "mixing.cutmix_alpha": FINITE,
    "mixing.switch_probability": SHARE,
    "mixing.probability": SHARE,
    "mixing.phase_out": (
        lambda shares: shares is None or 0 <= shares[0] <= shares[1],
        "two numbers 0 <= start <= end, shares of the training",
    ),
    "mixing.unmixed_epochs": FINITE,
    "mixing.neighbours": COUNT,
    "mixing.label_smoothing": BELOW_ONE,
    "data.train_subset": (lambda part: part is None or 0 <= part[0] < part[1], "INDEX COUNT with 0 <= INDEX < COUNT"),
    "data.label_noise": SHARE,
    "data.noise": FINITE,
    "data.image_size": COUNT,
    "model.dropout": BELOW_ONE,
    "batch_size": COUNT,
    "epochs": (lambda epochs: 0 < epochs < math.inf, "positive"),
    "eval_every": (lambda epochs: epochs is None or epochs > 0, "positive"),
    "seeds": COUNT,
    "optimizer.lr": FINITE,
    "optimizer.momentum": BELOW_ONE,
    "optimizer.weight_decay": FINITE,
    "optimizer.decay_factor": FINITE,
    "optimizer.warmup_epochs": FINITE,
    "optimizer.warmup_start": FINITE,
    "optimizer.ema": BELOW_ONE,
}


def check_config(config: "Config") -> None:
    """Raise ValueError, naming the option, what it got and what it needs."""
    for name, (fits, needs) in RANGES.items():
        value = attrgetter(name)(config)
        if not fits(value):
            raise ValueError(f"{name.split('.')[-1]} must be {needs}, got {value}.")
    if not 0 <= config.seed <= 2**32 - config.seeds:
        raise ValueError(f"seed must be between 0 and 2**32 - {config.seeds}, got {config.seed}.")
    if config.optimizer.accumulate < 1 or config.batch_size % config.optimizer.accumulate:
        raise ValueError(f"accumulate must divide the batch of {config.batch_size}, got {config.optimizer.accumulate}.")
    default = type(config.optimizer)()
    if config.optimizer.optimizer == "adam" and (
        config.optimizer.momentum != default.momentum or config.optimizer.nesterov
    ):
        raise ValueError("momentum and nesterov are sgd's; adam takes neither.")
    _check_mixing(config)


def _check_mixing(config: "Config") -> None:
    mixing, default = config.mixing, type(config.mixing)()
    if mixing.method == "cutmix" and (mixing.alphas or mixing.alpha not in (0, default.alpha)):
        raise ValueError("alpha and alphas are mixup's; method cutmix takes --cutmix-alpha.")
    if mixing.method == "mixup" and mixing.cutmix_alpha != default.cutmix_alpha:
        raise ValueError("cutmix_alpha is for the methods cutmix and switch: add --method cutmix.")
    if mixing.method != "switch" and mixing.switch_probability != default.switch_probability:
        raise ValueError("switch_probability is for the method switch: add --method switch.")
    if mixing.method == "switch" and 0 in (mixing.alphas or (mixing.alpha,)):
        raise ValueError("method switch needs alpha > 0: with alpha 0 half of it is ERM; use --probability for that.")
    if mixing.layer != "input" and (mixing.method != "mixup" or config.optimizer.accumulate > 1):
        raise ValueError(f"layer {mixing.layer} goes with method mixup and without --accumulate.")
    if mixing.layer != "input" and mixing.partner.endswith("neighbours"):
        raise ValueError(f"layer {mixing.layer} goes with partners in the batch, got {mixing.partner}.")
    if mixing.block is not None and mixing.partner not in PARTNERS:
        raise ValueError(f"block goes with the partners {', '.join(PARTNERS)}, got {mixing.partner}.")
    if mixing.block is not None and (mixing.block < 1 or config.batch_size % mixing.block):
        raise ValueError(f"block must divide the batch of {config.batch_size}, got {mixing.block}.")
