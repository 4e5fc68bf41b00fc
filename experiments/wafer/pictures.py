"""Draw wafer maps: a sheet of patterns, which patterns are taken for which, and what a network says of maps."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from mixup_jax.report.plots.drawing import INK, PALETTE, styled

DIES = ListedColormap(["white", "#cfd8e3", PALETTE[1]])
"""No die, passes, fails."""
OTHER = "none of these"


@styled
def pattern_sheet(maps: UInt8[np.ndarray, "patterns examples height width"], names: Sequence[str]) -> Figure:
    """Draw examples of each pattern, the patterns in two columns of rows."""
    half, examples = -(-len(names) // 2), maps.shape[1]
    figure = Figure(figsize=(1.0 * (2 * examples + 1), 1.04 * half))
    grid = figure.subplots(half, 2 * examples + 1, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for index, name in enumerate(names):
        row, first = index % half, index // half * (examples + 1)
        for column in range(examples):
            show_map(grid[row, first + column], maps[index, column])
        grid[row, first].set_title(f"C{index + 1}  {name}", fontsize=8, pad=2)
    figure.set_label(f"{examples} maps of each of {len(names)} patterns, from {names[0]} to {names[-1]}.")
    return figure


def show_map(axes, one: UInt8[np.ndarray, "height width"]) -> None:
    """Draw a map: dies that pass in grey, those that fail in colour."""
    axes.imshow(one, cmap=DIES, vmin=0, vmax=2, interpolation="nearest")
    axes.set_axis_off()


@styled
def pattern_confusion(share: Float[np.ndarray, "true chosen"], true: Sequence[str], chosen: Sequence[str]) -> Figure:
    """Draw which patterns (rows) are taken for which (columns): the share of a row's maps, as shades."""
    figure = Figure(figsize=(0.24 * len(chosen) + 1.6, 0.22 * len(true) + 1.4))
    axes = figure.subplots()
    picture = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(chosen)), chosen, rotation=90, fontsize=7)
    axes.set_yticks(range(len(true)), true, fontsize=7)
    axes.set(xlabel="chosen", ylabel="true")
    axes.grid(visible=False)
    figure.colorbar(picture, ax=axes, shrink=0.6, label="% of the maps of a pattern")
    right = np.array([share[row, chosen.index(name)] for row, name in enumerate(true) if name in chosen])
    worst = sorted(zip(right, true, strict=False))[:3]
    words = ", ".join(f"{name} {100 * value:.0f} %" for value, name in worst)
    figure.set_label(f"Patterns that were chosen for {len(true)} true patterns. Least often right: {words}.")
    return figure


@styled
def judged_maps(
    maps: UInt8[np.ndarray, "n height width"], truth: Sequence[str], chosen: Sequence[str], columns: int = 6
) -> Figure:
    """Draw maps with their true pattern and, below it, the chosen one, in colour where it is wrong."""
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(1.5 * columns, 1.85 * rows))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, one, true, found in zip(grid.flat, maps, truth, chosen, strict=False):
        show_map(axes, one)
        right = true == found
        axes.set_title(true, fontsize=8, pad=12, loc="center")
        mark = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
        colour = INK if right else PALETTE[1]
        axes.text(0.5, 1.01, f"{mark} {found}", transform=axes.transAxes, ha="center", fontsize=7.5, color=colour)
    words = "; ".join(f"{true} taken for {found}" for true, found in zip(truth, chosen, strict=True) if true != found)
    figure.set_label(f"{len(maps)} maps, true pattern above, chosen one below. Wrong: {words or 'none'}.")
    return figure
