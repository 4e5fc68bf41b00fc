"""The section of the page that shows where the networks of each run err."""

from collections.abc import Sequence
from dataclasses import dataclass

from mixup_jax.evaluation.predictions import MOST_CLASSES, Pair, confused_pairs
from mixup_jax.report import pictures
from mixup_jax.report.conditions import Condition
from mixup_jax.report.format import decimal
from mixup_jax.report.plots.drawing import drawable
from mixup_jax.report.plots.mistakes import class_errors, confusion_matrix
from mixup_jax.report.runs import Run

PAIRS = 10
BY_CLASS = "Test error by class; in brackets how many test images."
CONFUSION = "Confusion: of each class (row), how many per cent are predicted as which (column)."
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
    pairs: tuple[Pair, ...]

    @property
    def numbered(self) -> dict[str, str]:
        """Return the names of the classes that pictures show by number."""
        shown = {drawable(name, number): name for number, name in enumerate(self.run.classes)}
        return {number: name for number, name in shown.items() if number.startswith("class ") and number != name}


def find_mistakes(conditions: Sequence[Condition]) -> tuple[list[Mistakes], list[str]]:
    """Return a part for each run that has kept its predictions, and a line for each picture that cannot be used."""
    parts, warnings = [], []
    for condition in conditions:
        for run in condition.runs:
            if (said := run.predictions) is not None:
                drawn = [pictures.drawn(class_errors(said, run.classes), BY_CLASS)]
                if len(run.classes) <= MOST_CLASSES:
                    drawn.append(pictures.drawn(confusion_matrix(said, run.classes), CONFUSION))
                found, unusable = pictures.named(run.path, _worst_images(run))
                warnings += unusable
                error = decimal(float(said.errors().mean()))
                pairs = tuple(confused_pairs(said, PAIRS))
                count, networks = len(said.label), len(said.loss)
                parts.append(Mistakes(condition.label, run, error, count, networks, (*drawn, *found), pairs))
    return parts, warnings


def _worst_images(run: Run) -> list[tuple[str, str]]:
    """Return the picture of a run's worst images and its caption, if it has one; one of several alphas has its own."""
    names = (f"figures/worst_images{suffix}.png" for suffix in (f"-alpha-{run.alpha:g}", ""))
    return [(name, WORST) for name in names if (run.path / name).exists()][:1]
