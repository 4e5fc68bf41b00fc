"""Draw the mixing family: mixed images with their labels, grids of images, histograms of lambda."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixup_jax.report.plots.drawing import MUTED, PALETTE, styled
from mixup_jax.report.plots.illustrations import density


@styled
def method_rows(
    rows: Mapping[str, tuple[Float[np.ndarray, "draws height width channels"], Float[np.ndarray, "draws classes"]]],
    class_names: Sequence[str],
) -> Figure:
    """Draw one row of images for each method, with the soft label of each below; images are in [0, 1].

    Raises ValueError for no rows, or rows of different length.
    """
    columns = _columns([images for images, _ in rows.values()])
    texts = {name: [shares(label, class_names) for label in labels] for name, (_, labels) in rows.items()}
    lines = [1 + max(text.count("\n") for text in row) for row in texts.values()]
    heights = [1.5 + 0.17 * max(lines)] * len(lines)
    figure = Figure(figsize=(1.15 * columns + 0.1, sum(heights)))
    for grid, (name, (images, _)) in zip(_bands(figure, list(rows), columns, heights), rows.items(), strict=True):
        for axes, image, text in zip(grid, images, texts[name], strict=True):
            _show(axes, image)
            axes.set_xlabel(text, fontsize=7.5, linespacing=1.3)
    figure.set_label(f"The same images mixed by {', '.join(rows)}; below each the shares of its label.")
    return figure


def shares(label: Float[np.ndarray, "classes"], class_names: Sequence[str]) -> str:
    """Write a soft label, one class a line, those without a share left out.

    >>> shares(np.array([0.25, 0.75, 0.0]), ("cat", "dog", "cow")).splitlines()
    ['0.25 cat', '0.75 dog']
    """
    return "\n".join(f"{share:.2f} {name}" for share, name in zip(label, class_names, strict=True) if share > 5e-3)


@styled
def image_grid(
    rows: Mapping[str, Sequence[Float[np.ndarray, "_height _width _channels"]]],
    *,
    headings: Sequence[str] = (),
    captions: Mapping[str, Sequence[str]] | None = None,
    framed: Mapping[str, Sequence[bool]] | None = None,
) -> Figure:
    """Draw a row of images, in [0, 1] and of any size, under each title.

    `headings` stand over the columns; `captions` of a row stand below its images, and its images that are `framed` get
    a coloured frame. Raises ValueError for no rows, or rows of different length.
    """
    columns = _columns(list(rows.values()))
    under = captions or {}
    heights = [1.25 + 0.17 * (name in under) + 0.2 * (index == 0 and bool(headings)) for index, name in enumerate(rows)]
    figure = Figure(figsize=(0.95 * columns + 0.1, sum(heights)))
    for index, (grid, name) in enumerate(zip(_bands(figure, list(rows), columns, heights), rows, strict=True)):
        for column, (axes, image) in enumerate(zip(grid, rows[name], strict=True)):
            _show(axes, image)
            if index == 0 and headings:
                axes.set_title(headings[column], fontsize=8, fontweight="normal", loc="center", pad=3)
            if name in under:
                axes.set_xlabel(under[name][column], fontsize=7.5)
            if framed and name in framed and framed[name][column]:
                axes.spines[:].set(visible=True, color=PALETTE[1], linewidth=2)
    figure.set_label(f"Rows of images: {'; '.join(rows)}.")
    return figure


def _columns(rows: Sequence[Sequence[Any] | np.ndarray]) -> int:
    counts = {len(images) for images in rows}
    if len(counts) != 1:
        raise ValueError(f"rows hold {sorted(counts)} images; all must have the same number")
    return counts.pop()


def _bands(figure: Figure, titles: Sequence[str], columns: int, heights: Sequence[float]) -> list[list[Axes]]:
    """Divide a figure into rows of axes, each with a title above its left corner."""
    each = figure.subfigures(len(titles), 1, hspace=0.05, height_ratios=heights)
    bands = np.atleast_1d(np.asarray(each, dtype=object))
    for band, title in zip(bands, titles, strict=True):
        band.suptitle(title, fontsize=10, fontweight="bold", x=0.01, horizontalalignment="left")
    return [list(band.subplots(1, columns, squeeze=False)[0]) for band in bands]


def _show(axes: Axes, image: Float[np.ndarray, "height width channels"]) -> None:
    shown = np.clip(image, 0, 1)
    axes.imshow(shown[:, :, 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.spines[:].set_visible(False)


@styled
def lambda_histograms(draws: Mapping[float, Float[np.ndarray, "draws"]]) -> Figure:
    """Draw for each alpha the histogram of the lambdas drawn, and the density of Beta(alpha, alpha)."""
    figure = Figure(figsize=(2.1 * len(draws), 2.4))
    grid = figure.subplots(1, len(draws), squeeze=False, sharey=True)[0]
    lam = np.linspace(0, 1, 401)[1:-1]
    for axes, (alpha, drawn) in zip(grid, draws.items(), strict=True):
        axes.hist(drawn, bins=40, range=(0, 1), density=True, color=PALETTE[5], edgecolor="white", linewidth=0.3)
        axes.plot(lam, density(lam, alpha), color=PALETTE[1], linewidth=1.5)
        axes.set(title=f"α = {alpha:g}", xlabel="λ", xlim=(0, 1), ylim=(0, 6), xticks=[0, 0.5, 1])
        beyond = float(np.mean((drawn < 1 / 40) | (drawn > 39 / 40)))
        if beyond > 0.2:
            text = f"{100 * beyond:.0f} % in\nthe outer bins"
            axes.text(0.5, 5.6, text, ha="center", va="top", fontsize=8, color=MUTED)
    grid[0].set_ylabel("density")
    names = ", ".join(f"{alpha:g}" for alpha in draws)
    figure.set_label(f"Histograms of drawn lambdas and densities of Beta(alpha, alpha) for alpha {names}.")
    return figure
