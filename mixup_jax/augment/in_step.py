"""The same operations on a batch in the compiled step: for data in memory.

Each example has its own key. An operation that was drawn is one table and its look-up, one affine map and its
resampling, colour, sharpness and blur, each chosen example by example: under `vmap` a `switch` over the operations
would compute every one of them on whole images. Integers throughout: the bits are the same on every device, compiled or
not.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int32, Key, Num

from mixup_jax.augment.drawn import WORDS, Stage, choose
from mixup_jax.augment.levels import BLENDS, GEOMETRIC, POINT, Operation
from mixup_jax.augment.tables import FRACTION, Image, Scalar, blend, look_up

POSITION = 16
"""Bits after the point of a place in an image."""
WEIGHT = 8
"""Bits of a weight of the bilinear resampling."""
TAPS = 6
"""Pixels on each side that a blur reaches, three standard deviations of the strongest."""
LARGEST = 2048
"""Pixels of the longer side: beyond it sums of gray values and places in an image leave 32 bits."""


def augment_in_step(
    rng: Key[Array, ""],
    image: Num[Array, "batch height width channels"],
    stages: Sequence[Stage],
    positions: Int[Array, "batch"] | None = None,
) -> Num[Array, "batch height width channels"]:
    """Augment each image by itself; example i uses the key ``fold_in(rng, positions[i])``, as `pad_crop_flip` does.

    `positions` are the examples' places in the whole batch, by default 0, 1, ... Images have one channel or three.

    Raises ValueError for sides of more than 2048 pixels, TypeError for images that are not uint8.
    """
    if not stages:
        return image
    if image.dtype != jnp.uint8:
        raise TypeError(f"image is {image.dtype}; augment_in_step needs uint8, before it is normalised")
    if max(image.shape[1:3]) > LARGEST:
        raise ValueError(f"image has {image.shape[1]} x {image.shape[2]} pixels; sides must be at most {LARGEST}")
    if positions is None:
        positions = jnp.arange(image.shape[0], dtype=jnp.int32)
    count = sum(stage.count for stage in stages)

    def augment_one(position: Array, image: Array) -> Array:
        words = jax.random.bits(jax.random.fold_in(rng, position), (count, WORDS))
        value = image.astype(jnp.int32)
        done = 0
        for stage in stages:
            value = apply_stage(value, stage, words[done : done + stage.count])
            done += stage.count
        return value.astype(jnp.uint8)

    return jax.vmap(augment_one)(positions, image)


def apply_stage(image: Image, stage: Stage, words: Array) -> Image:
    """Draw the operations of a stage from words of 32 bits and apply them in order."""
    choice = choose(stage, words, jnp)
    codes = jnp.asarray(np.array(stage.operations, np.int32))
    operation = jnp.where(choice.applied, codes[choice.which], Operation.NOTHING.value)
    argument = jnp.asarray(integer_arguments(stage))[choice.which, choice.level, choice.sign]
    place = choice.place % jnp.asarray(np.array(image.shape[:2], np.uint32))[None]
    for index in range(stage.count):
        image = apply(image, stage, operation[index], argument[index], place[index].astype(jnp.int32))
    return image


def integer_arguments(stage: Stage) -> np.ndarray:
    """Return the arguments as int32 (operation, level, sign, 2): in fixed point; of a rotation cosine and sine."""
    found = np.zeros((*stage.arguments.shape, 2), np.int32)
    for index, (operation, argument) in enumerate(zip(stage.operations, stage.arguments, strict=True)):
        if operation == Operation.ROTATE:
            angle = np.radians(argument)
            found[index] = np.round(np.stack([np.cos(angle), np.sin(angle)], axis=-1) * 2**POSITION)
        elif operation in GEOMETRIC:
            found[index, ..., 0] = np.round(argument * 2**POSITION)
        elif operation in BLENDS:
            found[index, ..., 0] = np.round(argument * 2**FRACTION)
        elif operation == Operation.BLUR:
            found[index, ..., 0] = np.arange(argument.shape[0])[:, None]
        else:
            found[index, ..., 0] = argument
    return found


def apply(
    image: Image, stage: Stage, operation: Scalar, argument: Int32[Array, "2"], place: Int32[Array, "2"]
) -> Image:
    """Apply one operation of those of the stage, traced; any other leaves the image, values 0 to 255, as it is."""
    there = set(stage.operations)
    height, width, channels = image.shape
    first = argument[0]
    gray = _gray(image) if there & {Operation.COLOR, Operation.CONTRAST} else image
    if there & POINT:
        pixels = height * width
        mean = (2 * gray[..., 0].sum() + pixels) // (2 * pixels)
        image = look_up(image, operation, first, min(255, pixels // 256) if stage.big_vision else mean)
    if there & GEOMETRIC:
        image = _move(image, stage, operation, argument)
    if Operation.COLOR in there and channels > 1:
        image = jnp.where(operation == Operation.COLOR, blend(gray, image, first), image)
    if Operation.SHARPNESS in there:
        sharp = blend(_smooth(image, stage.big_vision), image, first)
        image = jnp.where(operation == Operation.SHARPNESS, sharp, image)
    if Operation.CUTOUT in there:
        row, column = jnp.arange(height)[:, None, None] - place[0], jnp.arange(width)[None, :, None] - place[1]
        inside = (row >= -first) & (row < first) & (column >= -first) & (column < first)
        fill = jnp.asarray(np.array(stage.fill, np.int32))[None, None]
        image = jnp.where((operation == Operation.CUTOUT) & inside, fill, image)
    if Operation.BLUR in there:
        radii = stage.arguments[stage.operations.index(Operation.BLUR), :, 0]
        image = jnp.where(operation == Operation.BLUR, _blur(image, jnp.asarray(_kernels(radii))[first]), image)
    return image


def _gray(image: Image) -> Image:
    """Return the image in gray (ITU-R 601-2), with a value for each channel."""
    if image.shape[-1] == 1:
        return image
    red, green, blue = (image[..., channel, None] for channel in range(3))
    return jnp.broadcast_to((19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16, image.shape)


def _move(image: Image, stage: Stage, operation: Scalar, argument: Int32[Array, "2"]) -> Image:
    """Map the plane: bilinear, pixels beyond the edge like those on it, or in big_vision the nearest pixel."""
    height, width, channels = image.shape
    u, v = _sources(operation, argument, height, width, corner=0 if stage.big_vision else 1)
    half = 1 << (POSITION - 1)
    nearest = (u + half) >> POSITION, (v + half) >> POSITION
    inside = (nearest[0] >= 0) & (nearest[0] < width) & (nearest[1] >= 0) & (nearest[1] < height)
    # All channels of a pixel in one word: one gather in place of three.
    packed = reduce(or_, (image[..., channel] << 8 * channel for channel in range(channels))).reshape(-1)
    shifts = jnp.arange(0, 8 * channels, 8)[None, None]

    def at(column: Array, row: Array) -> Array:
        index = row.clip(0, height - 1) * width + column.clip(0, width - 1)
        return (packed.at[index].get(mode="promise_in_bounds")[..., None] >> shifts) & 255

    if stage.big_vision:
        moved = at(*nearest)
    else:
        column, row = u >> POSITION, v >> POSITION
        right, down = (((each >> (POSITION - WEIGHT)) & (2**WEIGHT - 1))[..., None] for each in (u, v))
        left, up = 2**WEIGHT - right, 2**WEIGHT - down
        above = left * at(column, row) + right * at(column + 1, row)
        below = left * at(column, row + 1) + right * at(column + 1, row + 1)
        moved = (up * above + down * below + (1 << (2 * WEIGHT - 1))) >> (2 * WEIGHT)
    fill = jnp.asarray(np.array(stage.fill, np.int32))[None, None]
    moves = (operation >= min(GEOMETRIC)) & (operation <= max(GEOMETRIC))
    return jnp.where(moves, jnp.where(inside[..., None], moved, fill), image)


def _sources(
    operation: Scalar, argument: Int32[Array, "2"], height: int, width: int, corner: int
) -> tuple[Int32[Array, "height width"], Int32[Array, "height width"]]:
    """Return the column and the row, in units of 2**-16, from which each pixel's value comes."""
    first, second = argument
    column, row = jnp.arange(width)[None], jnp.arange(height)[:, None]
    # Twice the distance from the centre is a whole number, and from the image's corner (`corner` 1) or first pixel (0).
    x, y = 2 * column - (width - 1), 2 * row - (height - 1)
    rotated = (
        (first * x - second * y) + ((width - 1) << POSITION),
        (second * x + first * y) + ((height - 1) << POSITION),
    )
    shift_x, shift_y = (
        jnp.where(operation == shear, first * (2 * other + corner), 0) + jnp.where(operation == translate, 2 * first, 0)
        for shear, translate, other in (
            (Operation.SHEAR_X, Operation.TRANSLATE_X, row),
            (Operation.SHEAR_Y, Operation.TRANSLATE_Y, column),
        )
    )
    is_rotated = operation == Operation.ROTATE
    u = jnp.where(is_rotated, rotated[0], (column << (POSITION + 1)) + shift_x) >> 1
    v = jnp.where(is_rotated, rotated[1], (row << (POSITION + 1)) + shift_y) >> 1
    return u, v


