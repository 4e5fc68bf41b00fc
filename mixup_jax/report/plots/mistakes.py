"""Draw where networks err: in which classes, for which others, and on which images most. A label is a description."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mixup_jax.evaluation.predictions import (
    MOST_CLASSES,
    Predictions,
    Worst,
    confusion,
    errors_by_class,
    worst_examples,
)
from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import INK, PALETTE, drawable, styled

WORST_IMAGES, COLUMNS = 18, 6
CELL = "#101418"
"""Letters on a coloured cell: not `INK`, which turns light on a dark page."""
RIGHT, WRONG = (LinearSegmentedColormap.from_list("", ["#ffffff", colour]) for colour in ("#5aa9dc", "#ee8a4a"))


@styled
def class_errors(predictions: Predictions, classes: Sequence[str]) -> Figure:
    """Draw the error of each class, the largest first, and its 95 % interval; of many classes those with the largest.

    The dashed line is the error over all classes.
    """
    rows = errors_by_class(predictions)
    shown = rows[:MOST_CLASSES]
    error, low, high = (np.array([getattr(row, name) for row in shown]) for name in ("error", "low", "high"))
    place, mean = np.arange(len(shown)), float(predictions.errors().mean())
    figure = Figure(figsize=(7, 1.2 + 0.27 * len(shown)))
    axes = figure.subplots()
    axes.barh(place, error, color=PALETTE[1], height=0.68)
    axes.errorbar(error, place, xerr=(error - low, high - error), fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
    axes.axvline(mean, color=PALETTE[0], linestyle=(0, (4, 3)), linewidth=1.4, label=f"all: {decimal(mean)} %")
    axes.set_yticks(place, [f"{drawable(classes[row.label], row.label)}  ({row.count:,})" for row in shown])
    axes.set(xlabel="test error (%)", xlim=(0, min(100, 1.04 * max(high.max(), 1e-3))), ylim=(len(shown) - 0.4, -0.6))
    few = len(rows) > len(shown)
    axes.set_title(f"The {len(shown)} of {len(rows):,} classes with most errors" if few else "Error by class")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", frameon=True, framealpha=0.85, facecolor="none", edgecolor="none")
    ends = ", ".join(f"{classes[row.label]} {decimal(row.error)} %" for row in shown)
    figure.set_label(f"Test error by class, in brackets how many images, lines 95 % intervals: {ends}.")
    return figure


@styled
def confusion_matrix(predictions: Predictions, classes: Sequence[str]) -> Figure:
    """Draw which share of each class (row), in per cent, is predicted as which (column), mean over networks.

    Raises ValueError for more than `MOST_CLASSES` classes.
    """
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"classes must be at most {MOST_CLASSES} for a matrix, got {len(classes)}.")
    counts = confusion(predictions, len(classes))
    share, own, largest = shares_of(counts)
    side = 2.4 + max(0.34 * len(classes), 2.0)
    figure = Figure(figsize=(side + 0.6, side))
    axes = figure.subplots()
    look = {"edgecolors": "white", "linewidth": 0.8, "vmin": 0}
    axes.pcolormesh(np.ma.masked_array(share, ~own), cmap=RIGHT, vmax=100, **look)
    axes.pcolormesh(np.ma.masked_array(share, own), cmap=WRONG, vmax=largest, **look)
    for row, column in zip(*np.nonzero(counts), strict=True):
        words = {"ha": "center", "va": "center", "fontsize": 7.5, "color": CELL}
        axes.text(column + 0.5, row + 0.5, percent(float(share[row, column])), **words)
    names = [drawable(name, number, 16) for number, name in enumerate(classes)]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90 if len(names) > 4 else 0)
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.set(xlabel="predicted", ylabel="true class", ylim=(len(names), 0), aspect="equal")
    axes.set_title("Of each class, % predicted as")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    right = ", ".join(f"{name} {percent(share[i, i])} %" for i, name in enumerate(classes))
    figure.set_label(f"Confusion matrix, rows are true classes. Right: {right}.")
    return figure


def shares_of(counts: Int64[np.ndarray, "classes classes"]) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the per cent of each row of a confusion matrix, a mask of its diagonal, and the largest share off it."""
    share, own = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), np.eye(len(counts), dtype=bool)
    return share, own, max(float(share[~own].max(initial=0)), 1e-3)


def percent(share: float) -> str:
    """Format a share so that it fits into a cell.

    >>> percent(99.98), percent(7.25), percent(0.04)
    ('100', '7.2', '<0.1')
    """
    return f"{share:.0f}" if share >= 9.95 else f"{share:.1f}" if share >= 0.05 else "<0.1"


def worst_of(predictions: Predictions) -> list[Worst]:
    """Return the examples that `worst_images` draws."""
    return worst_examples(predictions, WORST_IMAGES)


@styled
def worst_images(
    images: UInt8[np.ndarray, "examples height width channels"],
    worst: Sequence[Worst],
    networks: int,
    classes: Sequence[str],
) -> Figure:
    """Draw the test images with the largest loss, mean over `networks`: true class, prediction and its probability.

    Images are uint8 with one channel or three, in the order of `worst`. Of several networks it is what most of them
    predict, and how many do.
    """
    rows = -(-len(worst) // COLUMNS)
    figure = Figure(figsize=(1.5 * COLUMNS, 2.05 * rows))
    figure.set_layout_engine("none")  # the places are known
    words = []
    for number, (image, each) in enumerate(zip(images, worst, strict=True)):
        row, column = divmod(number, COLUMNS)
        place = ((column + 0.06) / COLUMNS, 1 - (row + 0.66) / rows, 0.88 / COLUMNS, 0.64 / rows)
        axes = figure.add_axes(place, xticks=[], yticks=[])  # pyright: ignore[reportArgumentType]
        smooth = "auto" if min(image.shape[:2]) > 64 else "nearest"
        picture = image[:, :, 0] if image.shape[-1] == 1 else image
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smooth)
        axes.spines[:].set_visible(False)
        agree = f" · {each.networks} of {networks}" if networks > 1 else ""
        true, predicted = (drawable(classes[label], label, 18) for label in (each.label, each.predicted))
        said = f"{true}\n\N{RIGHTWARDS ARROW} {predicted}\n{each.confidence:.2f}{agree}"
        axes.set_xlabel(said, fontsize=7.5, linespacing=1.3, color=INK)
        words.append(f"{classes[each.label]} as {classes[each.predicted]} ({each.confidence:.2f}, image {each.index})")
    figure.set_label(f"The test images with the largest loss, true class above the prediction: {'; '.join(words)}.")
    return figure
