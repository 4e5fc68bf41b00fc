"""Ranges of the fields of a configuration, by their names, and the dataclass that checks them."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

LARGEST = 1e6
"""Larger than any sensible number, and far below what overflows float32, 32 bits or a lifetime."""
LEAST_ALPHA = 1e-6
"""Below this alpha, Beta(alpha, alpha) is 0 or 1 as often as at it."""
SEEDS = 10_000
"""The report reads at most this many networks of a run."""
WIDEST = 100_000

Range = tuple[Callable[[Any], bool], str]


def _optional(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def mixes(alpha: float) -> bool:
    """Return whether an alpha is in range."""
    return LEAST_ALPHA <= alpha <= LARGEST


def _up_to(most: int) -> Range:
    return _optional(lambda value: 1 <= value <= most), f"at least 1 and at most {most:,}"


FINITE: Range = (lambda value: 0 <= value <= LARGEST, f"a finite number >= 0, at most {LARGEST:g}")
BELOW_ONE: Range = (lambda value: 0 <= value < 1, "in [0, 1)")
ALPHA: Range = (mixes, f"between {LEAST_ALPHA:g} and {LARGEST:g}")

RANGES: dict[str, Range] = {
    "validation": (
        lambda value: 0 <= value < 2**31 and (value < 1 or value == int(value)),
        "a whole number of images, or a share of them in [0, 1)",
    ),
    "train_examples": (_optional(lambda count: 1 <= count < 2**31), "at least 1 and below 2**31, or None for all"),
    "train_subset": (
        _optional(lambda part: 0 <= part[0] < part[1] and part[1] > 1),
        "INDEX COUNT with 0 <= INDEX < COUNT and COUNT of 2 or more",
    ),
    "label_noise": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "pad_crop": (lambda value: 0 <= value <= 4096, "between 0 and 4096 pixels"),
    "repeats": _up_to(1000),
    "split": (
        _optional(lambda shares: len(shares) in (2, 3) and min(shares) > 0 and abs(sum(shares) - 1) < 1e-6),
        "two or three shares above 0 that sum to 1 (training, validation, test), as 0.8 0.1 0.1",
    ),
    "image_size": _up_to(4096),
    "test_size": _up_to(4096),
    "test_crop": (lambda value: 0.1 <= value <= 1, "between 0.1 and 1, a share of the shorter side"),
    "color_jitter": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "erase": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "noise": FINITE,
    "operations": _up_to(16),
    "magnitude": (lambda value: 0 <= value <= 20, "between 0 and 20"),
    "magnitude_std": (lambda value: 0 <= value <= 10, "between 0 and 10"),
    "operation_probability": (lambda value: 0 < value <= 1, "in (0, 1]; without operations it is augment none"),
    "width": _up_to(WIDEST),
    "blocks": (
        lambda blocks: 0 < len(blocks) <= 10 and all(1 <= count <= 1000 for count in blocks),
        "one number a stage (10 at most), each from 1 to 1000",
    ),
    "depth": _up_to(1000),
    "heads": _up_to(WIDEST),
    "patch": _up_to(4096),
    "layer_scale": FINITE,
    "dropout": BELOW_ONE,
    "stochastic_depth": BELOW_ONE,
    "head_bias": (lambda value: abs(value) <= LARGEST, f"between {-LARGEST:g} and {LARGEST:g}"),
    "cutmix_alpha": ALPHA,
    "switch_probability": (lambda value: 0 < value < 1, "in (0, 1); 0 is method mixup, 1 is method cutmix"),
    "probability": (lambda value: 0 < value <= 1, "in (0, 1]; without mixing it is method erm"),
    "phase_out": (
        _optional(lambda shares: 0 <= shares[0] <= shares[1] <= LARGEST and shares[0] < 1 and shares[1] > 0),
        "two numbers 0 <= start <= end, shares of the training, start below 1 and end above 0",
    ),
    "unmixed_epochs": FINITE,
    "neighbours": _up_to(2**31 - 1),
    "group": _up_to(4096),
    "fmix_decay": (lambda decay: 0 <= decay <= 10, "between 0 and 10"),
    "cells": (lambda cells: 2 <= cells <= 1000, "between 2 and 1000, and at most the pixels of a side"),
    "period": _up_to(4096),
    "resize": (
        lambda ends: 0 <= ends[0] <= ends[1] <= 1 and ends[1] > 0,
        "two numbers 0 <= least <= largest <= 1, shares of the image's side",
    ),
    "additive_noise": FINITE,
    "multiplicative_noise": FINITE,
    "examples": (lambda count: 3 <= count <= 100, "between 3 and 100; 2 is method mixup"),
    "eta": (lambda eta: 0 < eta <= LARGEST, f"above 0, at most {LARGEST:g}; 0 is method erm"),
    "lr": FINITE,
    "momentum": BELOW_ONE,
    "weight_decay": FINITE,
    "clip": (_optional(lambda norm: 0 < norm <= LARGEST), f"above 0 and at most {LARGEST:g}, or None for no clipping"),
    "layer_decay": (_optional(lambda value: 0 < value < 1), "in (0, 1), or None for one learning rate"),
    "beta1": BELOW_ONE,
    "beta2": BELOW_ONE,
    "eps": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "target_threshold": (_optional(BELOW_ONE[0]), "in [0, 1), or None for the labels themselves"),
    "decay_epochs": (
        lambda epochs: (
            len(epochs) > 0 and all(0 < epoch <= LARGEST for epoch in epochs) and list(epochs) == sorted(set(epochs))
        ),
        f"different numbers above 0, the smallest first, at most {LARGEST:g}; none is schedule constant",
    ),
    "decay_factor": (
        lambda value: 0 <= value <= LARGEST and value != 1,
        f"between 0 and {LARGEST:g} and not 1, which is schedule constant",
    ),
    "warmup_epochs": FINITE,
    "warmup_start": FINITE,
    "end_lr": FINITE,
    "batch_size": _up_to(2**31 - 1),
    "norm_block": _up_to(2**31 - 1),
    "epochs": (lambda epochs: 0 < epochs <= LARGEST, f"positive, at most {LARGEST:g}"),
    "eval_every": (_optional(lambda epochs: 0 < epochs <= LARGEST), f"positive, at most {LARGEST:g}"),
    "label_smoothing": BELOW_ONE,
    "ema": BELOW_ONE,
    "seeds": _up_to(SEEDS),
}


def check_fields(part: Any) -> None:
    """Raise ValueError for a field of a dataclass that is out of its range or none of the values that its type lists.

    >>> from mixup_jax.choices import Sgd
    >>> check_fields(Sgd(lr=0.1))
    """
    for name, allowed in _literals(type(part)).items():
        if getattr(part, name) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {getattr(part, name)!r}.")
    for each in fields(part):
        fits, needs = RANGES.get(each.name, (lambda _: True, ""))
        value = getattr(part, each.name)
        if not fits(value):
            raise ValueError(f"{each.name} must be {needs}, got {value}.")


@cache
def _literals(kind: type) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


class Checked:
    """A dataclass that validates its fields."""

    def __post_init__(self) -> None:
        """Validate the fields."""
        check_fields(self)
