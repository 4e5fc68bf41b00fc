"""Features computed once: what a head is trained on, where every layer before it is frozen and images do not change."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mixup_jax.augment.standard import normalize
from mixup_jax.choices import Erm, Mixup, NoAugment
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.photographs.streamed import EvaluationRows, StreamedDataset, batches, cores
from mixup_jax.evaluation.classification import padded
from mixup_jax.methods.latent import INPUT, at_layer, input_of
from mixup_jax.steps.frozen import is_last
from mixup_jax.steps.state import Recipe, with_given


def are_constant(config: Config, recipe: Recipe, image_shape: tuple[int, ...]) -> bool:
    """Return whether the last layer alone is trained, and sees the same of an image at every step.

    So it is without augmentation, and where nothing is mixed before that layer.
    """
    data, mixing, layer = config.data, config.mixing, config.train_from
    if layer is None or data.mix == "waveform" or getattr(config.model, "dropout", 0):
        return False
    changed = data.pad_crop or data.flip or data.color_jitter or data.erase or data.noise
    if changed or not isinstance(config.augment, NoAugment):
        return False
    if data.is_streamed and (data.crop != "centre" or data.test_size is not None or data.repeats > 1):
        return False
    at_layer = isinstance(mixing, Mixup) and mixing.layer == layer and mixing.partner != "optimal"
    return (at_layer or isinstance(mixing, Erm)) and is_last(recipe.model, image_shape, layer)


def on_features(
    config: Config, recipe: Recipe, data: Dataset | StreamedDataset, given: Mapping[str, np.ndarray]
) -> tuple[Recipe, Dataset]:
    """Return the recipe and the data of the same training on features, float32 (n, 1, 1, width).

    The recipe's network takes them in the place of images; its parameters are those of the whole network. To mix the
    inputs of the last layer is to mix features. They are computed from the weights that are `given`, by this process,
    in batches of the configuration's size.
    """
    layer, shape = config.train_from or "", data.image_shape
    blank = jnp.zeros((1, *shape), jnp.float32)
    variables = with_given(recipe.model.init(jax.random.key(0), blank, train=False), given)

    @jax.jit
    def features(image: Array) -> Array:
        normalized = normalize(image, recipe.mean, recipe.std)
        with recipe.precision():
            return input_of(layer, lambda: recipe.model.apply(variables, normalized, train=False))

    found = dict[str, np.ndarray]()
    for part in _parts(data):
        rows, labels = list[np.ndarray](), list[np.ndarray]()
        for image, label in _batches_of(data, part, config.batch_size):
            rows.append(np.asarray(features(padded(image, config.batch_size)), np.float32)[: len(label), None, None])
            labels.append(label)
        found |= {f"{part}_image": np.concatenate(rows), f"{part}_label": np.concatenate(labels)}
    width = found["train_image"].shape[-1]
    zeros, ones = (0.0,) * width, (1.0,) * width
    options: dict[str, Any] = {name: getattr(data, name) for name in ("name", "mark", "classes")} | found
    dataset = Dataset(**options, mean=zeros, std=ones, corrupted=data.corrupted)
    model = FromFeatures(recipe.model, shape, layer)
    return replace(recipe, model=model, mean=zeros, std=ones, layer=INPUT), dataset


class FromFeatures(nn.Module):
    """Give features, (batch, 1, 1, width), to a layer of a network in the place of what the layers before it compute.

    Parameters and their names are the network's own. What is computed before the layer, from a blank image, is not
    used: a compiler leaves it out.
    """

    network: nn.Module
    image_shape: tuple[int, ...]
    layer: str

    def setup(self) -> None:
        """Put the network's layers directly below, as if it stood alone."""
        nn.share_scope(self, self.network)

    def __call__(self, x: Float[Array, "batch 1 1 width"], train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of features."""
        with at_layer(self.layer, lambda _: x[:, 0, 0]):
            return self.network(jnp.zeros((len(x), *self.image_shape), jnp.float32), train)


def _parts(data: Dataset | StreamedDataset) -> tuple[str, ...]:
    return ("train", "valid", "test") if data.valid_count else ("train", "test")


def _batches_of(data: Dataset | StreamedDataset, part: str, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and labels of a part of the data in its own order, without augmentation; the last ones are fewer."""
    if isinstance(data, Dataset):
        image, label = getattr(data, f"{part}_image"), getattr(data, f"{part}_label")
        for start in range(0, len(label), size):
            yield image[start : start + size], label[start : start + size]
        return
    split, count = "clean" if part == "train" else part, getattr(data, f"{part}_count")
    rows = EvaluationRows(data, split, range(count), size, tuple(range(size)))
    decoded: Any = batches(rows, 0, workers=0, threads=cores())
    with closing(decoded):
        for batch in decoded:
            yield batch["image"][batch["mask"]], batch["label"][batch["mask"]].astype(np.int32)
