"""Images in folders: PATH/train/<class>/*.png and PATH/test/<class>/*.png, or jpg, webp, bmp, gif, tif and others."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.data.files.archives import expand
from mixup_jax.data.files.decoded import cached
from mixup_jax.data.files.folders import Tally, check_several, class_files, name_variants
from mixup_jax.data.images.picture_files import picture_suffixes, read_picture
from mixup_jax.runtime.progress import progress

SPLITS = ("train", "test")


def load_folder(path: Path) -> Dataset:
    """Load the images under `path`, all of one size; classes are the sorted names of the folders.

    There is one channel if all images are grey, else three. Images in subfolders of a class are used too. `notes` of
    the data set counts the files that were passed over or converted (`read_picture`), with the reasons.

    Raises FileNotFoundError if train or test is missing; ValueError, which names the file or folder, for classes that
    differ between the two, fewer than two classes, a class without images, and an image that cannot be read, has more
    than 8 bits a channel, or another size than the first.
    """
    path, listing = expand(path, "dataset").resolve(), Tally()
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        if entry.name not in SPLITS:
            listing.add("passed over, beside train and test", entry.name)
    suffixes, layout = picture_suffixes(), "<class>/<name>.png"
    train, test = (class_files(path / split, suffixes, listing, layout=layout) for split in SPLITS)
    if train.keys() != test.keys():
        odd = sorted(train.keys() ^ test.keys())
        raise ValueError(f"{path}: train and test must have the same classes; only one of them has {', '.join(odd)}")
    check_several(path, train)
    files = [file for split in (train, test) for images in split.values() for file in images]
    dataset = cached(f"folder:{path}", path, files, partial(_decode, path, train, test))
    notes = [f"classes that differ in capital letters or blanks: {each}" for each in name_variants(train)]
    return replace(dataset, notes=(*listing.notes("files or folders"), *notes, *dataset.notes))


def _decode(path: Path, train: dict[str, list[Path]], test: dict[str, list[Path]]) -> Dataset:
    examples = [
        [(file, label) for label, files in enumerate(split.values()) for file in files] for split in (train, test)
    ]
    # A fixed random order, so that the first N training images are a sample of all classes.
    order = np.random.RandomState(0).permutation(len(examples[0]))
    examples[0] = [examples[0][i] for i in order]
    files, labels = zip(*examples[0], *examples[1], strict=True)
    pixels, notes = _stack(files, path)
    label, end = np.array(labels, np.int32), len(order)
    mean, std = pixel_statistics(pixels[:end])
    parts = (pixels[:end], label[:end], pixels[end:], label[end:])
    notes += _copies(*parts)
    return Dataset(f"folder:{path}", "REAL", tuple(train), *parts, mean, std, notes=notes)


def _stack(files: Sequence[Path], path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode the files into uint8 (n, height, width, channels); return also notes on conversions."""
    tally, names = Tally(), [file.relative_to(path).as_posix() for file in files]
    named = zip(files, names, strict=True)
    images = [
        read_picture(file, tally, name) for file, name in progress(named, f"decoding {path.name}", total=len(files))
    ]
    height, width = images[0].shape[:2]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != (height, width):
            raise ValueError(
                f"{file} is {image.shape[1]}x{image.shape[0]} pixels, {files[0]} is {width}x{height}; "
                "all images must have one size: resize them first"
            )
    pixels = np.empty((len(images), height, width, max(image.shape[2] for image in images)), np.uint8)
    for i, image in enumerate(images):
        pixels[i] = image  # a grey image is copied to all three channels
        if image.shape[2] < pixels.shape[3]:
            tally.add("grey among coloured ones, gets three equal channels", names[i])
    return pixels, tally.notes(f"of {len(files):,} images")


def _copies(
    train_image: np.ndarray, train_label: np.ndarray, test_image: np.ndarray, test_label: np.ndarray
) -> tuple[str, ...]:
    """Return notes on test images that equal training images, pixel for pixel, and on images with several classes."""
    train, test = ([hashlib.sha256(one).digest() for one in image] for image in (train_image, test_image))
    known, classes = set(train), {}
    for image, label in zip([*train, *test], [*train_label, *test_label], strict=True):
        classes.setdefault(image, set()).add(int(label))
    copies = sum(image in known for image in test)
    several = sum(len(found) > 1 for found in classes.values())
    notes = [f"{copies:,} of {len(test_image):,} test images are training images, pixel for pixel"] if copies else []
    notes += [f"{several:,} images lie in folders of several classes, pixel for pixel"] if several else []
    return tuple(notes)
