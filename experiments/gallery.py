"""Gallery: what mixup and every method of the family make of the same images.

Pictures: images mixed with lambda from 0 to 1, the lambdas drawn for some alphas, and a row for each method.

    python -m experiments.gallery                              # two photographs that come with scikit-learn
    python -m experiments.gallery --dataset cifar10            # the first images of three classes of a data set
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from rich.console import Console
from rich.progress import track

from experiments.errors import call, one_line_errors
from experiments.running import cache_compilations
from mixup_jax import draw, mix, mixup
from mixup_jax.data import load
from mixup_jax.methods import (
    choose,
    cutmix,
    draw_cutmix,
    draw_dirichlet,
    fmix,
    gridmix,
    mix_all,
    noisy_feature_mixup,
    resizemix,
    saliencymix,
)

ALPHAS = (0.1, 0.2, 0.4, 1.0, 8.0)
LAMBDAS = 100_000
DRAWS = 5
Method = Callable[[Array, Array, Array], tuple[Any, Any]]


ROLL: dict[str, Any] = {"per": "example", "partner": "roll"}


def switch(rng: Array, x: Array, y: Array) -> tuple[Any, Any]:
    """Draw mixup, CutMix or nothing for each example."""
    rngs = jax.random.split(rng, 3)
    size = (x.shape[0], x.shape[1], x.shape[2])
    plans = [draw(rngs[0], size[0], 2.0, **ROLL), draw_cutmix(rngs[1], size, 2.0, **ROLL)]
    return mix(choose(rngs[2], plans, [0.45, 0.45], per="example"), (x, y))


def gridmask(rng: Array, x: Array, y: Array) -> tuple[Any, Any]:
    """Paste a lattice of squares, about five a side."""
    return gridmix(rng, x, y, 2.0, period=max(2, x.shape[1] // 5), **ROLL)


def dirichlet(rng: Array, x: Array, y: Array) -> tuple[Any, Any]:
    """Mix three examples."""
    return mix_all(draw_dirichlet(rng, len(x), 2.0, examples=3, per="example"), (x, y))


METHODS: dict[str, tuple[str, Method]] = {
    "mixup": ("mixup, α = 2", functools.partial(mixup, alpha=2.0, **ROLL)),
    "cutmix": ("CutMix, α = 2", functools.partial(cutmix, alpha=2.0, **ROLL)),
    "switch": ("mixup, CutMix or nothing", switch),
    "fmix": ("FMix, α = 2", functools.partial(fmix, alpha=2.0, **ROLL)),
    "gridmix": ("GridMix, α = 2, 4 x 4 cells", functools.partial(gridmix, alpha=2.0, **ROLL)),
    "gridmask": ("GridMix in the lattice of GridMask", gridmask),
    "resizemix": ("ResizeMix", functools.partial(resizemix, **ROLL)),
    "saliencymix": ("SaliencyMix, α = 2", functools.partial(saliencymix, alpha=2.0, **ROLL)),
    "noisy_feature_mixup": (
        "Noisy feature mixup, α = 2",
        functools.partial(noisy_feature_mixup, alpha=2.0, additive=0.15, multiplicative=0.2, **ROLL),
    ),
    "dirichlet": ("Dirichlet weights of three examples, α = 2", dirichlet),
}


@dataclass(frozen=True)
class Pictures:
    """Images uint8 (examples, height, width, channels), one of each class, and the names of the classes."""

    image: np.ndarray
    names: tuple[str, ...]


def main(
    dataset: str = "photographs",
    data_dir: Path | None = None,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("runs/gallery"),
    seed: int = 0,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Draw the gallery: a PNG for each method, all of them in methods.png, mixed_samples.png and lambda.png.

    Args:
        dataset: photographs, or a data set of experiments.cifar (its first images of three classes).
        data_dir: Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder.
        output: Folder of the pictures; older ones are replaced.
        seed: Seed of all draws.
        smoke: Small pictures and two methods: does everything work here?
    """
    from mixup_jax.report.drawing import save_png  # matplotlib takes a second to import
    from mixup_jax.report.family import lambda_histograms, method_rows
    from mixup_jax.report.illustrations import mixed_samples

    cache_compilations()
    pictures = photographs(32 if smoke else 128) if dataset == "photographs" else one_of_each(dataset, data_dir)
    rng = jax.random.key(seed)
    rows = {}
    names = list(METHODS)[:2] if smoke else list(METHODS)
    for name in track(names, description="methods", transient=True):
        title, method = METHODS[name]
        rows[title] = drawn(rng, method, pictures)
        save_png(method_rows({title: rows[title]}, pictures.names), output / f"{name}.png")
    save_png(method_rows(rows, pictures.names), output / "methods.png")
    order = [len(pictures.names) - 1, 0]
    save_png(mixed_samples(pictures.image[order], order, pictures.names), output / "mixed_samples.png")
    lambdas = {
        alpha: np.asarray(draw(jax.random.fold_in(rng, index), LAMBDAS, alpha, per="example").lam)
        for index, alpha in enumerate(ALPHAS)
    }
    save_png(lambda_histograms(lambdas), output / "lambda.png")
    Console().print(f"{len(names) + 3} pictures: {output}", highlight=False, soft_wrap=True)


def drawn(rng: Array, method: Method, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Let a method mix the same batch some times; return what became of the first image, and its labels."""
    x, y = jnp.asarray(pictures.image, jnp.float32) / 255, jnp.eye(len(pictures.names))
    program = jax.jit(method)
    mixed = [program(key, x, y) for key in jax.random.split(rng, DRAWS)]
    return np.stack([image[0] for image, _ in mixed]), np.stack([label[0] for _, label in mixed])


def photographs(side: int) -> Pictures:
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
    return Pictures(np.stack(images), tuple(cuts))


def one_of_each(dataset: str, data_dir: Path | None, classes: int = 3) -> Pictures:
    """Return the first training image of each of some classes."""
    data = load(dataset, data_dir)
    label = np.asarray(data.train_label)
    rows = [int(np.argmax(label == each)) for each in np.unique(label)[:classes]]
    return Pictures(np.asarray(data.train_image[rows]), tuple(data.classes[label[row]] for row in rows))


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.gallery")
