"""Operations on one photograph, as Pillow does them, in OpenCV: for images that are decoded during the training."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from mixup_jax.augment.drawn import WORDS, Stage, choose
from mixup_jax.augment.levels import GEOMETRIC, POINT, SOLARIZE_ADD_BELOW, Operation

Image = UInt8[np.ndarray, "height width channels"]
VALUES = np.arange(256)
LUMA = np.array([[19595, 38470, 7471]], np.float32) / 65536
"""Weights of red, green and blue in gray (ITU-R 601-2), as Pillow rounds them."""
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
TRUNCATE = -0.5 + 2.0**-13
"""Makes OpenCV's rounding of a value a truncation, as Pillow's blends have it."""


def augment_on_host(generator: np.random.Generator, image: Image, stages: Sequence[Stage]) -> Image:
    """Augment an image: draw the operations of all stages and apply them in order.

    >>> from mixup_jax.augment.drawn import stages_of
    >>> from mixup_jax.choices.augment import RandAugment
    >>> stages = stages_of(RandAugment(), 0.0, (4, 4), (0.5, 0.5, 0.5))
    >>> augment_on_host(np.random.default_rng((0, 7)), np.zeros((4, 4, 3), np.uint8), stages).shape
    (4, 4, 3)
    """
    for stage in stages:
        words = generator.integers(0, 2**32, (stage.count, WORDS), np.uint32)
        choice = choose(stage, words, np)
        for index in np.flatnonzero(choice.applied):
            which = choice.which[index]
            argument = stage.arguments[which, choice.level[index], choice.sign[index]]
            image = apply(image, stage.operations[which], float(argument), stage, choice.place[index])
    return image


def apply(image: Image, operation: Operation, argument: float, stage: Stage, place: np.ndarray) -> Image:
    """Apply an operation to an image of one channel or three; the argument's meaning is at `Operation`.

    `place` holds two words of 32 bits, from which cutout takes the row and the column of its centre.
    """
    if operation in POINT:
        return _apply_table(image, operation, argument, stage)
    if operation in GEOMETRIC:
        return _move(image, affine_map(operation, argument, image.shape[0], image.shape[1], stage.big_vision), stage)
    if operation == Operation.COLOR:
        return image if image.shape[2] == 1 else _blend(cv2.merge([_gray(image)] * 3), image, argument)
    if operation == Operation.SHARPNESS:
        return _sharpen(image, argument, stage.big_vision)
    if operation == Operation.BLUR:
        # A true Gaussian; Pillow's is three box filters, within 3 of it.
        return _channels(cv2.GaussianBlur(image, (0, 0), argument, borderType=cv2.BORDER_REPLICATE))
    return _cut_out(image, int(argument), place, stage.fill)


def _apply_table(image: Image, operation: Operation, argument: float, stage: Stage) -> Image:
    """Look each value up in a table: one for all channels, or where it depends on a channel's values, one for each."""
    if operation == Operation.INVERT:
        return _channels(cv2.bitwise_not(image))
    if operation in (Operation.AUTO_CONTRAST, Operation.EQUALIZE):
        make = _auto_contrast if operation == Operation.AUTO_CONTRAST else _equalize
        # Apart, three channels take half the time that they take side by side.
        counts = ((plane, cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel()) for plane in cv2.split(image))
        return _channels(cv2.merge([cv2.LUT(plane, make(each)) for plane, each in counts]))
    if operation == Operation.POSTERIZE:
        table = VALUES & ~(2 ** (8 - int(argument)) - 1)
    elif operation == Operation.SOLARIZE:
        table = np.where(argument > VALUES, VALUES, 255 - VALUES)
    elif operation == Operation.SOLARIZE_ADD:
        table = np.where(VALUES < SOLARIZE_ADD_BELOW, np.minimum(VALUES + argument, 255), VALUES)
    else:
        least = 0 if operation == Operation.BRIGHTNESS else contrast_gray(image, stage.big_vision)
        table = (np.float32(least) + np.float32(argument) * (VALUES - least).astype(np.float32)).clip(0, 255)
    return _channels(cv2.LUT(image, table.astype(np.uint8)))


