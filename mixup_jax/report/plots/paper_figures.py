"""Draw figures of the paper: decision surfaces (figure 1b), curves over lambda (figure 2), differences of errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.figure import Figure

from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import DASHES, INK, PALETTE, styled
from mixup_jax.report.statistics import summarise

CLASSES = (PALETTE[2], PALETTE[4])
"""Green and orange, as in the paper."""


@dataclass(frozen=True)
class Surface:
    """A classifier in the plane: p(y=1|x) at ``y, x``, and its training examples."""

    title: str
    probability: Float[np.ndarray, "rows columns"]
    x: Float[np.ndarray, "examples 2"]
    label: Int[np.ndarray, "examples"]
    extent: tuple[float, float, float, float]
    """Left, right, bottom, top of the picture."""


@styled
def decision_surfaces(rows: Sequence[Sequence[Surface]]) -> Figure:
    """Draw a grid of surfaces with rows of equal length: blue is p(y=1|x), points are training examples by class."""
    columns = len(rows[0])
    figure = Figure(figsize=(3.4 * columns + 0.7, 3.1 * len(rows)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    shades = colormaps["Blues"].resampled(20)  # steps of 0.05: finer ones are invisible and triple the file
    shown, shares = None, []
    for row, axes_row in zip(rows, grid, strict=True):
        for surface, axes in zip(row, axes_row, strict=True):
            look: dict[str, Any] = {"cmap": shades, "vmin": 0, "vmax": 1, "aspect": "equal", "interpolation": "nearest"}
            shown = axes.imshow(surface.probability, origin="lower", extent=surface.extent, **look)
            for kind, colour in enumerate(CLASSES):
                points = surface.x[surface.label == kind]
                axes.scatter(*points.T, s=9, color=colour, edgecolor=INK, linewidth=0.3, label=f"class {kind}")
            axes.set(title=surface.title, xticks=[], yticks=[])
            axes.grid(visible=False)
            between = np.mean(np.abs(surface.probability - 0.5) < 0.4)
            shares.append(f"{surface.title}: {decimal(100 * float(between), 0)} % of the picture")
    assert shown is not None
    figure.colorbar(shown, ax=grid, label="p(y = 1 | x)", aspect=40, pad=0.02)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=9.5)
    figure.set_label(f"p(y=1|x), white 0 and blue 1. Between 0.1 and 0.9 on {'; '.join(shares)}.")
    return figure


@styled
def curve_over_lambda(
    lam: Float[np.ndarray, "points"], curves: Mapping[str, Float[np.ndarray, "seeds points"]], label: str
) -> Figure:
    """Draw one curve per method against lambda: the mean over seeds, in a band from minimum to maximum."""
    figure = Figure(figsize=(5.4, 3.6))
    axes = figure.subplots()
    for index, (name, values) in enumerate(curves.items()):
        colour = PALETTE[index % len(PALETTE)]
        shown = f" {name}" + (f" (n = {len(values)})" if len(values) > 1 else "")
        axes.plot(lam, values.mean(axis=0), color=colour, linestyle=DASHES[index % len(DASHES)], label=shown)
        axes.fill_between(lam, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="λ", ylabel=label, xlim=(0, 1), ylim=(0, 1.06 * max(axes.dataLim.y1, 1e-3)))
    axes.legend(loc="best")
    means = "; ".join(f"{name}: {decimal(float(values.mean()))}" for name, values in curves.items())
    figure.set_label(f"{label.capitalize()} at lambda x_i + (1 - lambda) x_j. Mean over lambda: {means}.")
    return figure


MARKERS = ("o", "s", "D", "^", "v", "P")


@styled
def differences(values: Mapping[str, Mapping[str, Sequence[float]]], label: str, overlap: float = 0.0) -> Figure:
    """Draw mean and 95 % interval of differences, one per seed, by data set and method; below 0 mixup is better.

    `label` names the axis, with its unit. One seed is a point without an interval; `overlap` is that of
    `statistics.summarise`.
    """
    figure = Figure(figsize=(7.2, 0.7 + 0.75 * len(values)))
    axes = figure.subplots()
    means = []
    for row, (dataset, methods) in enumerate(values.items()):
        for i, (method, numbers) in enumerate(methods.items()):
            summary = summarise(numbers, overlap)
            height = row + 0.7 * ((i + 0.5) / len(methods) - 0.5)
            axes.errorbar(
                summary.mean,
                height,
                xerr=summary.half_width,
                color=PALETTE[i % len(PALETTE)],
                marker=MARKERS[i % len(MARKERS)],
                markersize=5,
                linestyle="none",
                label=f" {method}" if row == 0 else None,
            )
            means.append(f"{dataset}, {method}: {decimal(summary.mean)}")
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlabel=label, yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower left", ncols=4, fontsize=9.5)
    figure.set_label(f"{label}, mean and 95 % interval. {'; '.join(means)}.")
    return figure
