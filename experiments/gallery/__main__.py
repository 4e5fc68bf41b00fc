"""Gallery: the same images mixed by mixup and by every other method.

Pictures: images mixed with lambda from 0 to 1, the lambdas drawn for some alphas, a row of images for each method, and
figures of partners, labels, losses, hidden states and schedules.

    python -m experiments.gallery                                                   # what comes with scikit-learn
    python -m experiments.gallery --dataset cifar10 --batch-dataset fashion_mnist   # images of data sets
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from rich.progress import track

from experiments.commands.errors import call, one_line_errors
from experiments.commands.running import cache_compilations
from experiments.gallery.images import PHOTOGRAPHS, Images, first_examples, one_of_each, photographs
from mixup_jax import draw, mix, mixup
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
from mixup_jax.runtime.console import console

ALPHAS = (0.1, 0.2, 0.4, 1.0, 8.0)
LAMBDAS = 100_000
DRAWS = 5
BATCH = 128
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
        functools.partial(noisy_feature_mixup, alpha=2.0, additive=0.05, multiplicative=0.1, **ROLL),
    ),
    "dirichlet": ("Dirichlet weights of three examples, α = 2", dirichlet),
}


def main(
    dataset: str = PHOTOGRAPHS,
    classes: tuple[str, ...] = (),
    batch_dataset: str | None = None,
    data_dir: Path | None = None,
    workdir: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None,
    seed: int = 0,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Draw the gallery: a PNG for each method and each figure, and methods side by side in methods.png.

    Args:
        dataset: The images: photographs, or a data set of experiments.cifar, the first image of some classes.
        classes: Which classes of the data set; its first five if left out.
        batch_dataset: Data set of the pictures of a batch. Default: the same; digits with photographs.
        data_dir: Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder.
        workdir: Folder of the pictures, runs/gallery if left out; older ones are replaced.
        seed: Seed of all draws.
        smoke: A quick check: small pictures, two methods.
    """
    from experiments.gallery.figures import FIGURES
    from mixup_jax.report.plots.drawing import save_png

    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and 2**32 - 1, got {seed}.")
    if dataset == PHOTOGRAPHS and classes:
        raise ValueError(f"classes are for --dataset: the photographs have none, got {', '.join(classes)}.")
    cache_compilations()
    workdir = workdir or Path("runs") / ("gallery-smoke" if smoke else "gallery")
    images = photographs(32 if smoke else 128) if dataset == PHOTOGRAPHS else one_of_each(dataset, data_dir, classes)
    batch_dataset = batch_dataset or ("digits" if dataset == PHOTOGRAPHS else dataset)
    batch = first_examples(batch_dataset, data_dir, 32 if smoke else BATCH)
    rng = jax.random.key(seed)
    pictures = rows_of_methods(rng, images, smoke) | {
        name: functools.partial(figure, rng, images, batch) for name, figure in FIGURES.items()
    }
    for name in track(pictures, description="pictures", transient=True):
        figure = pictures[name]()
        figure.set_label(f"{figure.get_label()} Images: {images.source}; {batch.source}.")
        save_png(figure, workdir / f"{name}.png")
    source = f"{images.source}; batches: {batch.source}"
    console().print(f"{len(pictures)} pictures ({source}): {workdir}", soft_wrap=True)


def rows_of_methods(rng: Array, images: Images, smoke: bool) -> dict[str, Callable[[], Any]]:
    """Return a function that draws the picture, for each picture of mixed images and of lambda by name."""
    from mixup_jax.report.plots.family import lambda_histograms, method_rows
    from mixup_jax.report.plots.illustrations import mixed_samples

    row = functools.cache(lambda name: {METHODS[name][0]: mixed_images(rng, METHODS[name][1], images)})
    names = list(METHODS)[:2] if smoke else list(METHODS)
    pair = [len(images.names) - 1, 0]
    lam = jax.jit(lambda rng, alpha: draw(rng, LAMBDAS // 100 if smoke else LAMBDAS, alpha, per="example").lam)
    lambdas = {alpha: np.asarray(lam(jax.random.fold_in(rng, index), alpha)) for index, alpha in enumerate(ALPHAS)}
    return {
        **{name: lambda name=name: method_rows(row(name), images.names) for name in names},
        "methods": lambda: method_rows(
            {title: each for name in names for title, each in row(name).items()}, images.names
        ),
        "mixed_samples": lambda: mixed_samples(images.image[pair], pair, images.names),
        "lambda": lambda: lambda_histograms(lambdas),
    }


def mixed_images(rng: Array, method: Method, images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Mix the same batch `DRAWS` times with a method; return the first image and its label of each time."""
    x, y = jnp.asarray(images.image, jnp.float32) / 255, jnp.eye(len(images.names))
    program = jax.jit(method)
    mixed = [program(key, x, y) for key in jax.random.split(rng, DRAWS)]
    return np.stack([image[0] for image, _ in mixed]), np.stack([label[0] for _, label in mixed])


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.gallery")
