"""Draw what generators make of noise as their training goes on (figure 5)."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import PALETTE, styled


@styled
def snapshots(
    rows: Mapping[str, tuple[Float[np.ndarray, "real 2"], Float[np.ndarray, "times points 2"]]],
    times: Sequence[int],
    frame: float,
) -> Figure:
    """Draw a row for each generator, a column for each of the iterations `times`: real points blue, generated orange.

    Each panel shows -`frame` to `frame` in both directions; what is outside is not seen.
    """
    figure = Figure(figsize=(1.75 * len(times) + 0.9, 1.75 * len(rows) + 0.5))
    grid = figure.subplots(len(rows), len(times), squeeze=False)
    said = []
    for axes, time in zip(grid[0], times, strict=True):
        axes.set_title(f"iteration {time:,}", loc="center", fontsize=9.5, fontweight="normal")
    for (name, (real, generated)), axes_row in zip(rows.items(), grid, strict=True):
        for points, axes in zip(generated, axes_row, strict=True):
            axes.scatter(*real.T, s=2, color=PALETTE[0], linewidth=0, label="real")
            axes.scatter(*points.T, s=2, color=PALETTE[1], linewidth=0, label="generated")
            axes.set(xlim=(-frame, frame), ylim=(-frame, frame), xticks=[], yticks=[], aspect="equal")
            axes.grid(visible=False)
        axes_row[0].set_ylabel(name, fontsize=9)
        inside = np.mean(np.all(np.abs(generated[-1]) <= frame, axis=-1))
        said.append(f"{name.replace(chr(10), ', ')}: {decimal(100 * float(inside), 0)} % inside")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2, markerscale=4)
    ends = "; ".join(said)
    figure.set_label(f"Generated points after {', '.join(map(str, times))} iterations. At the end {ends}.")
    return figure
