"""Images in folders: PATH/train/<class>/*.png, PATH/test/<class>/*.png; also .jpg and .jpeg."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.data.decoded import cached
from mixup_jax.data.progress import progress

SUFFIXES = (".png", ".jpg", ".jpeg")
GREY = ("1", "L", "LA")


def load_folder(path: Path) -> Dataset:
    """Load the images under `path`, all of one size; classes are the sorted names of the folders.

    Where every image is grey there is one channel, else three; an alpha channel is dropped. Files whose name begins
    with a dot, and files that are no .png, .jpg or .jpeg, are passed over.

    Raises FileNotFoundError where train or test is missing; ValueError, which names the culprit, for classes that
    differ between the two, a class without images, an image that cannot be read, has more than 8 bits a channel, or
    another size than the first.
    """
    path = path.expanduser().resolve()
    train, test = (_list_images(path / split) for split in ("train", "test"))
    if train.keys() != test.keys():
        odd = sorted(train.keys() ^ test.keys())
        raise ValueError(f"{path}: train and test must have the same classes; only one of them has {', '.join(odd)}")
    files = [file for split in (train, test) for images in split.values() for file in images]
    return cached(f"folder:{path}", path, files, partial(_decode, path, train, test))


def _list_images(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; images are expected as {folder}/<class>/<name>.png")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise ValueError(f"{folder} holds no class folders; images are expected as {folder}/<class>/<name>.png")
    images = {entry.name: sorted(file for file in entry.iterdir() if _is_image(file)) for entry in classes}
    for name, files in images.items():
        if not files:
            raise ValueError(f"{folder / name} holds no images; every class needs a {', '.join(SUFFIXES)} file")
    return images


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _decode(path: Path, train: dict[str, list[Path]], test: dict[str, list[Path]]) -> Dataset:
    examples = [
        [(file, label) for label, files in enumerate(split.values()) for file in files] for split in (train, test)
    ]
    # Mixed once and for all, so that the first N training images are a sample of all classes.
    order = np.random.RandomState(0).permutation(len(examples[0]))
    examples[0] = [examples[0][i] for i in order]
    files, labels = zip(*examples[0], *examples[1], strict=True)
    pixels, label = _stack(files, path.name), np.array(labels, np.int32)
    end = len(order)
    mean, std = pixel_statistics(pixels[:end])
    parts = (pixels[:end], label[:end], pixels[end:], label[end:])
    return Dataset(f"folder:{path}", "REAL", tuple(train), *parts, mean, std)


def _stack(files: Sequence[Path], name: str) -> np.ndarray:
    """Decode the files into uint8 (n, height, width, channels)."""
    images = [_pixels(file) for file in progress(files, f"decoding {name}")]
    height, width = images[0].shape[:2]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != (height, width):
            raise ValueError(
                f"{file} is {image.shape[1]}x{image.shape[0]} pixels, {files[0]} is {width}x{height}; "
                "all images must have one size: resize them first"
            )
    pixels = np.empty((len(images), height, width, max(image.shape[2] for image in images)), np.uint8)
    for i, image in enumerate(images):
        pixels[i] = image  # a grey image among coloured ones goes to all three channels
    return pixels


def _pixels(file: Path) -> np.ndarray:
    """Return an image file's pixels, uint8 (height, width, 1 or 3)."""
    try:
        with Image.open(file) as picture:
            if picture.mode.startswith(("I", "F")):
                raise ValueError(f"it has mode {picture.mode}: more than 8 bits a channel")
            grey = picture.mode in GREY
            return np.atleast_3d(np.asarray(picture.convert("L" if grey else "RGB")))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as an image ({error}); replace or remove it") from error
