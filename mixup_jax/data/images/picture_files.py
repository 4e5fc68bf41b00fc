"""Read picture files as uint8 pixels; count conversions, and refuse files that cannot be converted correctly."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mixup_jax.data.files.folders import Tally
from mixup_jax.runtime.errors import reason_of

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's formats whose number of bits is known before Pillow converts them to 8."""
GREY = ("1", "L", "LA", "La")
PLAIN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
ORIENTATION = 0x0112
"""The tag of EXIF and TIFF."""
BITS_PER_SAMPLE = 258
"""The tag of TIFF."""


def picture_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the pictures that can be read.

    >>> {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"} <= set(picture_suffixes())
    True
    """
    return tuple(sorted(suffix for suffix, name in Image.registered_extensions().items() if name in _formats()))


def _formats() -> list[str]:
    Image.init()  # some plug-ins are not in every build of Pillow
    return [name for name in FORMATS if name in Image.OPEN]


def read_picture(file: Path, tally: Tally, name: str) -> np.ndarray:
    """Return the pixels of a picture as a viewer shows it, uint8 (height, width, channels): 1 channel if grey, else 3.

    EXIF's orientation is applied, transparency is laid on white, other colour spaces become RGB, and the first of
    several frames is used. Each conversion is counted in `tally` under `name`.

    Raises ValueError, which names the file, for a file that cannot be read or has more than 8 bits a channel.
    """
    try:
        return decode_picture(file.read_bytes(), tally, name)
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ValueError(f"{file} cannot be read as an image ({reason_of(error)}); replace or remove it") from error


def decode_picture(content: bytes, tally: Tally, name: str) -> np.ndarray:
    """Return the pixels of a picture's file as `read_picture` does; raises what Pillow raises, of any kind."""
    with open_picture(content) as picture:
        describe(picture, content, tally, name)
        return pixels_of(picture, tally, name)


def pixels_of(picture: Image.Image, tally: Tally, name: str) -> np.ndarray:
    """Return the pixels of a picture of 8 bits as `read_picture` does."""
    grey = picture.mode in GREY
    return np.atleast_3d(np.asarray(_seen(picture, tally, name).convert("L" if grey else "RGB")))


def open_picture(content: bytes) -> Image.Image:
    """Open a picture's file of a known format; nothing is decoded yet. Raises what Pillow raises, and ValueError."""
    try:
        return Image.open(io.BytesIO(content), formats=_formats())
    except UnidentifiedImageError:  # its text names an object in memory
        raise ValueError("it is no picture of a known format") from None


def orientation_of(picture: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1, upright, where there is none or another number."""
    orientation = picture.getexif().get(ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def describe(picture: Image.Image, content: bytes, tally: Tally, name: str) -> None:
    """Count what is converted when a picture is decoded; raises ValueError for more than 8 bits a channel."""
    bits = _bits(picture, content[:4096])
    if bits > 8:
        raise ValueError(f"it has {bits} bits a channel, mode {picture.mode}; convert it to 8 bits first")
    if getattr(picture, "n_frames", 1) > 1:
        tally.add("several frames, the first is taken", name)
    if picture.getexif().get(ORIENTATION, 1) != 1:
        tally.add("turned as its EXIF orientation says", name)
    if picture.mode not in PLAIN:
        tally.add(f"{picture.mode} converted to RGB", name)


def _seen(picture: Image.Image, tally: Tally, name: str) -> Image.Image:
    """Return the picture upright and without transparency."""
    picture = ImageOps.exif_transpose(picture)
    if not picture.has_transparency_data:
        return picture
    layers = picture.convert("RGBA")
    if layers.getchannel("A").getextrema() == (255, 255):
        return picture
    tally.add("transparent, laid on white", name)
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)


def _bits(picture: Any, head: bytes) -> int:
    """Return the number of bits a channel in a file; Pillow silently converts more to 8, by clipping or cutting."""
    if picture.mode.startswith(("I", "F")):
        return 16 if picture.mode.startswith("I;16") else 32
    if picture.format == "PNG":
        return head[24]  # of the header, which is the first chunk
    if picture.format == "AVIF":
        channels = head.partition(b"pixi")[2][4:]  # version and flags, number of channels, bits of each
        return max(channels[1 : 1 + channels[0]], default=8) if channels else 8
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(BITS_PER_SAMPLE, (1,)))
    if picture.format == "PPM" and picture.tile and isinstance(picture.tile[0].args, tuple):
        return int(picture.tile[0].args[1]).bit_length() if len(picture.tile[0].args) > 1 else 8  # the largest value
    return 8
