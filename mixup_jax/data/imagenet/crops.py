"""Crops of photographs: random for training, the centre for testing."""

import math
from typing import NamedTuple

import numpy as np

AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def random_crop(generator: np.random.Generator, height: int, width: int) -> Box:
    """Draw a box of 8 to 100 % of the area of an image and a width of 3/4 to 4/3 of its height.

    The area is uniform and the aspect ratio log-uniform. A box that does not fit is drawn again; after ten tries the
    largest centred box of an allowed shape is returned. Goyal et al. (2017) and Szegedy et al. (2015).

    >>> random_crop(np.random.default_rng(0), 375, 500)
    Box(top=35, left=302, height=171, width=129)
    """
    for _ in range(TRIES):
        area = height * width * generator.uniform(*AREA)
        aspect = math.exp(generator.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            top, left = generator.integers(0, (height - high + 1, width - wide + 1)).tolist()
            return Box(top, left, high, wide)
    high = min(height, round(width / ASPECT[0]))
    wide = min(width, round(height * ASPECT[1]))
    return Box((height - high) // 2, (width - wide) // 2, high, wide)


def centre_crop(height: int, width: int, size: int) -> Box:
    """Return the centre box that becomes `size` x `size` if the shorter side is resized to 256/224 of `size`.

    >>> centre_crop(512, 1024, 224)
    Box(top=32, left=288, height=448, width=448)
    """
    side = max(1, round(min(height, width) * size / shorter_side(size)))
    return Box((height - side) // 2, (width - side) // 2, side, side)


def shorter_side(size: int) -> int:
    """Return the length to which the shorter side is resized before `size` pixels are cut out: 256 for 224."""
    return round(size * 256 / 224)
