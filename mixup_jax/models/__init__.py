"""Flax Linen modules, one paper a file: ``model.apply(variables, x, train=...)`` returns float32 logits."""

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from mixup_jax import config
from mixup_jax.models.alexnet import AlexNet
from mixup_jax.models.batch_norm import BatchNorm
from mixup_jax.models.densenet import DenseNet
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


def build(model: config.Model, classes: int, *, axis_name: str | None = None) -> nn.Module:
    """Build the network that `model` describes; it takes the fields it has and ignores the others.

    `axis_name` names the mapped axis over which BatchNorm averages; leave it out under a global-view `jit`.

    Raises ValueError for an unknown model, for sizes and probabilities out of range, and for `blocks`, `variant` and
    `stem_stride` where the name says the layers.

    >>> build(config.Model(width=16), classes=10).width
    16
    """
    if model.model not in MODELS:
        raise ValueError(f"model is {model.model!r}; it must be one of {', '.join(MODELS)}.")
    _check(model, classes)
    options = {
        "classes": classes,
        "width": model.width,
        "blocks": tuple(model.blocks),
        "stem_stride": model.stem_stride,
        "variant": model.variant,
        "dropout": model.dropout,
        "dtype": jnp.dtype(model.compute_dtype),
        "axis_name": axis_name,
        "remat": model.remat,
    }
    network = MODELS[model.model]
    fixed = getattr(network, "keywords", {})
    known = {each.name for each in dataclasses.fields(getattr(network, "func", network))}
    return network(**{name: value for name, value in options.items() if name in known - fixed.keys()})


def _check(model: config.Model, classes: int) -> None:
    if classes < 1:
        raise ValueError(f"classes is {classes}; a network needs 1 or more.")
    if model.width < 1:
        raise ValueError(f"width is {model.width}; a network needs 1 or more.")
    if not model.blocks or min(model.blocks) < 1:
        raise ValueError(f"blocks is {model.blocks}; it needs one number a stage, each 1 or more.")
    if model.stem_stride not in (1, 2):
        raise ValueError(f"stem_stride is {model.stem_stride}; it must be 1 or 2.")
    if model.variant not in ("H", "F"):
        raise ValueError(f"variant is {model.variant!r}; it must be H or F.")
    if not 0 <= model.dropout < 1:
        raise ValueError(f"dropout is {model.dropout}; it is the probability of dropping a unit, in [0, 1).")
    if model.compute_dtype not in ("float32", "bfloat16"):
        raise ValueError(f"compute_dtype is {model.compute_dtype!r}; it must be float32 or bfloat16.")
    for name in ("blocks", "variant", "stem_stride") if model.model in NAMED else ():
        if getattr(model, name) != getattr(config.Model(), name):
            raise ValueError(f"{name} is {getattr(model, name)}; it does nothing for {model.model}: leave it out.")
