"""The section of the page that shows where the networks of each run err."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixup_jax.evaluation.predictions import (
    MOST_CLASSES,
    ClassError,
    Pair,
    Predictions,
    Worst,
    confused_pairs,
    confusion,
    errors_by_class,
)
from mixup_jax.report import pictures
from mixup_jax.report.conditions import Condition, lowest
from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import drawable
from mixup_jax.report.plots.mistakes import shares_of, worst_of
from mixup_jax.report.runs import Run

PAIRS, MOST_ROWS = 10, 200
MOST_RUNS = 40
"""The page holds tables and a picture for each; of more runs those with the lowest error of their data and model."""
WORST = "The test images with the largest loss: the true class, below it what is predicted, and its probability."


@dataclass(frozen=True)
class Mistakes:
    """Where the networks of a run err on its test set."""

    label: str
    run: Run
    error: str
    """Of all classes, in per cent."""
    examples: int
    networks: int
    figures: tuple[pictures.Picture, ...]
    classes: int
    """How many have test images; `by_class` holds those with the largest error, the largest first."""
    by_class: tuple[ClassError, ...]
    confusion: tuple[list[tuple[float, float, float]], ...]
    """A row a class, a cell a predicted class: per cent of the class, examples, and shade; empty of too many classes.

    The shade is up to 75 %: of the right cells for 100 per cent, of the others for the largest of them.
    """
    pairs: tuple[Pair, ...]
    worst: tuple[Worst, ...]

    @property
    def numbered(self) -> dict[str, str]:
        """Return the names of the classes that pictures show by number."""
        if not self.figures:
            return {}
        shown = {drawable(name, number): name for number, name in enumerate(self.run.classes)}
        return {number: name for number, name in shown.items() if number.startswith("class ") and number != name}


def find_mistakes(conditions: Sequence[Condition]) -> tuple[list[Mistakes], list[str]]:
    """Return a part for each run that has kept its predictions, and a line for each picture that cannot be used."""
    parts, warnings = [], []
    told = [each for each in conditions if any(run.predictions for run in each.runs)]
    for condition in lowest(told, MOST_RUNS):
        for run in condition.runs:
            if (said := run.predictions) is not None:
                found, unusable = pictures.named(run.path, _worst_images(run))
                warnings += unusable
                by_class = errors_by_class(said)
                parts.append(
                    Mistakes(
                        label=condition.label,
                        run=run,
                        error=decimal(float(said.errors().mean())),
                        examples=len(said.label),
                        networks=len(said.loss),
                        figures=tuple(found),
                        classes=len(by_class),
                        by_class=tuple(by_class[:MOST_ROWS]),
                        confusion=_matrix(said, len(run.classes)),
                        pairs=tuple(confused_pairs(said, PAIRS)),
                        worst=tuple(worst_of(said)),
                    )
                )
    return parts, warnings


def _matrix(said: Predictions, classes: int) -> tuple[list[tuple[float, float, float]], ...]:
    if classes > MOST_CLASSES:
        return ()
    counts = confusion(said, classes)
    share, own, largest = shares_of(counts)
    shade = 75 * share / np.where(own, 100, largest)
    cells = np.stack([share, counts / len(said.loss), shade], axis=-1)
    return tuple([(a, b, c) for a, b, c in row] for row in cells.tolist())


def _worst_images(run: Run) -> list[tuple[str, str]]:
    """Return the picture of a run's worst images and its caption, if it has one; one of several alphas has its own."""
    names = (f"figures/worst_images{suffix}.png" for suffix in (f"-alpha-{run.alpha:g}", ""))
    return [(name, WORST) for name in names if (run.path / name).exists()][:1]
