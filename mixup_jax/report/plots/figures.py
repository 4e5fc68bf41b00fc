"""Draw learning curves and reliability diagrams of runs. The label of a figure is its description."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mixup_jax.report.conditions import Condition, group
from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import DASHES, INK, MUTED, PALETTE, styled
from mixup_jax.report.runs import Run
from mixup_jax.report.statistics import summarise

# The gap in a reliability diagram: name, line, fill.
GAPS = (("gap: overconfident", PALETTE[1], "#f7d3bd"), ("gap: underconfident", PALETTE[2], "#bfe6da"))
VALIDATION: dict[str, Any] = {"linestyle": ":", "linewidth": 1.3}
DIAGONAL: dict[str, Any] = {"color": INK, "linestyle": (0, (4, 3)), "linewidth": 1}


@styled
def learning_curves(runs: Sequence[Run]) -> Figure:
    """Draw test error and training loss against the epoch: the mean over seeds, in a band from minimum to maximum.

    The mean validation error of runs that have a validation set is a dotted line of the same colour. Runs that differ
    in their seeds only are one line. Unfinished runs are drawn up to their last evaluation.
    """
    conditions = _some(group(runs))
    figure = Figure(figsize=(9, 3.9))
    left, right = figure.subplots(1, 2)
    for index, condition in enumerate(conditions):
        _curve(left, condition, "test_error", index)
        _curve(right, condition, "train_loss", index)
    validated = [_validation(left, condition, index) for index, condition in enumerate(conditions)]
    left.set(title="Test error", xlabel="epoch", ylabel="test error (%)")
    right.set(title="Training loss", xlabel="epoch", ylabel="training loss")
    for axes in (left, right):
        axes.set(xlim=(0, None), ylim=(0, 1.06 * max(axes.dataLim.y1, 1e-3)))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    handles, labels = left.get_legend_handles_labels()
    if any(validated):
        handles, labels = [*handles, Line2D([], [], **VALIDATION, color=INK)], [*labels, "validation error"]
    figure.legend(handles, labels, loc="outside lower left", ncols=3, fontsize=9.5)
    ends = [f"{item.label}: {_end(item)}" for item in conditions]
    figure.set_label(f"Test error and training loss by epoch. Last test error, mean over seeds: {'; '.join(ends)}.")
    return figure


def _curve(axes: Axes, condition: Condition, name: str, index: int) -> None:
    epochs, values = condition.curve(name)
    turn = index // len(PALETTE)  # from the seventh method on, colours repeat with other dashes
    colour, dashes = PALETTE[index % len(PALETTE)], DASHES[(index + turn) % len(DASHES)]
    # A single evaluation needs a marker. The space keeps labels that start with "_" in the legend.
    marker = "o" if len(epochs) == 1 else None
    label = f" {condition.label}" + (f" (n = {values.shape[1]})" if values.shape[1] > 1 else "")
    axes.plot(epochs, values.mean(axis=1), color=colour, linestyle=dashes, marker=marker, linewidth=1.8, label=label)
    if values.shape[1] > 1:
        axes.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)


def _validation(axes: Axes, condition: Condition, index: int) -> bool:
    """Draw the mean validation error of a condition; return whether there is any."""
    epochs, values = condition.curve("valid_error")
    marker = "." if len(epochs) == 1 else None
    axes.plot(epochs, values.mean(axis=1), color=PALETTE[index % len(PALETTE)], marker=marker, **VALIDATION)
    return len(epochs) > 0


def _end(condition: Condition) -> str:
    epochs, values = condition.curve("test_error")
    return f"{decimal(float(values[-1].mean()))} % at epoch {epochs[-1]:g}" if len(epochs) else "none yet"


def calibration_errors(run: Run) -> list[float]:
    """Compute the expected calibration error in per cent of each seed from its bins: sum_b n_b/n |acc_b - conf_b|."""
    bins = run.reliability
    if bins is None:
        return []
    gaps = np.abs(bins["accuracy"] - bins["confidence"])
    shares = bins["count"] / np.maximum(bins["count"].sum(axis=1, keepdims=True), 1)
    return [float(error) for error in 100 * (shares * gaps).sum(axis=1)]


@styled
def reliability_diagram(runs: Sequence[Run]) -> Figure:
    """Draw accuracy against confidence in bins, the gap between them, and below the number of test examples per bin.

    Seeds are pooled, weighted by count; the calibration error in the title is the mean over seeds.
    """
    conditions = _some([item for item in group(runs) if all(calibration_errors(run) for run in item.runs)])
    columns = 2 if len(conditions) == 4 else min(len(conditions), 3)
    rows = -(-len(conditions) // columns)
    figure = Figure(figsize=(9 if columns == 3 else 4 * columns + 0.5, 4.4 * rows))
    ratios = [3, 1] * rows
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=ratios)
    errors = []
    for index, condition in enumerate(conditions):
        upper, lower = grid[2 * (index // columns) : 2 * (index // columns) + 2, index % columns]
        error = summarise([value for run in condition.runs for value in calibration_errors(run)])
        _reliability(upper, lower, condition)
        upper.set_title(f"{condition.label}\nECE {error} %")
        errors.append(f"{condition.label}: {decimal(error.mean)} %")
    for empty in range(len(conditions), rows * columns):
        for axes in grid[2 * (empty // columns) : 2 * (empty // columns) + 2, empty % columns]:
            axes.set_visible(False)
    handles = [Patch(facecolor=light, edgecolor=colour, hatch="////", label=name) for name, colour, light in GAPS]
    line = Line2D([], [], label="accuracy = confidence", **DIAGONAL)
    figure.legend(handles=[line, *handles], loc="outside lower left", ncols=3, fontsize=9.5)
    figure.set_label(f"Accuracy against confidence. Expected calibration error: {'; '.join(errors)}.")
    return figure


def _reliability(upper: Axes, lower: Axes, condition: Condition) -> None:
    count, *shares = condition.bins()
    filled = count > 0
    accuracy, confidence = (share[filled] for share in shares)
    width = 1 / len(count)
    centre = (np.arange(len(count)) + 0.5) * width
    look: dict[str, Any] = {"width": width, "linewidth": 0.6}
    upper.bar(centre[filled], np.minimum(accuracy, confidence), color=PALETTE[0], edgecolor="white", **look)
    for which, (_, colour, light) in zip((confidence > accuracy, confidence <= accuracy), GAPS, strict=True):
        low, high = np.minimum(accuracy, confidence)[which], np.maximum(accuracy, confidence)[which]
        shade: dict[str, Any] = {"facecolor": light, "edgecolor": colour, "hatch": "////"}
        upper.bar(centre[filled][which], high - low, bottom=low, **shade, **look)
    upper.plot([0, 1], [0, 1], **DIAGONAL)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy", xticks=np.linspace(0, 1, 6))
    upper.tick_params(labelbottom=False)
    lower.bar(centre, count, color=MUTED, edgecolor="white", **look)
    lower.set(xlim=(0, 1), xticks=np.linspace(0, 1, 6), xlabel="confidence", ylabel="examples")


def _some(conditions: list[Condition]) -> list[Condition]:
    if not conditions:
        raise ValueError("runs holds nothing to draw; pass at least one run (for reliability, one with bins)")
    return conditions
