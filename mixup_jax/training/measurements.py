"""From sums on the devices to the numbers in metrics.jsonl and result.json; lists are over seeds."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from mixup_jax.evaluation.classification import reliability, summarize
from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.training.programs import Totals

SUMMED = ("epoch", "test_error", "train_subset_error", "seconds")
"""What `summary` needs of every line of metrics.jsonl."""


def on_host(tree: Any) -> Any:
    """Fetch arrays to every process, also where each process holds a part of them."""
    if jax.process_count() > 1:
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def training_metrics(totals: Totals) -> dict[str, list[float]]:
    """Return the means over the steps since the evaluation before."""
    return {
        "train_loss": (totals.loss / totals.steps).tolist(),
        "train_accuracy": (100 * totals.accuracy / totals.steps).tolist(),
    }


def test_metrics(
    clean_sums: dict[str, Any], test_sums: dict[str, Any], valid_sums: dict[str, Any] | None
) -> dict[str, list[float]]:
    """Return error, loss and calibration on the test set, the errors on the clean training and the validation set."""
    measured = {f"test_{name}": value.tolist() for name, value in summarize(test_sums).items()}
    others = {} if valid_sums is None else {"valid_error": error_of(valid_sums)}
    others |= {"train_subset_error": error_of(clean_sums)}
    return others | {name: measured[name] for name in METRICS if name in measured}


def error_of(sums: dict[str, Any]) -> list[float]:
    """Return the error in per cent."""
    return summarize(sums)["error"].tolist()


def summary(records: list[dict[str, Any]], epochs: float, test_sums: dict[str, Any]) -> dict[str, Any]:
    """Sum a run up: best, last, and the median over the evaluations of the last 10 epochs (paper, table 5).

    The best is the test error of the evaluation with the lowest validation error, of the first of equal ones; without a
    validation set it is the lowest test error.
    """
    last = records[-1]
    errors = np.array([line["test_error"] for line in records])
    chosen_by = np.array([line.get("valid_error", line["test_error"]) for line in records])
    late = np.array([line["epoch"] > epochs - 10 for line in records])
    late[-1] = True
    rates = [line["images_per_second"] for line in records if "images_per_second" in line]
    return {
        "test_error": {
            "best": np.take_along_axis(errors, chosen_by.argmin(axis=0)[None], axis=0)[0].tolist(),
            "last": errors[-1].tolist(),
            "median_last_10": np.median(errors[late], axis=0).tolist(),
        },
        **{name: last[name] for name in METRICS if name in last and name != "test_error"},
        "reliability": {name: value.tolist() for name, value in reliability(test_sums).items()},
        "wall_seconds": last["seconds"],
        "images_per_second": float(np.median(rates)) if rates else None,
    }
