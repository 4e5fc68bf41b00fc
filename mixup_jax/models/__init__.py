"""Flax Linen modules, one paper a file: ``model.apply(variables, x, train=...)`` returns float32 logits."""

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from mixup_jax.choices import networks
from mixup_jax.models.alexnet import AlexNet
from mixup_jax.models.convnext import ConvNeXt
from mixup_jax.models.densenet import DenseNet
from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.lenet import LeNet
from mixup_jax.models.mlp import MLP
from mixup_jax.models.mlp_mixer import MLPMixer
from mixup_jax.models.on_spectrograms import OnSpectrograms
from mixup_jax.models.preact_resnet import PreActResNet
from mixup_jax.models.resnet import ResNet
from mixup_jax.models.vgg import VGG
from mixup_jax.models.vgg11 import VGG11
from mixup_jax.models.vit import ViT
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
    "ConvNeXt",
    "DenseNet",
    "LeNet",
    "MLPMixer",
    "OnSpectrograms",
    "Over",
    "PreActResNet",
    "ResNet",
    "ViT",
    "WaferNet",
    "WideResNet",
    "build",
    "has_batch_norm",
    "normalizes",
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
}
"""Networks whose name says their layers, torchvision's names where it has them."""

MODELS: dict[str, Any] = {
    "preact_resnet": PreActResNet,
    "wide_resnet": WideResNet,
    "densenet": DenseNet,
    "mlp": MLP,
    "lenet": LeNet,
    "vgg11": VGG11,
    "wafer_net": WaferNet,
    "vit": ViT,
    "convnext": ConvNeXt,
    "mlp_mixer": MLPMixer,
} | NAMED


def build(
    model: networks.Network,
    classes: int,
    compute_dtype: str = "float32",
    *,
    axis_name: str | None = None,
    norm_block: int | None = None,
) -> nn.Module:
    """Build the network that `model` describes; it computes in `compute_dtype`, parameters are float32.

    `axis_name` names the mapped axis over which BatchNorm averages; leave it out under a global-view `jit`. With
    `norm_block` each run of so many examples has statistics of its own. A network without BatchNorm takes no notice.

    >>> build(networks.PreActResNet(width=16), classes=10).width
    16
    """
    if classes < 1:
        raise ValueError(f"classes is {classes}; a network needs 1 or more.")
    options = {name: value for name, value in vars(model).items() if name != "name"}
    network = MODELS[model.name]
    if "norm_over" in _fields(network):
        options["norm_over"] = Over(axis_name, norm_block)
    return network(classes=classes, dtype=jnp.dtype(compute_dtype), **options)


def has_batch_norm(model: networks.Network) -> bool:
    """Return whether the network has BatchNorm."""
    return "norm_over" in _fields(MODELS[model.name]) and getattr(build(model, 1), "norm", True)


def normalizes(model: networks.Network) -> bool:
    """Return whether the network has BatchNorm or LayerNorm."""
    return isinstance(model, networks.ViT | networks.ConvNeXt | networks.MLPMixer) or has_batch_norm(model)


def _fields(network: Any) -> set[str]:
    return {each.name for each in dataclasses.fields(getattr(network, "func", network))}
