"""Weights as they were read, under the names of ours, and what is known of the network that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixup_jax.choices.networks import Network, ViT, attention_heads

OF_TRAINING = (
    "name",
    "dropout",
    "stochastic_depth",
    "stochastic_depth_rule",
    "stochastic_depth_rescale",
    "initialization",
    "head_init",
    "head_bias",
    "remat",
    "pre_logits",
)
"""Options of a network in which it may differ from the one that the weights are of: they change no weight's place.

A layer of `pre_logits` is part of the head, which is left out or drawn anew."""


NORMALIZATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Means and standard deviations of red, green and blue that pretrained networks are used to, for pixels in [0, 1]."""


@dataclass(frozen=True)
class Source:
    """Weights of a network and what is known of it; what is not known is None or left out."""

    origin: str
    """What they are, for the table: "step 90, seed 0", "timm"."""
    arrays: Mapping[str, np.ndarray]
    """By the names of ours; what has no place in ours by its own name."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Their own names, by ours, where they have other ones."""
    form: Mapping[str, Any] = field(default_factory=dict)
    """Options of the network, `form_of` for those of our own."""
    classes: tuple[str, ...] | None = None
    """Names of the classes."""
    mean: tuple[float, ...] | None = None
    """Of its images, one number a channel, for pixels in [0, 1]; `std` likewise."""
    std: tuple[float, ...] | None = None
    grid: tuple[int, int] | None = None
    """Rows and columns of its patches, where its positions depend on them."""
    left: tuple[str, ...] = ()
    """What was left out when it was read, in words."""
    guessed: tuple[str, ...] = ()
    """What of the network the file does not say and is taken to be as here, in words."""


def form_of(model: Network) -> dict[str, Any]:
    """Return what of a network's options its weights depend on.

    >>> from mixup_jax.choices.networks import ConvNeXt
    >>> form_of(ConvNeXt())
    {'model': 'convnext', 'width': 96, 'blocks': (3, 3, 9, 3), 'patch': 4, 'layer_scale': True}
    """
    options = {name: value for name, value in vars(model).items() if name not in OF_TRAINING}
    if "layer_scale" in options:
        options["layer_scale"] = options["layer_scale"] > 0
    if isinstance(model, ViT):
        options["heads"] = attention_heads(model.width, model.heads)
    return {"model": model.name} | options
