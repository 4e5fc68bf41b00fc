"""The operations, and what a level of a magnitude means to each of them, in timm's form and in big_vision's."""

from collections.abc import Callable
from enum import IntEnum

import numpy as np

MOST = 10.0
"""The magnitude at which an operation is as strong as it was designed to be."""
SOLARIZE_ADD_BELOW = 128
"""Solarize-add changes the values below this one."""


class Operation(IntEnum):
    """An operation on an image; its argument is a float whose meaning the comment says."""

    AUTO_CONTRAST = 0  # none: each channel is stretched from its least and greatest value to 0 and 255
    EQUALIZE = 1  # none: each channel's histogram is made even
    INVERT = 2  # none: 255 - value
    POSTERIZE = 3  # bits that are kept of each value
    SOLARIZE = 4  # threshold: values from it on are inverted
    SOLARIZE_ADD = 5  # what is added to values below 128
    BRIGHTNESS = 6  # factor between black, 0, and the image, 1
    CONTRAST = 7  # factor between a gray image and the image
    ROTATE = 8  # degrees, anticlockwise
    SHEAR_X = 9  # columns a row
    SHEAR_Y = 10  # rows a column
    TRANSLATE_X = 11  # pixels, to the left
    TRANSLATE_Y = 12  # pixels, upwards
    COLOR = 13  # factor between the image in gray and the image
    SHARPNESS = 14  # factor between the smoothed image and the image
    CUTOUT = 15  # half the side of the square, in pixels
    BLUR = 16  # standard deviation of the Gaussian, in pixels
    NOTHING = 17  # none


POINT = frozenset(Operation(code) for code in range(8))
"""Operations that are a table of 256 values for each channel."""
GEOMETRIC = frozenset(Operation(code) for code in range(8, 13))
"""Operations that are an affine map of the plane."""
BLENDS = frozenset({Operation.BRIGHTNESS, Operation.CONTRAST, Operation.COLOR, Operation.SHARPNESS})
"""Operations that mix the image with a poorer one by a factor."""

TIMM = tuple(Operation(code) for code in range(15))
"""The operations of timm's ``rand-...-inc1``; it has random erasing in place of cutout."""
BIG_VISION = tuple(Operation(code) for code in range(16))
"""The operations of big_vision's ``randaug``."""


def timm_argument(operation: Operation, level: np.ndarray, sign: int, size: tuple[int, int]) -> np.ndarray:
    """Return the argument at levels from 0 to 10 in timm's form that increases with the level (``inc1``).

    `sign`, 1 or -1, is drawn; `size` is (height, width) in pixels.

    >>> level = np.array([0.0, 5.0, 10.0])
    >>> timm_argument(Operation.POSTERIZE, level, 1, (224, 224)).tolist()
    [4.0, 2.0, 0.0]
    >>> timm_argument(Operation.COLOR, level, -1, (224, 224)).tolist()
    [1.0, 0.55, 0.1]
    """
    share = level / MOST
    if operation in BLENDS:
        return np.maximum(0.1, 1.0 + sign * (share * 0.9))
    height, width = size
    rules: dict[Operation, Callable[[], np.ndarray]] = {
        Operation.ROTATE: lambda: sign * (share * 30.0),
        Operation.POSTERIZE: lambda: 4.0 - np.trunc(share * 4),
        Operation.SOLARIZE: lambda: 256.0 - np.minimum(256, np.trunc(share * 256)),
        Operation.SOLARIZE_ADD: lambda: np.minimum(128, np.trunc(share * 110)),
        Operation.SHEAR_X: lambda: sign * (share * 0.3),
        Operation.SHEAR_Y: lambda: sign * (share * 0.3),
        Operation.TRANSLATE_X: lambda: sign * (share * 0.45) * width,
        Operation.TRANSLATE_Y: lambda: sign * (share * 0.45) * height,
    }
    return rules[operation]() if operation in rules else np.zeros_like(level)


def big_vision_argument(operation: Operation, level: np.ndarray, sign: int) -> np.ndarray:
    """Return the argument at levels from 0 to 20 in big_vision's form.

    Kept as published: factors are 0.1 to 1.9 in one direction; posterize keeps *more* bits at higher levels; the
    threshold of solarize wraps around 256 (google-research/big_vision#110), so levels 0, 10 and 20 invert everything.

    >>> big_vision_argument(Operation.SOLARIZE, np.array([0.0, 5.0, 10.0, 15.0]), 1).tolist()
    [0.0, 128.0, 0.0, 128.0]
    """
    share = level / MOST
    if operation in BLENDS:
        return share * 1.8 + 0.1
    rules: dict[Operation, Callable[[], np.ndarray]] = {
        Operation.ROTATE: lambda: sign * (share * 30.0),
        Operation.POSTERIZE: lambda: np.trunc(share * 4),
        Operation.SOLARIZE: lambda: np.trunc(share * 256) % 256,
        Operation.SOLARIZE_ADD: lambda: np.trunc(share * 110),
        Operation.SHEAR_X: lambda: sign * (share * 0.3),
        Operation.SHEAR_Y: lambda: sign * (share * 0.3),
        Operation.TRANSLATE_X: lambda: sign * (share * 100.0),
        Operation.TRANSLATE_Y: lambda: sign * (share * 100.0),
        Operation.CUTOUT: lambda: np.trunc(share * 40),
    }
    return rules[operation]() if operation in rules else np.zeros_like(level)
