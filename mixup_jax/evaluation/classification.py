"""Error, loss and calibration over a whole data set, as sums and counts: exact for any batch size and device count."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Bool, Float, Int

BINS = 15
TOP = 5
MANY = 100
"""The number of classes from which the top-`TOP` error is also counted."""
Sums = dict[str, Array]


def predicted_class(logits: Float[Array, "*batch classes"]) -> Int[Array, "*batch"]:
    """Return the class of the largest logit, the first of several; -1, which is no label, where one of them is NaN.

    >>> predicted_class(jnp.array([[0.0, 1.0], [jnp.nan, 1.0], [jnp.inf, 1.0]])).tolist()
    [1, -1, 0]
    """
    return jnp.where(jnp.isnan(logits).any(axis=-1), -1, jnp.argmax(logits, axis=-1))


def score(logits: Float[Array, "batch classes"], label: Int[Array, " batch"], mask: Bool[Array, " batch"]) -> Sums:
    """Return the sums of a batch; examples outside `mask` are padding and do not count.

    These are float32: `count`, `errors`, `loss`, and over `BINS` equal-width bins of the confidence (the largest
    softmax probability) `bin_count`, `bin_confidence`, `bin_correct`; with `MANY` classes or more also `top5_errors`,
    where the label is not among the five largest logits. Loss and confidence are those of a softmax, whatever loss the
    network was trained with.
    """
    weight = mask.astype(jnp.float32)
    logits = jnp.where(mask[:, None], logits.astype(jnp.float32), 0.0)  # padding may hold anything, NaN included
    predicted = predicted_class(logits)
    correct = (predicted == label) * weight
    confidence = jnp.max(jax.nn.softmax(logits), axis=-1)
    bin_of = jnp.clip((confidence * BINS).astype(jnp.int32), 0, BINS - 1)
    in_bin = jax.nn.one_hot(bin_of, BINS) * weight[:, None]
    top = {}
    if logits.shape[-1] >= MANY:
        _, likeliest = jax.lax.top_k(logits, TOP)
        among = (likeliest == label[:, None]).any(axis=-1) & (predicted >= 0)
        top = {"top5_errors": (~among * weight).sum()}
    return top | {
        "count": weight.sum(),
        "errors": (weight - correct).sum(),
        "loss": (optax.softmax_cross_entropy_with_integer_labels(logits, label) * weight).sum(),
        "bin_count": in_bin.sum(axis=0),
        "bin_confidence": (in_bin * confidence[:, None]).sum(axis=0),
        "bin_correct": (in_bin * correct[:, None]).sum(axis=0),
    }


def score_batches(predict: Callable[[Array], Array], image: Array, label: Array, mask: Array) -> Sums:
    """Sum `score` over the batches of `in_batches`: (batches, batch, ...), labels and masks (batches, batch)."""

    def add(sums: Any, batch: tuple[Array, Array, Array]) -> tuple[Any, None]:
        image, label, mask = batch
        return jax.tree.map(jnp.add, sums, score(predict(image), label, mask)), None

    first = jax.eval_shape(lambda: score(predict(image[0]), label[0], mask[0]))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), first)
    return jax.lax.scan(add, zeros, (image, label, mask))[0]


class Answers(NamedTuple):
    """What a network says of each example of padded batches, with its label: arrays (batches, batch)."""

    label: Array
    predicted: Array
    """The likeliest class, int32; where the network says NaN, another class than the label."""
    confidence: Array
    """Its softmax probability, float32."""
    loss: Array
    """Cross-entropy in nats, float32; as that of `score`, of a softmax."""


def answer_batches(predict: Callable[[Array], Array], image: Array, label: Array) -> Answers:
    """Return what the logits say of each example of the batches of `in_batches`, and anything of padding."""

    def answer(batch: tuple[Array, Array]) -> Answers:
        logits, label = predict(batch[0]).astype(jnp.float32), batch[1]
        confidence = jnp.max(jax.nn.softmax(logits), axis=-1)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        predicted = predicted_class(logits)
        wrong = (label + 1) % logits.shape[-1]  # an error, as `score` counts it, but a class
        return Answers(label, jnp.where(predicted < 0, wrong, predicted), confidence, loss)

    return jax.lax.map(answer, (image, label))


def in_batches(image: np.ndarray, label: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad with zeros to whole batches: images (batches, batch, ...), labels and mask (batches, batch).

    >>> image, label, mask = in_batches(np.ones((5, 2)), np.arange(5), batch_size=3)
    >>> image.shape, mask.tolist()
    ((2, 3, 2), [[True, True, True], [True, True, False]])
    """
    batches = -(-len(label) // batch_size)

    def fold(array: np.ndarray) -> np.ndarray:
        return padded(array, batches * batch_size).reshape(batches, batch_size, *array.shape[1:])

    return fold(image), fold(label), fold(np.ones(len(label), bool))


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """Return an array with zeros after its rows, `size` rows in all: batches of one shape are one program.

    >>> padded(np.ones(2), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    return np.pad(array, [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1))


def summarize(sums: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return `error`, `top5_error`, `ece`, `oe` (percent) and `loss` (nats) from sums; leading axes (seeds) are kept.

    The expected calibration error is ``sum_b n_b / n * |accuracy_b - confidence_b|`` over 15 equal-width bins
    (Guo et al., arXiv 1706.04599), the overconfidence error ``sum_b n_b / n * confidence_b * max(confidence_b -
    accuracy_b, 0)`` (Thulasidasan et al., arXiv 1905.11001).
    """
    sums = {name: np.asarray(value, np.float64) for name, value in sums.items()}
    gap = sums["bin_confidence"] - sums["bin_correct"]  # of each bin, times its examples
    confidence = sums["bin_confidence"] / np.maximum(sums["bin_count"], 1)
    means = {"error": 100 * sums["errors"], "loss": sums["loss"], "ece": 100 * np.abs(gap).sum(axis=-1)}
    means["oe"] = 100 * (confidence * np.maximum(gap, 0)).sum(axis=-1)
    means |= {"top5_error": 100 * sums["top5_errors"]} if "top5_errors" in sums else {}
    return {name: np.asarray(value / sums["count"]) for name, value in means.items()}


def reliability(sums: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return `count`, mean `confidence` and `accuracy` of each bin, for a reliability diagram; empty bins hold 0."""
    count = np.asarray(sums["bin_count"], np.float64)
    filled = np.maximum(count, 1)
    return {
        "count": count,
        "confidence": np.asarray(sums["bin_confidence"], np.float64) / filled,
        "accuracy": np.asarray(sums["bin_correct"], np.float64) / filled,
    }
