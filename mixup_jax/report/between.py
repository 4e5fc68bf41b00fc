"""Draw what networks do in between two training examples (figure 2)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from mixup_jax.report.drawing import DASHES, PALETTE, styled
from mixup_jax.report.statistics import decimal


@styled
def curve_over_lambda(
    lam: Float[np.ndarray, "points"], curves: Mapping[str, Float[np.ndarray, "seeds points"]], label: str
) -> Figure:
    """Draw one curve a method against lambda: the mean over seeds, in a band from minimum to maximum."""
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
