"""The pictures in a run's folder: what was learned, how well calibrated it is, and where it errs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset, as_pictures
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.evaluation.predictions import MOST_CLASSES
from mixup_jax.runtime.run_folder import PREDICTIONS

OF_PREDICTIONS = ("errors_by_class", "confusion", "worst_images")


def draw_missing(workdir: Path, data: Dataset | StreamedDataset, config: Config) -> None:
    """Draw those of the run's pictures that are not there; a run that has kept no predictions has none of them."""
    missing = [name for name in figure_names(workdir, data, config) if not (workdir / "figures" / name).exists()]
    if not missing:
        return
    from mixup_jax.report.plots.drawing import save_png

    draw = drawings(workdir, data, config)
    for name in missing:
        if name in draw:
            save_png(draw[name](), workdir / "figures" / name)


def figure_names(workdir: Path, data: Dataset | StreamedDataset, config: Config) -> tuple[str, ...]:
    """Return the files of a run's pictures: a mixture of waveforms is no mixture of pictures."""
    several, pictures = len(data.one_of_each(2)[1]) > 1, data.image_shape[1] > 1
    names = ["learning_curves.png", "reliability.png", *["mixed_samples.png"] * (several and pictures)]
    if (workdir / PREDICTIONS).exists():
        kinds = {"confusion": len(data.classes) <= MOST_CLASSES, "worst_images": pictures}
        kept = [kind for kind in OF_PREDICTIONS if kinds.get(kind, True)]
        names += [f"{kind}{suffix}.png" for suffix in suffixes(config) for kind in kept]
    return tuple(names)


def suffixes(config: Config) -> tuple[str, ...]:
    """Return how the pictures of each alpha are told apart.

    >>> from mixup_jax.choices import Mixup
    >>> suffixes(Config()), suffixes(Config(mixing=Mixup((0.0, 0.2))))
    (('',), ('-alpha-0', '-alpha-0.2'))
    """
    return tuple(f"-alpha-{alpha:g}" for alpha in config.mixing.alphas) if config.side_by_side else ("",)


def drawings(workdir: Path, data: Dataset | StreamedDataset, config: Config) -> dict[str, Callable[[], Any]]:
    """Return the functions that draw the run's pictures, by file; without those of predictions that do not fit."""
    from mixup_jax.report.plots import mistakes
    from mixup_jax.report.plots.figures import learning_curves, reliability_diagram
    from mixup_jax.report.plots.illustrations import mixed_samples
    from mixup_jax.report.runs import load_runs

    runs, _ = load_runs([workdir])
    image, label = data.one_of_each(4)
    pairs = len(label) // 2 * 2
    draw: dict[str, Callable[[], Any]] = {
        "learning_curves.png": lambda: learning_curves(runs),
        "reliability.png": lambda: reliability_diagram(runs),
        "mixed_samples.png": lambda: mixed_samples(as_pictures(image[:pairs]), label[:pairs].tolist(), data.classes),
    }
    for run, suffix in zip(runs, suffixes(config), strict=True):
        if (said := run.predictions) is not None:
            worst = mistakes.worst_of(said)
            images = pictures_of_test(data, [each.index for each in worst])
            draw |= {
                f"errors_by_class{suffix}.png": lambda said=said: mistakes.class_errors(said, data.classes),
                f"confusion{suffix}.png": lambda said=said: mistakes.confusion_matrix(said, data.classes),
                f"worst_images{suffix}.png": lambda said=said, worst=worst, images=images: mistakes.worst_images(
                    images, worst, len(said.loss), data.classes
                ),
            }
    return draw


def pictures_of_test(data: Dataset | StreamedDataset, index: list[int]) -> np.ndarray:
    """Return examples of the test set as uint8 pictures."""
    if isinstance(data, Dataset):
        return as_pictures(data.test_image[index])
    return np.stack([data.test_example(each)["image"] for each in index])
