"""The options of the networks; the Linen modules that they describe have the same names in `mixup_jax.models`."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mixup_jax.config_checks import Checked


@dataclass(frozen=True)
class PreActResNet(Checked):
    """Pre-activation ResNet; the defaults are PreAct ResNet-18."""

    name: tyro.conf.Suppress[str] = field(default="preact_resnet", init=False)
    width: int = 64
    """Channels of the first stage; they double from stage to stage."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of each stage; the image halves from stage to stage."""
    variant: Literal["H", "F"] = "H"
    """H: plain stem, raw shortcut (hongyi-zhang/mixup). F: BN-ReLU stem, pre-activated shortcut (mixup-cifar10)."""
    dropout: float = 0.0
    """Probability of dropping a unit between the two convolutions of a block."""
    stem_stride: Literal[1, 2] = 1
    """2 halves the image before the first stage, for a quarter of the work."""


@dataclass(frozen=True)
class WideResNet(Checked):
    """Wide ResNet; the defaults are WRN-28-10."""

    name: tyro.conf.Suppress[str] = field(default="wide_resnet", init=False)
    width: int = 160
    """Channels of the first stage, 16 times the widening factor; they double from stage to stage."""
    blocks: tuple[int, ...] = (4, 4, 4)
    """Blocks of each stage; the image halves from stage to stage."""
    dropout: float = 0.0
    """Probability of dropping a unit between the two convolutions of a block."""


@dataclass(frozen=True)
class DenseNet(Checked):
    """DenseNet-BC; the defaults are DenseNet-BC-190 with growth rate 40."""

    name: tyro.conf.Suppress[str] = field(default="densenet", init=False)
    width: int = 40
    """The growth rate: channels that a layer adds."""
    blocks: tuple[int, ...] = (31, 31, 31)
    """Layers of each dense block; the image halves from block to block."""
    dropout: float = 0.0
    """Probability of dropping a unit after each convolution."""
    remat: bool = False
    """Compute the inside of each layer again in the backward pass: slower, less memory."""


@dataclass(frozen=True)
class MLP(Checked):
    """Multilayer perceptron with two hidden layers."""

    name: tyro.conf.Suppress[str] = field(default="mlp", init=False)
    width: int = 128
    """Units of each hidden layer."""
    dropout: float = 0.0
    """Probability of dropping a unit after each hidden layer."""


@dataclass(frozen=True)
class Named(Checked):
    """A network whose name says its layers; torchvision's names where it has them."""

    name: tyro.conf.Suppress[
        Literal[
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "resnext101_32x4d",
            "resnext101_64x4d",
            "alexnet",
            "alexnet_bn",
            "alexnet_gap",
            "vgg16",
            "vgg16_bn",
            "vgg16_gap",
        ]
    ]
    """_bn: BatchNorm; _gap: also global average pooling instead of hidden layers."""
    width: int = 64
    """64 is the published size; 32 halves every layer."""
    dropout: float = 0.0
    """Probability of dropping a unit before the last layer (resnets, _gap) or after each hidden layer."""
    remat: bool = False
    """Compute the inside of each block or stage again in the backward pass: slower, less memory."""


@dataclass(frozen=True)
class LeNet(Checked):
    """LeNet for spectrograms."""

    name: tyro.conf.Suppress[str] = field(default="lenet", init=False)
    width: int = 20
    """Channels of both convolutions."""
    dropout: float = 0.0
    """Probability of dropping a channel of the second convolution, and a unit of the hidden layer."""


@dataclass(frozen=True)
class VGG11(Checked):
    """VGG-11 for spectrograms."""

    name: tyro.conf.Suppress[str] = field(default="vgg11", init=False)
    width: int = 64
    """Channels of the first convolution."""


@dataclass(frozen=True)
class WaferNet(Checked):
    """A small network for wafer maps."""

    name: tyro.conf.Suppress[str] = field(default="wafer_net", init=False)
    width: int = 32
    """Channels of the second and third convolution, even."""
    dropout: float = 0.0
    """Probability of dropping an input of the last layer."""


Network = PreActResNet | WideResNet | DenseNet | MLP | Named | LeNet | VGG11 | WaferNet
