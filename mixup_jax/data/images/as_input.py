"""Make of any picture what a network takes: its centre, of the network's size, as uint8 pixels."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.picture_files import ORIENTATION, read_picture
from mixup_jax.data.photographs.crops import Interpolation, centre_crop

Picture = str | os.PathLike[str] | Image.Image


@dataclass(frozen=True)
class AsInput:
    """How a picture becomes the input of a network, uint8 `image_shape` (height, width, channels).

    Where the run has streamed photographs (`streamed`), they are cut as its test photographs were: the centre square,
    `test_crop` of the shorter side, resized by `interpolation`. Data in memory have one size: a picture of that size is
    taken as it is; of another one the largest centre part of the same shape is resized by Pillow's bicubic filter.
    """

    image_shape: tuple[int, ...]
    test_crop: float = 1.0
    interpolation: Interpolation = "bicubic"
    streamed: bool = False

    def __call__(self, picture: Picture, tally: Tally | None = None) -> np.ndarray:
        """Return the input; conversions are counted in `tally`.

        Raises FileNotFoundError, and ValueError, which names the file, for one that is no picture that can be read.
        """
        tally = Tally() if tally is None else tally
        if isinstance(picture, Image.Image):
            return self._cut(_pixels(picture), tally, "a picture")
        file = Path(picture)
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there, or no file.")
        if self.streamed and (found := self._decoded(file)) is not None:
            return found
        return self._cut(read_picture(file, tally, file.name), tally, file.name)

    def _decoded(self, file: Path) -> np.ndarray | None:
        """Return the centre of an upright photograph in JPEG, decoded in part, as the run has; None for others."""
        from mixup_jax.data.photographs.jpeg import decode_part

        try:
            encoded = file.read_bytes()
            with Image.open(file, formats=("JPEG",)) as head:
                if head.getexif().get(ORIENTATION, 1) != 1:
                    return None
            size = self.image_shape[0]
            choose = partial(centre_crop, size=size, share=self.test_crop)
            return decode_part(encoded, choose, size, self.interpolation)
        except (OSError, ValueError, SyntaxError):  # the other decoder takes more formats, and says what is wrong
            return None

    def _cut(self, pixels: np.ndarray, tally: Tally, name: str) -> np.ndarray:
        height, width, channels = self.image_shape
        high, wide = pixels.shape[:2]
        if pixels.shape[2] > channels:
            tally.add("coloured, converted to grey", name)
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        elif pixels.shape[2] < channels:
            tally.add(f"grey, gets {channels} equal channels", name)
            pixels = np.repeat(pixels, channels, axis=2)
        if (high, wide) == (height, width):
            return pixels
        picture = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
        if self.streamed:
            top, left, high, wide = centre_crop(high, wide, height, self.test_crop)
            small = picture.crop((left, top, left + wide, top + high)).resize((width, height), Image.Resampling.BICUBIC)
        else:
            tally.add(f"not of {width} x {height} pixels: the centre, resized", name)
            small = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
        return np.asarray(small).reshape(height, width, channels)


def _pixels(picture: Any) -> np.ndarray:
    """Return the pixels of a picture in memory, 1 channel if grey, else 3; raises ValueError for more than 8 bits."""
    if picture.mode.startswith(("I", "F")):
        raise ValueError(
            f"a picture of mode {picture.mode} has more than 8 bits a channel; convert it to 8 bits first."
        )
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert(
            "L" if picture.mode in ("LA", "La") else "RGB"
        )
    return np.atleast_3d(np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB")))