def _smooth(image: Image, truncate: bool) -> Image:
    """Weigh the 3 x 3 pixels by 1, that in the middle by 5, of 13; the border stays."""
    height, width, _ = image.shape
    if min(height, width) < 3:
        return image
    rows = image[:-2] + image[1:-1] + image[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * image[1:-1, 1:-1]
    return image.at[1:-1, 1:-1].set(total // 13 if truncate else (2 * total + 13) // 26)


def _kernels(radii: np.ndarray) -> np.ndarray:
    """Return int32 (radii, 13): Gaussians in units of 1/4096, cut at three standard deviations, with sum 1."""
    place = np.arange(-TAPS, TAPS + 1)[None]
    weight = np.where(abs(place) <= np.ceil(3 * radii)[:, None], np.exp(-0.5 * (place / radii[:, None]) ** 2), 0)
    kernel = np.round(4096 * weight / weight.sum(axis=1, keepdims=True)).astype(np.int32)
    kernel[:, TAPS] += 4096 - kernel.sum(axis=1)
    return kernel


def _blur(image: Image, kernel: Int32[Array, "13"]) -> Image:
    """Convolve rows and columns with a kernel in units of 1/4096; edges are repeated."""
    for axis in (0, 1):
        size = image.shape[axis]
        padded = jnp.pad(image, [(TAPS, TAPS) if axis == each else (0, 0) for each in range(3)], mode="edge")
        parts = [jax.lax.slice_in_dim(padded, start, start + size, axis=axis) for start in range(2 * TAPS + 1)]
        total = sum((kernel[tap] * part for tap, part in enumerate(parts)), start=jnp.zeros_like(image))
        # Four bits after the point between the two passes.
        image = total >> 8 if axis == 0 else (total + 2**15) >> 16
    return image
