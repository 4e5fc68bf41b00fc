"""Draw policies: how often each example is the partner of each other, and curves with measured dots."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mixup_jax.report.plots.drawing import DASHES, MUTED, PALETTE, RULE, styled

COLUMNS = 4
SHADES = LinearSegmentedColormap.from_list("shades", ["white", PALETTE[0]])


@styled
def partner_shares(
    panels: Mapping[str, tuple[Int[np.ndarray, "draws batch"], Sequence[tuple[str, int]]]],
) -> Figure:
    """Draw for each policy how often example j (column) was the partner of example i (row); dots are the first draw.

    A panel holds the partners of many draws, and the groups into which the examples are sorted: (name, size). The share
    of its darkest cell is written below it.
    """
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(2.1 * COLUMNS + 0.6, 2.5 * rows))
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for index, (axes, (title, (partners, groups))) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        size = partners.shape[1]
        often = frequencies(partners)
        axes.imshow(often, cmap=SHADES, vmin=0, vmax=often.max())
        axes.plot(partners[0], np.arange(size), ".", color=PALETTE[1], markersize=5, markeredgewidth=0)
        ends = np.cumsum([count for _, count in groups])
        for end in ends[:-1]:
            axes.axhline(end - 0.5, color=MUTED, linewidth=0.5)
            axes.axvline(end - 0.5, color=MUTED, linewidth=0.5)
        centres = ends - 0.5 - np.array([count for _, count in groups]) / 2
        axes.set_yticks(centres, [name for name, _ in groups], fontsize=7.5, rotation=90, va="center")
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set(visible=True, color=RULE)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(f"partner j; darkest: {often.max():.2f}", fontsize=7.5)
        if index % COLUMNS and panels[list(panels)[index - 1]][1] == groups:
            axes.set_yticklabels([])
    figure.set_label(f"Who is mixed with whom, row with column, under {', '.join(panels)}; dots are one draw.")
    return figure


def frequencies(partners: Int[np.ndarray, "draws batch"]) -> Float[np.ndarray, "batch batch"]:
    """Return the share of the draws in which j is the partner of i.

    >>> frequencies(np.array([[0, 1], [1, 0], [1, 1], [1, 1]])).tolist()
    [[0.25, 0.75], [0.25, 0.75]]
    """
    size = partners.shape[1]
    return np.stack([np.bincount(column, minlength=size) for column in partners.T]) / len(partners)


@styled
def lines_and_dots(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    dots: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    x_label: str,
    y_label: str,
    dots_label: str,
) -> Figure:
    """Draw curves (x, y), each with the dots of the same name: the same quantity, computed in another way."""
    figure = Figure(figsize=(6.4, 2.5))
    axes = figure.subplots()
    for index, (name, (x, y)) in enumerate(curves.items()):
        color, dash = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
        axes.plot(x, y, color=color, linestyle=dash, linewidth=1.8, label=name)
        axes.plot(*dots[name], "o", color=color, markersize=4.5, alpha=0.6, markeredgewidth=0)
    axes.plot([], [], "o", color=MUTED, markersize=4.5, label=dots_label)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside right upper", fontsize=8.5)
    figure.set_label(f"{y_label} over {x_label}: {', '.join(curves)}; dots: {dots_label}.")
    return figure
