"""Draw paired differences between mixup and ERM, a point and its interval for each data set and alpha (table 4)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from mixup_jax.report.drawing import INK, PALETTE, styled
from mixup_jax.report.statistics import decimal, summarise

MARKERS = ("o", "s", "D", "^", "v", "P")


@styled
def differences(values: Mapping[str, Mapping[str, Sequence[float]]], label: str) -> Figure:
    """Draw, for each data set and method, mean and 95 % interval of one difference a seed; left of 0 mixup is better.

    `label` names the axis, with its unit. One seed is a point without an interval.
    """
    figure = Figure(figsize=(7.2, 0.7 + 0.75 * len(values)))
    axes = figure.subplots()
    said = []
    for row, (dataset, methods) in enumerate(values.items()):
        for i, (method, numbers) in enumerate(methods.items()):
            summary = summarise(numbers)
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
            said.append(f"{dataset}, {method}: {decimal(summary.mean)}")
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlabel=label, yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower left", ncols=4, fontsize=9.5)
    figure.set_label(f"{label}, mean and 95 % interval. {'; '.join(said)}.")
    return figure
