"""Images of one size, in memory: folders or a CSV, of png, jpg, webp, bmp, gif, tif and others."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.data.files.decoded import cached
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.layouts import Listing, Pictures, find_pictures
from mixup_jax.data.images.picture_files import read_picture
from mixup_jax.data.photographs.checked import Checked, check_pictures
from mixup_jax.runtime.progress import progress


def load_folder(path: Path, pictures: Pictures | None = None) -> Dataset:
    """Load the images that `find_pictures` finds under `path`, all of one size.

    There is one channel if all images are grey, else three. `notes` of the data set counts the files that were passed
    over or converted (`read_picture`), with the reasons.

    Raises what `find_pictures` and `check_pictures` raise, and ValueError, which names it, for an image of another size
    than the first.
    """
    pictures = pictures or Pictures()
    checked = check_pictures(find_pictures(path, pictures.split), skip_bad=pictures.skip_bad)
    _check_sizes(checked)
    listing = checked.listing
    files = [listing.root / name for name in listing.names()]
    files += [listing.source] * listing.source.is_file()  # labels and split of a CSV
    variant = f"split {pictures.split}" if pictures.split else ""
    dataset = cached(
        f"folder:{listing.source}", listing.source, files, partial(_decode, listing), variant, checked.digest()
    )
    return replace(dataset, notes=(*checked.notes(), *dataset.notes))


def _check_sizes(checked: Checked) -> None:
    """Raise ValueError for images of several sizes."""
    (first, one), *others = checked.verdicts.items()
    for name, verdict in others:
        if (verdict.width, verdict.height) != (one.width, one.height):
            raise ValueError(
                f"{checked.listing.root / name} is {verdict.width}x{verdict.height} pixels, {first} is "
                f"{one.width}x{one.height}; all images must have one size: add --image-size N, which cuts images of "
                "N x N pixels from photographs of any size, or resize them first"
            )


def _decode(listing: Listing) -> Dataset:
    examples = dict(listing.parts)
    # A fixed random order, so that the first N training images are a sample of all classes.
    order = np.random.RandomState(0).permutation(len(examples["train"]))
    examples["train"] = [examples["train"][i] for i in order]
    names, labels = zip(*(each for part in examples.values() for each in part), strict=True)
    pixels, notes = _stack(listing, names)
    label, ends = np.array(labels, np.int32), np.cumsum([len(part) for part in examples.values()])
    cut = {part: slice(end - len(of), end) for (part, of), end in zip(examples.items(), ends, strict=True)}
    images, classes = ({part: array[each] for part, each in cut.items()} for array in (pixels, label))
    mean, std = pixel_statistics(images["train"])
    arrays = {f"{part}_image": image for part, image in images.items()}
    arrays |= {f"{part}_label": each for part, each in classes.items()}
    notes += _copies(images, classes)
    return Dataset(f"folder:{listing.source}", "REAL", listing.classes, **arrays, mean=mean, std=std, notes=notes)


def _stack(listing: Listing, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode the files into uint8 (n, height, width, channels); return also notes on conversions."""
    tally = Tally()
    images = [
        read_picture(listing.root / name, tally, name)
        for name in progress(names, f"decoding {listing.source.name}", total=len(names))
    ]
    height, width = images[0].shape[:2]
    pixels = np.empty((len(images), height, width, max(image.shape[2] for image in images)), np.uint8)
    for i, image in enumerate(images):
        pixels[i] = image  # a grey image is copied to all three channels
        if image.shape[2] < pixels.shape[3]:
            tally.add("grey among coloured ones, gets three equal channels", names[i])
    return pixels, tally.notes(f"of {len(names):,} images")


def _copies(image: dict[str, np.ndarray], label: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Return notes on test images that equal training images, pixel for pixel, and on images with several classes."""
    digests = {part: [hashlib.sha256(one).digest() for one in each] for part, each in image.items()}
    known, classes, notes = set(digests["train"]), {}, []
    for part, found in digests.items():
        for digest, each in zip(found, label[part], strict=True):
            classes.setdefault(digest, set()).add(int(each))
    for part, words in (("valid", "validation"), ("test", "test")):
        found = digests.get(part, [])
        if copies := sum(digest in known for digest in found):
            notes.append(f"{copies:,} of {len(found):,} {words} images are training images, pixel for pixel")
    several = sum(len(found) > 1 for found in classes.values())
    notes += [f"{several:,} images lie in folders of several classes, pixel for pixel"] if several else []
    return tuple(notes)
