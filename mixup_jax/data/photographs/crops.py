"""Crops of photographs: random for training, the centre for testing."""

import math
from typing import Literal, NamedTuple

import numpy as np

Crop = Literal["torchvision", "tensorflow", "centre"]
"""The library whose form a random crop has; or the centre, as for testing."""
Interpolation = Literal["linear", "bicubic"]
"""How a part is resized; see `jpeg.decode_part`."""

AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10

DISTORTED_AREA = (0.05, 1.0)
DISTORTED_ASPECT = (0.75, 1.33)
DISTORTED_TRIES = 100
"""What TensorFlow takes where nothing is said, as big_vision says nothing."""

TEST_CROP = 0.875
"""224 of 256: the share of the resized shorter side that is tested on where nothing is said."""


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def random_crop(generator: np.random.Generator, height: int, width: int) -> Box:
    """Draw a box of 8 to 100 % of the area of an image and a width of 3/4 to 4/3 of its height.

    The area is uniform and the aspect ratio log-uniform. A box that does not fit is drawn again; after ten tries the
    largest centred box of an allowed shape is returned. Goyal et al. (2017) and Szegedy et al. (2015), in the form of
    torchvision's ``RandomResizedCrop``.

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


def distorted_crop(generator: np.random.Generator, height: int, width: int) -> Box:
    """Draw a box of 5 to 100 % of the area of an image and a width of 0.75 to 1.33 of its height.

    The aspect ratio is uniform, not its logarithm, and the height is uniform among those that give such an area and fit
    into the image, not the area: small boxes are more frequent than with `random_crop`. A shape of which no box fits is
    drawn again; after 100 tries it is the whole image. big_vision (arXiv 2205.01580) and Inception's released code, in
    the form of TensorFlow's ``sample_distorted_bounding_box``, whose smaller boxes never touch the last row or column.

    >>> distorted_crop(np.random.default_rng(0), 375, 500)
    Box(top=37, left=72, height=237, width=265)
    """
    least, most = (share * height * width for share in DISTORTED_AREA)
    for _ in range(DISTORTED_TRIES):
        aspect = generator.uniform(*DISTORTED_ASPECT)
        low, high = round(math.sqrt(least / aspect)), round(math.sqrt(most / aspect))
        high = min(high, height, math.ceil((width + 0.5) / aspect) - 1)  # the width, rounded, has to fit
        tall = int(generator.integers(min(low, high), high + 1)) if high > 0 else 0
        tall += round(tall * aspect) * tall < least  # the area, after rounding, may be a little too small
        wide = round(tall * aspect)
        if 0 < wide <= width and 0 < tall <= height and least <= wide * tall <= most:
            top, left = generator.integers(0, (height - tall + 1, width - wide + 1)).tolist()
            return Box(top, left, tall, wide)
    return Box(0, 0, height, width)


def centre_crop(height: int, width: int, size: int, share: float = TEST_CROP) -> Box:
    """Return the centre box that becomes `size` x `size` if the shorter side is resized to ``size / share``.

    `share` is in (0, 1]: 1 is the whole shorter side. It is torchvision's ``Resize`` and ``CenterCrop`` in one, up to
    half a pixel of the image and one of the photograph.

    >>> centre_crop(512, 1024, 224)
    Box(top=32, left=288, height=448, width=448)
    >>> centre_crop(512, 1024, 224, share=1.0)
    Box(top=0, left=256, height=512, width=512)
    """
    side = max(1, round(min(height, width) * size / shorter_side(size, share)))
    return Box((height - side) // 2, (width - side) // 2, side, side)


def shorter_side(size: int, share: float = TEST_CROP) -> int:
    """Return the length to which the shorter side is resized before `size` pixels are cut out of it.

    Rounded to the nearest: timm rounds down, which is a pixel less for some shares.

    >>> shorter_side(224), shorter_side(224, 0.95), shorter_side(224, 1.0)
    (256, 236, 224)
    """
    return round(size / share)
