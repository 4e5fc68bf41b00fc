"""Flax Linen modules, one paper a file: ``model.apply(variables, x, train=...)`` returns float32 logits."""

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from mixup_jax import config
from mixup_jax.models.alexnet import AlexNet
from mixup_jax.models.densenet import DenseNet
from mixup_jax.models.layers.batch_norm import BatchNorm
from mixup_jax.models.lenet import LeNet
from mixup_jax.models.mlp import MLP
from mixup_jax.models.on_spectrograms import OnSpectrograms
from mixup_jax.models.preact_resnet import PreActResNet
from mixup_jax.models.resnet import ResNet
from mixup_jax.models.vgg import VGG
from mixup_jax.models.vgg11 import VGG11
from mixup_jax.models.wafer_net import WaferNet
from mixup_jax.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "MODELS",
    "NAMED",
    "VGG",
    "VGG11",
    "AlexNet",
    "BatchNorm",
    "DenseNet",
    "LeNet",
    "OnSpectrograms",
    "PreActResNet",
    "ResNet",
    "WaferNet",
    "WideResNet",
    "build",
    "normalizes",
    "takes",
]

RESNEXT101 = partial(ResNet, blocks=(3, 4, 23, 3), group_width=4)
NAMED = {
    "resnet18": partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False),
    "resnet34": partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=False),
    "resnet50": partial(ResNet, blocks=(3, 4, 6, 3)),
    "resnet101": partial(ResNet, blocks=(3, 4, 23, 3)),
    "resnext101_32x4d": partial(RESNEXT101, groups=32),
    "resnext101_64x4d": partial(RESNEXT101, groups=64),
    "alexnet": partial(AlexNet),
    "alexnet_bn": partial(AlexNet, norm=True),
    "alexnet_gap": partial(AlexNet, features=(96, 256, 384, 384, 256), norm=True, average=True),
    "vgg16": partial(VGG, blocks=(2, 2, 3, 3, 3)),
    "vgg16_bn": partial(VGG, blocks=(2, 2, 3, 3, 3), norm=True),
    "vgg16_gap": partial(VGG, blocks=(2, 2, 3, 3, 3), norm=True, average=True),
    "lenet": partial(LeNet),
    "vgg11": partial(VGG11),
}
"""Networks whose name says their layers, torchvision's names where it has them."""

MODELS: dict[str, Any] = {
    "preact_resnet": PreActResNet,
    "wide_resnet": WideResNet,
    "densenet": DenseNet,
    "mlp": MLP,
    "wafer_net": WaferNet,
} | NAMED


WIDEST = 100_000


def build(model: config.Model, classes: int, *, axis_name: str | None = None) -> nn.Module:
    """Build the network that `model` describes; fields that are None are the network's own.

    `axis_name` names the mapped axis over which BatchNorm averages; leave it out under a global-view `jit`.

    Raises ValueError for an unknown model, for sizes and probabilities out of range, and for what the network does not
    take, as `blocks` where the name says the layers.

    >>> build(config.Model(width=16), classes=10).width
    16
    """
    known = takes(model.model)
    _check(model, classes)
    given = {
        name: value
        for name, value in dataclasses.asdict(model).items()
        if name not in ("model", "compute_dtype") and value != getattr(config.Model(), name)
    }
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{name} is {value}; it does nothing for {model.model}: leave it out.")
    if "axis_name" in known:
        given["axis_name"] = axis_name
    return MODELS[model.model](classes=classes, dtype=jnp.dtype(model.compute_dtype), **given)


def takes(name: str) -> frozenset[str]:
    """Return what can be set of a network; raises ValueError for an unknown one.

    >>> sorted(takes("resnet18") & {"width", "blocks", "dropout", "remat"})
    ['dropout', 'remat', 'width']
    """
    if name not in MODELS:
        raise ValueError(f"model is {name!r}; it must be one of {', '.join(MODELS)}.")
    network = MODELS[name]
    known = {each.name for each in dataclasses.fields(getattr(network, "func", network))}
    return frozenset(known - getattr(network, "keywords", {}).keys())


def normalizes(model: config.Model) -> bool:
    """Return whether the network has BatchNorm."""
    return "axis_name" in takes(model.model) and getattr(build(model, 1), "norm", True)


def _check(model: config.Model, classes: int) -> None:
    if classes < 1:
        raise ValueError(f"classes is {classes}; a network needs 1 or more.")
    if model.width is not None and not 1 <= model.width <= WIDEST:
        raise ValueError(f"width is {model.width}; a network needs 1 to {WIDEST:,}.")
    if model.blocks is not None and not (
        0 < len(model.blocks) <= 10 and all(1 <= each <= 1000 for each in model.blocks)
    ):
        raise ValueError(f"blocks is {model.blocks}; it needs one number a stage (10 at most), each from 1 to 1000.")
    if model.stem_stride not in (1, 2):
        raise ValueError(f"stem_stride is {model.stem_stride}; it must be 1 or 2.")
    if model.variant not in ("H", "F"):
        raise ValueError(f"variant is {model.variant!r}; it must be H or F.")
    if not 0 <= model.dropout < 1:
        raise ValueError(f"dropout is {model.dropout}; it is the probability of dropping a unit, in [0, 1).")
    if model.compute_dtype not in ("float32", "bfloat16"):
        raise ValueError(f"compute_dtype is {model.compute_dtype!r}; it must be float32 or bfloat16.")
