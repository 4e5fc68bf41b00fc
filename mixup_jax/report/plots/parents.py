"""Draw what both parents contribute: to the labels of each function of labels, to the leaves of a batch by rule."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mixup_jax.report.plots.drawing import INK, MUTED, PALETTE, RULE, styled

Label = Float[np.ndarray, "classes"]


@styled
def label_bars(
    rows: Mapping[str, tuple[Label, Label, Mapping[str, Label]]],
    class_names: Sequence[str],
) -> Figure:
    """Draw for each row (a lambda) the weighted labels of both parents, and the label that each function returns.

    A row holds the weighted label of the example, that of its partner, and the results by the names of the functions.
    """
    names = list(next(iter(rows.values()))[2])
    figure = Figure(figsize=(1.5 * (1 + len(names)) + 0.4, 1.15 * len(rows) + 0.4))
    grid = figure.subplots(len(rows), 1 + len(names), squeeze=False, sharex=True, sharey=True)
    place = np.arange(len(class_names))
    for line, (title, (own, theirs, results)) in zip(grid, rows.items(), strict=True):
        line[0].bar(place - 0.2, own, 0.4, color=PALETTE[0])
        line[0].bar(place + 0.2, theirs, 0.4, color=PALETTE[1])
        line[0].set_ylabel(title, fontsize=9)
        for axes, label in zip(line[1:], results.values(), strict=True):
            axes.bar(place, label, 0.6, color=PALETTE[2])
    for axes, name in zip(grid[0], ["λ y_i  and  (1−λ) y_j", *names], strict=True):
        axes.set_title(name, fontsize=8.5, fontweight="normal")
    for axes in grid.flat:
        axes.set(ylim=(0, 1.08), yticks=[0, 1])
        axes.set_xticks(place, class_names, fontsize=7.5)
        axes.tick_params(axis="x", length=0)
        axes.grid(False, axis="x")
    figure.set_label(f"Labels of two parents and {', '.join(names)} of them, for {', '.join(rows)}.")
    return figure


@styled
def leaves(
    shares: Mapping[str, Float[np.ndarray, "batch batch"]],
    cells: Mapping[str, Int[np.ndarray, "batch positions"]],
    valid: Sequence[bool],
) -> Figure:
    """Draw the leaves of a batch, a row for each example, in the colours of the examples; padding is grey.

    `shares` are blended leaves: the share of example j (column) in example i (row). `cells` are leaves whose positions
    come from one example: k for example k - 1, 0 for an empty position, -1 for a position of no single example.
    """
    size = len(valid)
    colours = [PALETTE[index % len(PALETTE)] if real else "#b4b9bf" for index, real in enumerate(valid)]
    widths = [1.6] * len(shares) + [0.27 * each.shape[1] + 0.35 for each in cells.values()]
    figure = Figure(figsize=(sum(widths) + 0.7, 0.24 * size + 0.8))
    panels = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    for axes, (title, share) in zip(panels, shares.items(), strict=False):
        for row, each in enumerate(share):
            order = [row, *(column for column in range(size) if column != row)]  # its own share first
            starts = np.cumsum(each[order]) - each[order]
            axes.barh(row, each[order], 0.8, left=starts, color=[colours[column] for column in order])
        _finish(axes, title, size, 1.0)
    for axes, (title, origin) in zip(panels[len(shares) :], cells.items(), strict=True):
        for (row, position), value in np.ndenumerate(origin):
            colour = "none" if value == 0 else INK if value < 0 else colours[value - 1]
            box = Rectangle((position + 0.08, row - 0.4), 0.84, 0.8, facecolor=colour, edgecolor=RULE, linewidth=0.8)
            axes.add_patch(box)
        _finish(axes, title, size, origin.shape[1])
    panels[0].set_yticks(range(size), [f"{i}" if real else f"{i}, padding" for i, real in enumerate(valid)], fontsize=8)
    figure.set_label(f"A batch of {size} whose leaves follow rules: {', '.join([*shares, *cells])}.")
    return figure


def _finish(axes: Axes, title: str, size: int, width: float) -> None:
    axes.set_title(title, fontsize=8.5, fontweight="normal", color=INK)
    axes.set(xlim=(0, width), ylim=(size - 0.5, -0.5), xticks=[], yticks=[])
    axes.tick_params(length=0, colors=MUTED)
    axes.grid(False)
    axes.spines[:].set_visible(False)
