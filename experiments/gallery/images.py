"""The images of the gallery: two photographs that come with scikit-learn, and examples of data sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixup_jax.data.sources import load

PHOTOGRAPHS = "photographs"


@dataclass(frozen=True)
class Images:
    """Images uint8 (examples, height, width, channels), class ids (examples,) and the classes' names.

    `source` names their origin, and the provenance of the data: REAL, LOSSY or SYNTHETIC.
    """

    image: np.ndarray
    label: np.ndarray
    names: tuple[str, ...]
    source: str


def photographs(side: int) -> Images:
    """Return scikit-learn's two photographs and a detail of one, cut square and shrunk."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    cuts = {
        "temple": ("china.jpg", 0, 40, 427),
        "trees": ("china.jpg", 240, 453, 187),
        "flower": ("flower.jpg", 0, 110, 427),
    }
    images = []
    for file, top, left, length in cuts.values():
        square = Image.fromarray(load_sample_image(file)[top : top + length, left : left + length])
        images.append(np.asarray(square.resize((side, side), Image.Resampling.LANCZOS)))
    return Images(np.stack(images), np.arange(len(cuts)), tuple(cuts), "scikit-learn's photographs, shrunk")


def one_of_each(dataset: str, data_dir: Path | None, classes: tuple[str, ...] = ()) -> Images:
    """Return the first training image of each class named, else of the first five; classes are numbered from 0.

    Raises ValueError for the name of a class that has no image, and what `load` raises.
    """
    data = load(dataset, data_dir)
    label = np.asarray(data.train_label)
    known = {data.classes[each]: int(np.argmax(label == each)) for each in np.unique(label)}
    names = classes or tuple(known)[:5]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"classes must be among {', '.join(known)}, got {', '.join(unknown)}.")
    rows = [known[name] for name in names]
    return Images(np.asarray(data.train_image[rows]), np.arange(len(rows)), names, f"{data.name}, {data.mark}")


def first_examples(dataset: str, data_dir: Path | None, count: int) -> Images:
    """Return the first training examples of a data set."""
    data = load(dataset, data_dir)
    image, label = np.asarray(data.train_image[:count]), np.asarray(data.train_label[:count])
    return Images(image, label, data.classes, f"{data.name}, {data.mark}")


def some_of_each(images: Images, classes: int, count: int) -> Images:
    """Return the first `count` images of each of the first classes, class by class."""
    kept = np.unique(images.label)[:classes]
    rows = np.concatenate([np.flatnonzero(images.label == each)[:count] for each in kept])
    return Images(images.image[rows], images.label[rows], images.names, images.source)
