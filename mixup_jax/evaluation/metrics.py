"""The metrics of a run: names in metrics.jsonl and result.json, and how the report shows them.

To add a metric, compute it in `mixup_jax.evaluation.classification.summarize` and name it here; describe it in
docs/design.md. `overconfidence` is not stored: the report computes it from the bins of result.json.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a metric is shown; one without a title is stored only."""

    title: str = ""
    digits: int = 2
    signed: bool = False
    below: str = ""
    """The metric under which it stands in small print, where it was measured."""
    condition: str = ""
    """When it is measured, if not always, or on which data."""
    meaning: str = ""


METRICS = {
    "test_error": Metric(
        "Test error, %",
        meaning="after the last epoch; mean and sample standard deviation over n seeds. Best and median, of the "
        "evaluations in the last 10 epochs, are means over seeds; best is that of the lowest validation error where "
        "there is a validation set, else the lowest.",
    ),
    "valid_error": Metric(
        "validation",
        below="test_error",
        condition="with a validation set",
        meaning="on the images on which the best evaluation, and the best checkpoint, are chosen.",
    ),
    "test_error_raw": Metric(
        "not averaged", below="test_error", condition="with --ema", meaning="the network without averaged weights."
    ),
    "test_top5_error": Metric(
        "top-5",
        below="test_error",
        condition="of 100 classes or more",
        meaning="the label is not among the five likeliest.",
    ),
    "test_loss": Metric(),
    "test_ece": Metric("ECE, %", meaning="expected calibration error of the softmax on the test set, 15 bins."),
    "overconfidence": Metric(
        "bias", digits=1, signed=True, below="test_ece", meaning="mean confidence minus accuracy, in points."
    ),
    "test_oe": Metric(
        "OE",
        below="test_ece",
        meaning="overconfidence error, the part of the gap that is overconfidence, each bin weighed by its confidence "
        "too.",
    ),
    "train_subset_error": Metric(
        "Train error, %",
        condition="clean subset",
        meaning="on a fixed part of the training set, neither augmented nor mixed.",
    ),
}
