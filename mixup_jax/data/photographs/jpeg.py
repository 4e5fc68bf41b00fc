"""Decode a part of a photograph, and no more of the photograph than the part needs.

Most of the time goes into the Huffman codes, which have to be read in order. What can be saved are the rows below the
part, which are never read, and the resolution that the part does not need.
"""

import functools
import io
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from mixup_jax.data.photographs.crops import Box, Interpolation

FORMATS = ("JPEG", "PNG")  # one of ImageNet's files is a PNG with another name
MOST_PIXELS = 2**27
"""The largest photograph of ImageNet has 61 million pixels; a file with more than twice as many is an attack."""
END = b"\xff\xd9"
MARGIN = 16
"""Rows below the part on which its last rows of colour depend."""
TURNS = {
    **{1: (False, False, False), 2: (False, False, True), 3: (False, True, True), 4: (False, True, False)},
    **{5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False)},
}
"""EXIF's orientations: exchange rows and columns, then reverse the order of the rows, that of the columns."""

Choose = Callable[[int, int], Box]


def decode_part(
    encoded: bytes, choose: Choose, size: int, interpolation: Interpolation = "linear", orientation: int = 1
) -> UInt8[np.ndarray, "size size 3"]:
    """Decode the part ``choose(height, width)`` of an image and resize it to `size` x `size`, uint8 RGB.

    `orientation` is EXIF's, 1 to 8: the part is chosen in the image as it is turned then, and shows it so.

    "linear" is fast: the decoder reduces a large part by 2, 4 or 8, which is then resized linearly between the four
    nearest pixels, without a filter against aliasing, or by means over areas if it still shrinks to less than half.

    "bicubic" is exact: the part is decoded at its full resolution and resized by Pillow's bicubic filter, which widens
    with the reduction (a = -1/2), to the bits that Pillow and torchvision give for the same part. It costs as much
    again as the decoding (photographs of 500 x 375 pixels to 224: 2.0 ms in place of 1.0). OpenCV's cubic would be as
    fast as linear, but does not widen: 3 to 4 of 255 grey levels from Pillow's on average, more than linear is.

    Raises ValueError, with the reason, for an image that cannot be read.
    """
    _one_thread()
    try:
        height, width = _read_header(encoded)
        box = _as_stored(choose, orientation, height, width)
        scales = (1, 2, 4, 8) if interpolation == "linear" else (1,)
        reduce = max(each for each in scales if each == 1 or min(box.height, box.width) >= each * size)
        rows = min(height, box.top + box.height + MARGIN)
        shorter = _first_rows(encoded, rows)
        # More data follows a shortened image: the decoder ignores it only without `strict`.
        pixels = simplejpeg.decode_jpeg(
            shorter or encoded,
            "RGB",
            min_height=-(-(rows if shorter else height) // reduce),
            min_width=-(-width // reduce),
            strict=shorter is None,
        )
    except ValueError:
        return cut_part(upright(_decode_slowly(encoded), orientation), choose, size, interpolation)
    scale = width / pixels.shape[1]
    return _cut(pixels, Box(*(round(side / scale) for side in box)), size, interpolation, orientation)


def cut_part(
    pixels: UInt8[np.ndarray, "height width 3"], choose: Choose, size: int, interpolation: Interpolation
) -> UInt8[np.ndarray, "size size 3"]:
    """Resize the part ``choose(height, width)`` of an image that is decoded, as `decode_part` does."""
    _one_thread()
    return _cut(pixels, choose(*pixels.shape[:2]), size, interpolation)


def upright(pixels: UInt8[np.ndarray, "height width channels"], orientation: int) -> np.ndarray:
    """Turn an image as EXIF's orientation says.

    >>> upright(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 6)[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    turned, rows, columns = TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if turned else pixels
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


def _as_stored(choose: Choose, orientation: int, height: int, width: int) -> Box:
    """Return where the part that is chosen in the upright image lies in the image of `height` x `width` as stored."""
    turned, rows, columns = TURNS[orientation]
    high, wide = (width, height) if turned else (height, width)
    box = choose(high, wide)
    top = high - box.top - box.height if rows else box.top
    left = wide - box.left - box.width if columns else box.left
    return Box(left, top, box.width, box.height) if turned else Box(top, left, box.height, box.width)


@functools.cache
def _one_thread() -> None:
    """Keep OpenCV from using threads in this process: the pipeline is parallel over images."""
    cv2.setNumThreads(1)


def mirror(pixels: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Mirror an image left to right, 20 times as fast as NumPy copies a reversed view.

    >>> mirror(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)).tolist()
    [[[3, 4, 5], [0, 1, 2]]]
    """
    return cv2.flip(pixels, 1)


def is_jpeg(encoded: bytes) -> bool:
    """Return whether a file begins as a JPEG does."""
    return encoded.startswith(b"\xff\xd8")


def check(encoded: bytes) -> None:
    """Raise ValueError, with the reason, for an image that cannot be read; every byte is decoded."""
    try:
        height, width = _read_header(encoded)
        simplejpeg.decode_jpeg(encoded, "RGB", min_height=-(-height // 8), min_width=-(-width // 8))
    except ValueError:  # the second decoder tolerates more, and says what is wrong with the rest
        _decode_slowly(encoded)


def _read_header(encoded: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG; raises ValueError for what the fast decoder does not take."""
    height, width, colours, _ = simplejpeg.decode_jpeg_header(encoded)
    if colours not in ("YCbCr", "RGB", "Gray"):
        raise ValueError(f"its colours are {colours}")
    height, width = int(height), int(width)
    check_size(height, width)
    return height, width


def _first_rows(encoded: bytes, rows: int) -> bytes | None:
    """Return a baseline JPEG shortened to its first `rows` rows; None where this is not possible or gains nothing.

    The height is in the header of the frame, and the rows of a baseline image are in order. A truncated file gives None
    too: only decoding the whole image shows whether some of these rows are missing.
    """
    if not encoded.endswith(END):
        return None
    at = 2
    while at + 9 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker in (0xC0, 0xC1):
            height = int.from_bytes(encoded[at + 5 : at + 7], "big")
            if rows >= height:
                return None
            return encoded[: at + 5] + rows.to_bytes(2, "big") + encoded[at + 7 :]
        if marker in (0xC2, 0xDA):
            return None
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None


def _decode_slowly(encoded: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Decode other images with Pillow: PNG, four colours, trailing data; raises ValueError for the rest."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            check_size(picture.height, picture.width)
            return np.asarray(picture.convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises nearly anything for hostile files
        raise ValueError("it is no JPEG" if isinstance(error, Image.UnidentifiedImageError) else str(error)) from error


def check_size(height: int, width: int) -> None:
    """Raise ValueError for an image of more pixels than are decoded."""
    if height * width > MOST_PIXELS:
        raise ValueError(f"it has {width} x {height} pixels; at most {MOST_PIXELS:,} are decoded")


def _cut(pixels: np.ndarray, box: Box, size: int, interpolation: Interpolation, orientation: int = 1) -> np.ndarray:
    part = pixels[box.top : box.top + max(1, box.height), box.left : box.left + max(1, box.width)]
    part = upright(part, orientation) if orientation != 1 else part
    if interpolation == "bicubic":
        return np.asarray(Image.fromarray(part).resize((size, size), Image.Resampling.BICUBIC))
    much = min(part.shape[:2]) > 2 * size
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if much else cv2.INTER_LINEAR)
