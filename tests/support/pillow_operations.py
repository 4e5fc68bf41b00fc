"""Each operation of the augmentations as Pillow does it, for tests."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mixup_jax.augment.levels import Operation

ENHANCERS = {
    Operation.BRIGHTNESS: ImageEnhance.Brightness,
    Operation.CONTRAST: ImageEnhance.Contrast,
    Operation.COLOR: ImageEnhance.Color,
    Operation.SHARPNESS: ImageEnhance.Sharpness,
}


def to_pillow(image):
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def from_pillow(picture):
    image = np.array(picture)
    return image if image.ndim == 3 else image[:, :, None]


def as_pillow_does(image, operation, argument, fill, resample=Image.Resampling.BILINEAR):
    """Apply an operation to a uint8 image (height, width, channels) with Pillow's own functions."""
    picture = to_pillow(image)
    fill = fill if len(fill) > 1 else fill[0]

    def affine(*matrix):
        return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample, fillcolor=fill)

    if operation in ENHANCERS:
        return from_pillow(ENHANCERS[operation](picture).enhance(argument))
    return from_pillow(
        {
            Operation.AUTO_CONTRAST: lambda: ImageOps.autocontrast(picture),
            Operation.EQUALIZE: lambda: ImageOps.equalize(picture),
            Operation.INVERT: lambda: ImageOps.invert(picture),
            # Pillow's own refuses to keep no bit at all, which is black
            Operation.POSTERIZE: lambda: (
                ImageOps.posterize(picture, int(argument)) if argument else picture.point(lambda value: 0)
            ),
            Operation.SOLARIZE: lambda: ImageOps.solarize(picture, int(argument)),
            Operation.SOLARIZE_ADD: lambda: picture.point(
                [min(255, value + int(argument)) if value < 128 else value for value in range(256)] * image.shape[2]
            ),
            Operation.ROTATE: lambda: picture.rotate(argument, resample, fillcolor=fill),
            Operation.SHEAR_X: lambda: affine(1, argument, 0, 0, 1, 0),
            Operation.SHEAR_Y: lambda: affine(1, 0, 0, argument, 1, 0),
            Operation.TRANSLATE_X: lambda: affine(1, 0, argument, 0, 1, 0),
            Operation.TRANSLATE_Y: lambda: affine(1, 0, 0, 0, 1, argument),
            Operation.BLUR: lambda: picture.filter(ImageFilter.GaussianBlur(argument)),
        }[operation]()
    )