def contrast_gray(image: Image, big_vision: bool) -> int:
    """Return the gray value that contrast is lowered to: the mean, rounded.

    In big_vision it is the number of pixels / 256, at most 255 (google-research/big_vision#109), and is kept.
    """
    height, width, channels = image.shape
    if big_vision:
        return min(255, height * width // 256)
    return int(cv2.mean(image if channels == 1 else _gray(image))[0] + 0.5)


def _auto_contrast(counts: np.ndarray) -> np.ndarray:
    """Return the table of a channel's histogram."""
    [there] = np.nonzero(counts)
    if there[0] == there[-1]:
        return VALUES.astype(np.uint8)
    scale = 255.0 / (there[-1] - there[0])
    return (VALUES * scale - there[0] * scale).clip(0, 255).astype(np.uint8)


def _equalize(counts: np.ndarray) -> np.ndarray:
    """Return the table of a channel's histogram."""
    counts = counts.astype(np.int64)
    [there] = np.nonzero(counts)
    step = (counts.sum() - counts[there[-1]]) // 255
    if step == 0:
        return VALUES.astype(np.uint8)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.minimum((step // 2 + below) // step, 255).astype(np.uint8)


def affine_map(operation: Operation, argument: float, height: int, width: int, big_vision: bool) -> np.ndarray:
    """Return the (2, 3) matrix that maps (column, row, 1) of a pixel of the result to where its value comes from.

    Pixels are points at whole numbers. Pillow shears about the corner of the image, big_vision about the first pixel.
    """
    x, y = (width - 1) / 2, (height - 1) / 2
    if operation == Operation.ROTATE:
        angle = -math.radians(argument)
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y]])
    corner = 0.0 if big_vision else argument / 2
    return {
        Operation.SHEAR_X: np.array([[1, argument, corner], [0, 1, 0]]),
        Operation.SHEAR_Y: np.array([[1, 0, 0], [argument, 1, corner]]),
        Operation.TRANSLATE_X: np.array([[1, 0, argument], [0, 1, 0]]),
        Operation.TRANSLATE_Y: np.array([[1, 0, 0], [0, 1, argument]]),
    }[operation]


def _move(image: Image, matrix: np.ndarray, stage: Stage) -> Image:
    """Resample an image: bilinear, with pixels beyond the edge like those on it; big_vision takes the nearest pixel."""
    height, width, channels = image.shape
    nearest, bilinear = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if stage.big_vision:
        return _channels(cv2.warpAffine(image, matrix, (width, height), flags=nearest, borderValue=stage.fill))
    # OpenCV resamples four channels in little more than half the time that it takes for three.
    wide = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if channels == 3 else image
    moved = cv2.warpAffine(wide, matrix, (width, height), flags=bilinear, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB) if channels == 3 else moved
    inside = cv2.warpAffine(np.full((height, width), 255, np.uint8), matrix, (width, height), flags=nearest)
    fill = cv2.merge([np.full((height, width), value, np.uint8) for value in stage.fill])
    return _channels(cv2.copyTo(moved, inside, fill))


def _sharpen(image: Image, factor: float, big_vision: bool) -> Image:
    """Blend with the smoothed image, whose border is the image's; big_vision truncates where Pillow rounds."""
    smooth = _channels(cv2.filter2D(image, -1, SMOOTH, delta=-0.5 + 1 / 26 if big_vision else 0))
    smooth[[0, -1]] = image[[0, -1]]
    smooth[:, [0, -1]] = image[:, [0, -1]]
    return _blend(smooth, image, factor)


def _blend(poorer: Image, image: Image, factor: float) -> Image:
    """Return ``poorer + factor * (image - poorer)``, cut to 0 to 255 and truncated."""
    return _channels(cv2.addWeighted(image, factor, poorer, 1 - factor, TRUNCATE))


def _gray(image: Image) -> UInt8[np.ndarray, "height width"]:
    """Return the image in gray: Pillow's, but for one colour of 120,000 that lies between two values."""
    return cv2.transform(image, LUMA)


def _cut_out(image: Image, half: int, place: np.ndarray, fill: Sequence[int]) -> Image:
    """Fill a square of twice `half` pixels about a pixel; what is outside of the image is cut off."""
    row, column = (int(word) % side for word, side in zip(place, image.shape[:2], strict=True))
    image = image.copy()
    image[max(0, row - half) : row + half, max(0, column - half) : column + half] = fill
    return image


def _channels(image: np.ndarray) -> Image:
    """Restore the axis of one channel, which OpenCV drops."""
    return image if image.ndim == 3 else image[:, :, None]
