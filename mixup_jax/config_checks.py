"""What no run can be made of: values out of range, and options that do not go together.

What depends on data or devices is checked where they are known; options that do nothing are in training/options.py.
"""

from collections.abc import Callable
from typing import Any

from mixup_jax.mixing import PARTNERS

Range = tuple[Callable[[Any], bool], str]

LARGEST = 1e6
"""Above every number that makes sense, and far below what overflows float32, 32 bits or a lifetime."""
LEAST_ALPHA = 1e-6
"""Below, Beta(alpha, alpha) is 0 or 1 as often as at this one."""
SEEDS = 10_000
"""What the report reads at most."""


def up_to(largest: int) -> Range:
    """Return the range of a count."""
    return lambda value: 1 <= value <= largest, f"at least 1 and at most {largest:,}"


FINITE: Range = (lambda value: 0 <= value <= LARGEST, f"a finite number >= 0, at most {LARGEST:g}")
SHARE: Range = (lambda value: 0 <= value <= 1, "between 0 and 1")
BELOW_ONE: Range = (lambda value: 0 <= value < 1, "in [0, 1)")
ALPHA: Range = (
    lambda value: value == 0 or (LEAST_ALPHA <= value <= LARGEST),
    f"a finite number >= 0: 0 or {LEAST_ALPHA:g} to {LARGEST:g}",
)

RANGES: dict[str, Range] = {
    "mixing.alpha": (ALPHA[0], f"{ALPHA[1]} (0 is ERM)"),
    "mixing.alphas": (
        lambda alphas: all(map(ALPHA[0], alphas)) and len(set(alphas)) == len(alphas),
        f"different numbers, each {ALPHA[1]}",
    ),
    "mixing.cutmix_alpha": (
        lambda value: LEAST_ALPHA <= value <= LARGEST,
        f"between {LEAST_ALPHA:g} and {LARGEST:g}",
    ),
    "mixing.switch_probability": (lambda value: 0 < value < 1, "in (0, 1); 0 is method mixup, 1 is method cutmix"),
    "mixing.probability": (lambda value: 0 < value <= 1, "in (0, 1]; ERM is alpha 0"),
    "mixing.phase_out": (
        lambda shares: shares is None or (0 <= shares[0] <= shares[1] <= LARGEST and shares[0] < 1 and shares[1] > 0),
        "two numbers 0 <= start <= end, shares of the training, start below 1 and end above 0",
    ),
    "mixing.unmixed_epochs": FINITE,
    "mixing.neighbours": up_to(2**31 - 1),
    "mixing.label_smoothing": BELOW_ONE,
    "data.train_subset": (lambda part: part is None or 0 <= part[0] < part[1], "INDEX COUNT with 0 <= INDEX < COUNT"),
    "data.train_examples": (
        lambda count: count is None or 1 <= count < 2**31,
        "at least 1 and below 2**31, or None for all",
    ),
    "data.label_noise": SHARE,
    "data.noise": FINITE,
    "data.image_size": up_to(4096),
    "data.pad_crop": (lambda value: 0 <= value <= 4096, "between 0 and 4096 pixels"),
    "model.dropout": BELOW_ONE,
    "batch_size": up_to(2**31 - 1),
    "epochs": (lambda epochs: 0 < epochs <= LARGEST, f"positive, at most {LARGEST:g}"),
    "eval_every": (lambda epochs: epochs is None or 0 < epochs <= LARGEST, f"positive, at most {LARGEST:g}"),
    "seeds": up_to(SEEDS),
    "optimizer.lr": FINITE,
    "optimizer.momentum": BELOW_ONE,
    "optimizer.weight_decay": FINITE,
    "optimizer.decay_epochs": (
        lambda epochs: all(0 < epoch <= LARGEST for epoch in epochs) and list(epochs) == sorted(set(epochs)),
        f"different numbers above 0, the smallest first, at most {LARGEST:g}",
    ),
    "optimizer.decay_factor": (
        lambda value: 0 <= value <= LARGEST and value != 1,
        f"between 0 and {LARGEST:g} and not 1, which is schedule constant",
    ),
    "optimizer.warmup_epochs": FINITE,
    "optimizer.warmup_start": FINITE,
    "optimizer.ema": BELOW_ONE,
}


def check_ranges(config: Any, parts: tuple[str, ...] = ("data", "model", "mixing", "optimizer", "")) -> None:
    """Raise ValueError for a field of these parts, the empty one being the configuration itself, out of its range."""
    for name, (fits, needs) in RANGES.items():
        part, _, field = name.rpartition(".")
        value = getattr(getattr(config, part) if part else config, field) if part in parts else None
        if part in parts and not fits(value):
            raise ValueError(f"{field} must be {needs}, got {value}.")


def check_config(config: Any) -> None:
    """Raise ValueError, naming the option, what it got and what it needs."""
    check_ranges(config)
    if not 0 <= config.seed <= 2**32 - config.seeds:
        raise ValueError(f"seed must be between 0 and 2**32 - {config.seeds}, got {config.seed}.")
    if config.optimizer.accumulate < 1 or config.batch_size % config.optimizer.accumulate:
        raise ValueError(f"accumulate must divide the batch of {config.batch_size}, got {config.optimizer.accumulate}.")
    if config.seeds * max(1, len(config.mixing.alphas)) > SEEDS:
        raise ValueError(
            f"seeds times alphas must be at most {SEEDS:,}, got {config.seeds} and {config.mixing.alphas}."
        )
    for name, part in (("warmup_epochs", config.optimizer), ("unmixed_epochs", config.mixing)):
        if getattr(part, name) >= config.epochs:
            raise ValueError(f"{name} must be less than the {config.epochs:g} epochs, got {getattr(part, name):g}.")
    _check_mixing(config)


def _check_mixing(config: Any) -> None:
    mixing = config.mixing
    if mixing.layer != "input" and (mixing.method != "mixup" or config.optimizer.accumulate > 1):
        raise ValueError(f"layer {mixing.layer} goes with method mixup and without --accumulate.")
    if mixing.layer != "input" and mixing.partner.endswith("neighbours"):
        raise ValueError(f"layer {mixing.layer} goes with partners in the batch, got {mixing.partner}.")
    if mixing.block is not None and mixing.partner not in PARTNERS:
        raise ValueError(f"block goes with the partners {', '.join(PARTNERS)}, got {mixing.partner}.")
    if mixing.block is not None and (mixing.block < 1 or config.batch_size % mixing.block):
        raise ValueError(f"block must divide the batch of {config.batch_size}, got {mixing.block}.")
