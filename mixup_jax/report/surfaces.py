"""Draw what classifiers of two classes say of every point of the plane (figure 1b)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.figure import Figure

from mixup_jax.report.drawing import INK, PALETTE, styled
from mixup_jax.report.statistics import decimal

CLASSES = (PALETTE[2], PALETTE[4])
"""Green and orange, as in the paper."""


@dataclass(frozen=True)
class Surface:
    """A classifier in the plane: p(y=1|x) at ``y, x``, and the examples that it learned from."""

    title: str
    probability: Float[np.ndarray, "rows columns"]
    x: Float[np.ndarray, "examples 2"]
    label: Int[np.ndarray, "examples"]
    extent: tuple[float, float, float, float]
    """Left, right, bottom, top of the picture."""


@styled
def decision_surfaces(rows: Sequence[Sequence[Surface]]) -> Figure:
    """Draw surfaces in a grid, as many in each row: blue is p(y=1|x), points are the training examples by class."""
    columns = len(rows[0])
    figure = Figure(figsize=(3.4 * columns + 0.7, 3.1 * len(rows)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    shades = colormaps["Blues"].resampled(20)  # steps of 0.05: no finer ones are seen, and the file is a third as large
    shown, said = None, []
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
            said.append(f"{surface.title}: {decimal(100 * float(between), 0)} % of the picture")
    assert shown is not None
    figure.colorbar(shown, ax=grid, label="p(y = 1 | x)", aspect=40, pad=0.02)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=9.5)
    figure.set_label(f"p(y=1|x), white 0 and blue 1. Between 0.1 and 0.9 on {'; '.join(said)}.")
    return figure
