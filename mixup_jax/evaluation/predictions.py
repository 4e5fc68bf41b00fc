"""What networks say of each example of a labelled set, and where they err: in which class, for which other, and most.

Pure functions on NumPy arrays. A network is a seed of a run; numbers are means over all networks.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

MOST_CLASSES = 30
"""Of a confusion matrix, or of bars: more are not readable."""
Z = 1.959964
"""The 97.5 % quantile of the normal distribution, of a 95 % interval."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What each network says of each example."""

    label: Int32[np.ndarray, "examples"]
    predicted: Int32[np.ndarray, "networks examples"]
    """The likeliest class."""
    confidence: Float32[np.ndarray, "networks examples"]
    """Its softmax probability."""
    loss: Float32[np.ndarray, "networks examples"]
    """Cross-entropy of the softmax, in nats: ``-log`` of the probability of the label."""

    @property
    def wrong(self) -> np.ndarray:
        """Return where the prediction is not the label: bool (networks, examples)."""
        return self.predicted != self.label

    def errors(self) -> np.ndarray:
        """Return the error of each network in per cent.

        >>> label, zeros = np.array([0, 1, 2, 1], np.int32), np.zeros((1, 4), np.float32)
        >>> Predictions(label, np.array([[0, 1, 2, 0]], np.int32), zeros, zeros).errors().tolist()
        [25.0]
        """
        return 100 * self.wrong.sum(axis=1) / len(self.label)

    def of(self, networks: slice) -> "Predictions":
        """Return those of some of the networks."""
        parts = {name: getattr(self, name)[networks] for name in ("predicted", "confidence", "loss")}
        return dataclasses.replace(self, **parts)


def joined(parts: Iterable[tuple[Any, Any, Any, Any]], count: int) -> Predictions:
    """Put the answers to padded batches together, as they come from `classification.answer_batches` for each network.

    A part holds labels, predicted classes, confidences and losses: (networks, batches, batch) each, all networks with
    the same labels. The first `count` examples are kept; those behind them are padding.
    """
    flat = [[np.asarray(leaf).reshape(len(leaf), -1) for leaf in part] for part in parts]
    label, predicted, confidence, loss = (
        np.concatenate(leaves, axis=1)[:, :count] for leaves in zip(*flat, strict=True)
    )
    return Predictions(label[0], predicted, confidence, loss)


class ClassError(NamedTuple):
    """The error in one class; errors in per cent."""

    label: int
    count: int
    error: float
    low: float
    high: float


def errors_by_class(predictions: Predictions) -> list[ClassError]:
    """Return the error of each class that has examples, the largest first, with its 95 % interval (`wilson`).

    The interval is that of a set of so many examples. Several networks see the same ones, and make it no narrower.
    """
    count = np.bincount(predictions.label)
    wrong = np.bincount(predictions.label, predictions.wrong.mean(axis=0))
    there = np.flatnonzero(count)
    share = wrong[there] / count[there]
    low, high = wilson(share, count[there])
    columns = (there, count[there], 100 * share, 100 * low, 100 * high)
    rows = [ClassError(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return sorted(rows, key=lambda row: (-row.error, row.label))


def wilson(share: Any, count: Any) -> tuple[Any, Any]:
    """Return the 95 % interval of a probability of which `share` was seen in `count` examples (Wilson, 1927).

    >>> [round(float(end), 4) for end in wilson(0.5, 10)], [round(float(end), 4) for end in wilson(0.0, 10)]
    ([0.2366, 0.7634], [0.0, 0.2775])
    """
    share, count = np.asarray(share, np.float64), np.asarray(count, np.float64)
    centre = share + Z**2 / (2 * count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return np.clip((centre - half) / scale, 0, share), np.clip((centre + half) / scale, share, 1)


def confusion(predictions: Predictions, classes: int) -> Int64[np.ndarray, "classes classes"]:
    """Count the examples of each class (row) by predicted class (column), summed over networks.

    >>> label, zeros = np.array([0, 1, 1], np.int32), np.zeros((1, 3), np.float32)
    >>> confusion(Predictions(label, np.array([[0, 0, 1]], np.int32), zeros, zeros), 2).tolist()
    [[1, 0], [1, 1]]
    """
    cells = predictions.label.astype(np.int64) * classes + predictions.predicted
    return np.bincount(cells.ravel(), minlength=classes**2).reshape(classes, classes)


class Pair(NamedTuple):
    """A class and another for which it is taken."""

    label: int
    predicted: int
    examples: float
    """How many examples, mean over networks."""
    share: float
    """Of the examples of the class, from 0 to 1."""


def confused_pairs(predictions: Predictions, most: int) -> list[Pair]:
    """Return up to `most` pairs of classes that are confused most often; of equally frequent ones the first classes."""
    wrong = predictions.wrong
    pairs = np.stack([np.broadcast_to(predictions.label, wrong.shape)[wrong], predictions.predicted[wrong]])
    found, counts = np.unique(pairs, axis=1, return_counts=True)
    sizes = np.bincount(predictions.label)
    order = np.argsort(-counts, kind="stable")[:most]
    mean = counts[order] / len(wrong)
    return [
        Pair(int(label), int(other), float(examples), float(examples / sizes[label]))
        for (label, other), examples in zip(found[:, order].T, mean, strict=True)
    ]


class Worst(NamedTuple):
    """An example with a large loss."""

    index: int
    label: int
    predicted: int
    """The class that most networks predict."""
    networks: int
    """How many do."""
    confidence: float
    """The mean of the probabilities that they give it."""
    loss: float
    """In nats, mean over all networks."""


def worst_examples(predictions: Predictions, most: int) -> list[Worst]:
    """Return up to `most` examples with the largest mean loss, the largest first; one that is not finite is largest."""
    loss = np.nan_to_num(predictions.loss.astype(np.float64), nan=np.inf).mean(axis=0)
    return [_worst(predictions, int(index), float(loss[index])) for index in np.argsort(-loss, kind="stable")[:most]]


def _worst(predictions: Predictions, index: int, loss: float) -> Worst:
    said: Int[np.ndarray, " networks"] = predictions.predicted[:, index]
    predicted = int(np.argmax(np.bincount(said)))
    agree = said == predicted
    confidence = float(predictions.confidence[agree, index].mean())
    return Worst(index, int(predictions.label[index]), predicted, int(agree.sum()), confidence, loss)
