"""Make of any picture what a network takes: its centre, of the network's size, as uint8 pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.picture_files import describe, open_picture, pixels_of, read_picture
from mixup_jax.data.photographs.crops import Box, Interpolation, centre_crop
from mixup_jax.runtime.errors import reason_of

Picture = str | Path | Image.Image


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
            if picture.mode.startswith(("I", "F")):
                raise ValueError(
                    f"a picture of mode {picture.mode} has more than 8 bits a channel; convert it to 8 bits first."
                )
            return self._cut(pixels_of(picture, tally, "a picture"), tally, "a picture")
        file = Path(picture)
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there, or no file.")
        if self.streamed and (found := self._from_jpeg(file, tally)) is not None:
            return found
        return self._cut(read_picture(file, tally, file.name), tally, file.name)

    def _from_jpeg(self, file: Path, tally: Tally) -> np.ndarray | None:
        """Return the centre of a JPEG, which is decoded in part, as the run's own were; None for other files."""
        from mixup_jax.data.photographs import files, jpeg  # here: small images need neither of its decoders

        try:
            encoded = file.read_bytes()
            if not jpeg.is_jpeg(encoded):
                return None
            with open_picture(encoded) as picture:
                describe(picture, encoded, tally, file.name)
            return files.decode_part(encoded, self._choose, self.image_shape[0], self.interpolation)
        except Exception as error:  # Pillow raises many kinds for damaged files
            raise ValueError(f"{file} cannot be read as an image ({reason_of(error)}).") from error

    def _choose(self, height: int, width: int) -> Box:
        return centre_crop(height, width, self.image_shape[0], self.test_crop)

    def _cut(self, pixels: np.ndarray, tally: Tally, name: str) -> np.ndarray:
        height, width, channels = self.image_shape
        if pixels.shape[2] > channels:
            tally.add("coloured, converted to grey", name)
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        elif pixels.shape[2] < channels:
            tally.add(f"grey, gets {channels} equal channels", name)
            pixels = np.repeat(pixels, channels, axis=2)
        if self.streamed:
            from mixup_jax.data.photographs import jpeg

            return jpeg.cut_part(pixels, self._choose, height, self.interpolation)
        if pixels.shape[:2] == (height, width):
            return pixels
        tally.add(f"not of {width} x {height} pixels: the centre, resized", name)
        top, left, high, wide = _centre(pixels.shape[0], pixels.shape[1], height / width)
        part = pixels[top : top + high, left : left + wide]
        picture = Image.fromarray(part.squeeze(2) if channels == 1 else part)
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).reshape(self.image_shape)


def _centre(high: int, wide: int, shape: float) -> Box:
    """Return the largest box in the centre whose height over width is `shape`.

    >>> _centre(100, 300, 0.5)
    Box(top=0, left=50, height=100, width=200)
    """
    height, width = min(high, max(1, round(wide * shape))), min(wide, max(1, round(high / shape)))
    return Box((high - height) // 2, (wide - width) // 2, height, width)
