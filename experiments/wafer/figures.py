"""The figures of a table: the confusion of patterns, and maps with their true and predicted patterns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from experiments.wafer.decisions import DEFAULT_RULE, apply_rule
from experiments.wafer.patterns import DEFECTS, SHORT, pattern_name
from experiments.wafer.run import read_probabilities, read_run, tested_maps
from experiments.wafer.sheet import show_map
from experiments.wafer.sources import WaferSplit
from mixup_jax.report.plots.drawing import INK, PALETTE, save_png, styled

OTHER = "none of these"
SHOWN = 12
"""Maps that are shown; half of them are wrongly predicted, if there are as many."""
OVERLAYS = "Maps with several defects: overlays of held-out maps, not real mixed maps."
BELOW = 0.2
"""Inches below a picture for this footnote."""


def draw_figures(folder: Path, workdir: Path, name: str, maps: WaferSplit) -> tuple[tuple[str, str], ...]:
    """Draw the figures of the first seed of a run, by the default rule; return paths and captions."""
    config, content = read_run(workdir)
    tested = tested_maps(maps, config.data.normal)
    probability = read_probabilities(workdir, tested, config.seeds)[0]
    chosen = apply_rule(DEFAULT_RULE, probability, content["rules"][0])
    short = SHORT if tested.defects == DEFECTS else tested.defects
    truth, found = ([pattern_name(each, short) for each in sets] for sets in (tested.label, chosen))
    rows, columns, share = confusion(truth, found)
    laid = maps.mixed is None
    save_png(with_footnote(pattern_confusion(share, rows, columns), laid), folder / "figures" / "confusion.png")
    picked = pick(truth, found)
    picture = judged_maps(tested.maps[picked], [truth[i] for i in picked], [found[i] for i in picked])
    save_png(with_footnote(picture, laid), folder / "figures" / "judged.png")
    also = f" {OVERLAYS}" if laid else ""
    return (
        (
            "figures/confusion.png",
            f"Row {name}, first seed: share of each pattern's maps by the pattern that predict chooses.{also}",
        ),
        ("figures/judged.png", f"Row {name}, first seed: maps, true pattern above, chosen one below.{also}"),
    )


def with_footnote(figure: Figure, laid: bool) -> Figure:
    """Add a footnote to the picture if overlays stand in for maps with several defects (`laid`)."""
    if laid:
        width, height = figure.get_size_inches()
        grown = height + BELOW
        for axes in figure.axes:
            left, bottom, wide, high = axes.get_position().bounds
            axes.set_position((left, (bottom * height + BELOW) / grown, wide, high * height / grown))
        figure.set_size_inches(width, grown)
        figure.text(0.01, 0.05 / grown, OVERLAYS, fontsize=6)
        figure.set_label(f"{figure.get_label()} {OVERLAYS}")
    return figure


def confusion(truth: list[str], found: list[str]) -> tuple[list[str], list[str], np.ndarray]:
    """Return the true patterns, these and "none of these", and the shares of the maps, (true, chosen).

    >>> confusion(["C", "C", "D"], ["C", "C+D", "D"])
    (['C', 'D'], ['C', 'D', 'none of these'], array([[0.5, 0. , 0.5],
           [0. , 1. , 0. ]]))
    """
    rows = list(dict.fromkeys(truth))
    columns = [*rows, OTHER]
    counts = np.zeros((len(rows), len(columns)))
    for true, chosen in zip(truth, found, strict=True):
        counts[rows.index(true), columns.index(chosen) if chosen in rows else -1] += 1
    return rows, columns, counts / counts.sum(axis=1, keepdims=True)


def pick(truth: list[str], found: list[str]) -> list[int]:
    """Return the indices of maps to show: right and wrong ones, spread over the patterns."""
    right = [i for i, (true, chosen) in enumerate(zip(truth, found, strict=True)) if true == chosen]
    wrong = [i for i, (true, chosen) in enumerate(zip(truth, found, strict=True)) if true != chosen]
    half = min(SHOWN // 2, max(len(wrong), SHOWN - len(right)))

    def spread(index: list[int], count: int) -> list[int]:
        return [index[i] for i in np.unique(np.linspace(0, len(index) - 1, count).astype(int))] if index else []

    return [*spread(right, SHOWN - half), *spread(wrong, half)]


@styled
def pattern_confusion(share: Float[np.ndarray, "true chosen"], true: Sequence[str], chosen: Sequence[str]) -> Figure:
    """Draw the share of the maps of a true pattern (row) for which a pattern (column) is chosen."""
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
    """Draw maps under their true and chosen patterns; a wrong choice is in colour."""
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
