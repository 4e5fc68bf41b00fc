"""One photograph under every operation of RandAugment, at levels of timm's form and of big_vision's.

python -m experiments.gallery.operations            # runs/augmentation.png, the picture of docs/augmentation.md
"""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from matplotlib.figure import Figure

from experiments.commands.errors import call, one_line_errors
from experiments.gallery.images import photographs
from mixup_jax.augment.drawn import Stage, stages_of
from mixup_jax.augment.levels import Operation
from mixup_jax.augment.on_host import apply
from mixup_jax.choices import BigVisionRandAugment, RandAugment
from mixup_jax.report.plots.drawing import MUTED, save_png, styled

MEAN = (0.485, 0.456, 0.406)
LEVELS = {"timm": (0, 3, 6, 9), "big_vision": (0, 5, 10, 15)}
SIDE, SHOWN = 224, 48
"""Pixels of the photograph that is augmented, and of what is shown of it."""
CELL, NAME = 0.5, 1.15
"""Inches of a photograph in the picture, and of the names."""


def main(out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("runs/augmentation.png")) -> None:
    """Draw the grid: a row for each operation, a column for each level.

    Args:
        out: The PNG that is written.
    """
    save_png(grid(photographs(SIDE).image[-1]), out)
    print(f"augmented photograph of scikit-learn: {out}")


def stage_of(form: str, level: int, side: int) -> Stage:
    """Return the operations of a form with their arguments at one level."""
    augment = (
        RandAugment(magnitude=level, magnitude_std=0.0) if form == "timm" else BigVisionRandAugment(magnitude=level)
    )
    [stage] = stages_of(augment, 0.0, (side, side), MEAN)
    return stage


def seen(image: np.ndarray, operation: Operation, form: str, level: int) -> np.ndarray | None:
    """Return what an operation makes of an image, None where the form has no such operation."""
    stage = stage_of(form, level, len(image))
    if operation not in stage.operations:
        return None
    argument = float(stage.arguments[stage.operations.index(operation), 0, 0])
    centre = np.array([len(image) // 2] * 2, np.uint32)
    return apply(image, operation, argument, stage, centre)


@styled
def grid(image: np.ndarray) -> Figure:
    """Draw the image, uint8, under every operation; where the direction is drawn too, in one of the two."""
    operations = stage_of("big_vision", 0, len(image)).operations
    columns = [(form, level) for form, levels in LEVELS.items() for level in levels]
    width, height = NAME + CELL * (len(columns) + 0.4), CELL * (len(operations) + 0.9)
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    side = 0.94 * CELL
    for row, operation in enumerate(operations):
        bottom = height - CELL * (row + 1.85)
        name = operation.name.replace("_", " ").capitalize()
        figure.text(0.02, (bottom + side / 2) / height, name, fontsize=8, verticalalignment="center")
        for column, (form, level) in enumerate(columns):
            left = NAME + CELL * (column + 0.4 * (form == "big_vision"))
            if row == 0:
                title = f"{form}\n{level}" if level == 0 else f"{level}"
                top = (bottom + side + 0.05) / height
                figure.text(left / width, top, title, fontsize=8, color=MUTED, verticalalignment="bottom")
            result = seen(image, operation, form, level)
            if result is not None:
                axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
                axes.imshow(cv2.resize(result, (SHOWN, SHOWN), interpolation=cv2.INTER_AREA), interpolation="nearest")
                axes.set_axis_off()
    figure.set_label(
        "One photograph under each operation of RandAugment, at levels of timm's form and of big_vision's."
    )
    return figure


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.gallery.operations")
