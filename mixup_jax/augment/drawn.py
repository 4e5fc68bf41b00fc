"""What is drawn for an image: the one definition that the host and the compiled step share.

An image takes some words of 32 random bits. The host draws them from ``default_rng((seed, position))``, the step from
``fold_in(rng, position)``; what they mean is `choose`, in NumPy there and in JAX here, in integers alone. Levels that
are drawn are multiples of 1/32, so that every argument stands in a table that is computed once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mixup_jax.augment.levels import BIG_VISION, MOST, TIMM, Operation, big_vision_argument, timm_argument
from mixup_jax.choices.augment import Augment, BigVisionRandAugment, RandAugment, ThreeAugment

WORDS = 6
"""Words of 32 bits for an operation: which, whether, level, sign, row, column."""
STEPS = 32
"""Levels between two whole ones."""
JITTER = (Operation.BRIGHTNESS, Operation.CONTRAST, Operation.COLOR)
BLUR = (0.1, 2.0)
"""Standard deviations of 3-Augment's Gaussian blur, in pixels."""
FINE = 256
"""Values of a factor, or of a blur, that is drawn uniformly."""
GRAY = 128


@dataclass(frozen=True, eq=False)
class Stage:
    """`count` operations in a row on an image, and how they are drawn."""

    operations: tuple[Operation, ...]
    count: int
    arguments: np.ndarray
    """Float64 (operation, level, sign)."""
    cumulative: np.ndarray
    """Uint32: below which word each level but the last is drawn, ascending."""
    fill: tuple[int, ...]
    """What is laid where a moved image has nothing, one value a channel."""
    probability: float = 1.0
    """Of applying an operation that was drawn."""
    permuted: bool = False
    """Whether all operations are applied, in a random order; else each is drawn from all."""
    big_vision: bool = False
    """Whether operations are those of big_vision where they differ from Pillow's, see `docs/augmentation.md`."""


class Choice(NamedTuple):
    """What was drawn for the operations of a stage, each of shape (count,); indices into its tables."""

    which: Any
    applied: Any
    level: Any
    sign: Any
    place: Any
    """(count, 2) words, from which a place in the image is taken."""


def stages_of(augment: Augment, color_jitter: float, size: tuple[int, int], mean: Sequence[float]) -> tuple[Stage, ...]:
    """Return the stages of an augmentation of images of `size` (height, width) and a `mean` a channel, in [0, 1].

    Colour jitter, the share by which brightness, contrast and colour change at most, comes last; 0 is none.

    >>> from mixup_jax.choices.augment import ThreeAugment
    >>> [len(stage.operations) for stage in stages_of(ThreeAugment(), 0.3, (224, 224), (0.5, 0.5, 0.5))]
    [3, 3]
    """
    stages = []
    if isinstance(augment, RandAugment):
        stages.append(_timm(augment, size, mean))
    elif isinstance(augment, BigVisionRandAugment):
        levels = np.array([augment.magnitude])
        arguments = _table(BIG_VISION, lambda operation, sign: big_vision_argument(operation, levels, sign))
        fill = (GRAY,) * len(mean)
        stages.append(Stage(BIG_VISION, augment.operations, arguments, _evenly(1), fill, big_vision=True))
    elif isinstance(augment, ThreeAugment):
        share = (np.arange(FINE) + 0.5) / FINE
        of = {
            Operation.COLOR: np.zeros(FINE),
            Operation.SOLARIZE: np.full(FINE, 128.0),
            Operation.BLUR: BLUR[0] + (BLUR[1] - BLUR[0]) * share,
        }
        arguments = _table(tuple(of), lambda operation, sign: of[operation])
        stages.append(Stage(tuple(of), 1, arguments, _evenly(FINE), (0,) * len(mean)))
    if color_jitter:
        factors = 1 + color_jitter * ((np.arange(FINE) + 0.5) / (FINE / 2) - 1)
        arguments = _table(JITTER, lambda operation, sign: factors)
        stages.append(Stage(JITTER, len(JITTER), arguments, _evenly(FINE), (0,) * len(mean), permuted=True))
    return tuple(stages)


def choose(stage: Stage, words: Any, xp: ModuleType) -> Choice:
    """Return what uint32 words of shape (count, 6) mean; `xp` is numpy or jax.numpy.

    >>> [stage] = stages_of(RandAugment(magnitude_std=0.0), 0.0, (32, 32), (0.5, 0.5, 0.5))
    >>> choice = choose(stage, np.array([[16, 0, 0, 1, 0, 0], [14, 2**32 - 1, 0, 0, 0, 0]], np.uint32), np)
    >>> choice.which.tolist(), choice.applied.tolist(), choice.level.tolist(), choice.sign.tolist()
    ([1, 14], [True, False], [0, 0], [1, 0])
    """
    if stage.permuted:
        orders = list(permutations(range(len(stage.operations))))
        which = xp.asarray(np.array(orders, np.int32))[(words[0, 0] % len(orders)).astype(np.int32)]
    else:
        which = (words[:, 0] % len(stage.operations)).astype(np.int32)
    # The remainder of 32 bits is uniform but for one part in 2**32 / 16.
    applied = (words[:, 1] >> 1) < np.uint32(round(stage.probability * 2**31))
    level = (words[:, 2, None] >= xp.asarray(stage.cumulative)[None]).sum(axis=1).astype(np.int32)
    sign = (words[:, 3] & 1).astype(np.int32)
    return Choice(which, applied, level, sign, words[:, 4:6])


def _timm(augment: RandAugment, size: tuple[int, int], mean: Sequence[float]) -> Stage:
    """Return timm's form: the magnitude is Gaussian and what moved is filled with the mean of the data."""
    if augment.magnitude_std:
        levels = np.arange(MOST * STEPS + 1) / STEPS
        edges = (levels[:-1] + 0.5 / STEPS - augment.magnitude) / (augment.magnitude_std * math.sqrt(2))
        below = np.array([(1 + math.erf(edge)) / 2 for edge in edges])
        cumulative = np.minimum(np.round(below * 2**32), 2**32 - 1).astype(np.uint32)
    else:
        levels, cumulative = np.array([float(augment.magnitude)]), _evenly(1)
    arguments = _table(TIMM, lambda operation, sign: timm_argument(operation, levels, sign, size))
    fill = tuple(min(255, round(255 * each)) for each in mean)
    return Stage(TIMM, augment.operations, arguments, cumulative, fill, augment.operation_probability)


def _table(operations: Sequence[Operation], argument: Any) -> np.ndarray:
    return np.array([np.stack([argument(operation, sign) for sign in (1, -1)], axis=-1) for operation in operations])


def _evenly(count: int) -> np.ndarray:
    """Return the words between `count` levels of equal probability."""
    return (np.arange(1, count) * (2**32 / count)).astype(np.uint32)
