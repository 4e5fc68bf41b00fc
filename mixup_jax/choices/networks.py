"""The options of the networks; the Linen modules that they describe have the same names in `mixup_jax.models`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

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
class ResNet(Checked):
    """ResNet or ResNeXt; its name, torchvision's, says its layers."""

    name: tyro.conf.Suppress[
        Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x4d", "resnext101_64x4d"]
    ]
    width: int = 64
    """64 is the published size; 32 halves every layer."""
    dropout: float = 0.0
    """Probability of dropping a unit before the last layer."""
    remat: bool = False
    """Compute the inside of each block again in the backward pass: slower, less memory."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds; it rises linearly from 0 at the first."""


@dataclass(frozen=True)
class Plain(Checked):
    """AlexNet or VGG; its name, torchvision's where it has one, says its layers."""

    name: tyro.conf.Suppress[Literal["alexnet", "alexnet_bn", "alexnet_gap", "vgg16", "vgg16_bn", "vgg16_gap"]]
    """_bn: BatchNorm; _gap: also global average pooling instead of hidden layers."""
    width: int = 64
    """64 is the published size; 32 halves every layer."""
    dropout: float = 0.0
    """Probability of dropping a unit before the last layer (_gap) or after each hidden layer."""
    remat: bool = False
    """Compute the inside of each stage again in the backward pass: slower, less memory."""


def attention_heads(width: int, heads: int | None) -> int:
    """Return the number of heads of attention, one for each 64 of the width if None is asked for.

    Raises ValueError where they do not divide the width.

    >>> attention_heads(384, None), attention_heads(16, None), attention_heads(192, 12)
    (6, 1, 12)
    """
    count = max(1, width // 64) if heads is None else heads
    if width % count:
        raise ValueError(f"heads must divide the width of {width}, got {count}.")
    return count


@dataclass(frozen=True)
class ViT(Checked):
    """Vision Transformer; the defaults are ViT-S/16 as DeiT and timm have it."""

    name: tyro.conf.Suppress[str] = field(default="vit", init=False)
    width: int = 384
    """Numbers of a token; four times as many hidden units in each block."""
    depth: int = 12
    """Blocks."""
    heads: int | None = None
    """Heads of attention; None: one for each 64 of the width."""
    patch: int = 16
    """Pixels of each side of a patch; it divides the image."""
    pool: Literal["token", "gap"] = "token"
    """What is classified: a class token, or the mean over all tokens."""
    positions: Literal["learned", "learned_patches", "sincos2d"] = "learned"
    """learned_patches: none for the class token (DeiT III). sincos2d: fixed, of patches alone (big_vision)."""
    layer_scale: float = 0.0
    """Start of LayerScale's factors; 0 is without them."""
    pre_logits: bool = False
    """A layer of tanh units before the last one."""
    gelu: Literal["exact", "tanh"] = "exact"
    """By the error function (DeiT, timm), or its approximation (big_vision)."""
    dropout: float = 0.0
    """Probability of dropping a unit after the positions, attention and each layer of an MLP."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds."""
    stochastic_depth_rule: Literal["linear", "uniform"] = "linear"
    """That of other blocks: it rises from 0 at the first, or is the same (DeiT III)."""
    stochastic_depth_rescale: bool = True
    """Multiply what is kept by 1 / (1 - probability)."""
    initialization: Literal["timm", "big_vision"] = "timm"
    """timm: kernels N(0, 0.02). big_vision: Xavier's uniform."""
    head_init: Literal["normal", "zeros"] = "normal"
    """Kernel of the last layer: N(0, 0.02), or zeros (big_vision)."""
    head_bias: float = 0.0
    """Start of the last layer's biases; big_vision has -6.9 for a loss of sigmoids over 1,000 classes."""
    remat: bool = False
    """Compute the inside of each block again in the backward pass: slower, less memory."""

    def __post_init__(self) -> None:
        """Validate the fields."""
        super().__post_init__()
        attention_heads(self.width, self.heads)
        if self.positions == "sincos2d" and (self.width % 4 or self.width < 8):
            raise ValueError(f"width must be a multiple of 4, 8 or more, for positions sincos2d, got {self.width}.")
        if self.positions == "learned_patches" and self.pool == "gap":
            raise ValueError("positions learned_patches is for pool token; without a class token it is learned.")
        _check_stochastic_depth(self)


@dataclass(frozen=True)
class ConvNeXt(Checked):
    """ConvNeXt; the defaults are ConvNeXt-T."""

    name: tyro.conf.Suppress[str] = field(default="convnext", init=False)
    width: int = 96
    """Channels of the first stage; they double from stage to stage."""
    blocks: tuple[int, ...] = (3, 3, 9, 3)
    """Blocks of each stage; the image halves from stage to stage."""
    patch: Literal[1, 2, 4] = 4
    """Pixels of each side of a patch of the stem; 1 or 2 for small images."""
    layer_scale: float = 1e-6
    """Start of LayerScale's factors; 0 is without them."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds; it rises linearly from 0 at the first."""
    remat: bool = False
    """Compute the inside of each block again in the backward pass: slower, less memory."""


@dataclass(frozen=True)
class MLPMixer(Checked):
    """MLP-Mixer; the defaults are Mixer-B/16."""

    name: tyro.conf.Suppress[str] = field(default="mlp_mixer", init=False)
    width: int = 768
    """Channels of a token, even; four times as many hidden units over channels, half as many over tokens."""
    depth: int = 12
    """Blocks."""
    patch: int = 16
    """Pixels of each side of a patch; it divides the image."""
    gelu: Literal["exact", "tanh"] = "exact"
    """By the error function (timm), or its approximation (the paper's code, big_vision)."""
    stochastic_depth: float = 0.0
    """Probability of leaving out what the last block adds."""
    stochastic_depth_rule: Literal["linear", "uniform"] = "linear"
    """That of other blocks: it rises from 0 at the first, or is the same (timm)."""
    stochastic_depth_rescale: bool = True
    """Multiply what is kept by 1 / (1 - probability); big_vision does not."""
    head_bias: float = 0.0
    """Start of the last layer's biases."""
    remat: bool = False
    """Compute the inside of each block again in the backward pass: slower, less memory."""

    def __post_init__(self) -> None:
        """Validate the fields."""
        super().__post_init__()
        if self.width % 2:
            raise ValueError(f"width must be even, half of it are hidden units over tokens, got {self.width}.")
        _check_stochastic_depth(self)


def _check_stochastic_depth(model: "ViT | MLPMixer") -> None:
    usual = model.stochastic_depth_rule == "linear" and model.stochastic_depth_rescale
    if model.stochastic_depth == 0 and not usual:
        raise ValueError("stochastic_depth_rule and _rescale are for stochastic depth, and it is 0: leave them out.")


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


Network = (
    PreActResNet | WideResNet | DenseNet | MLP | ResNet | Plain | LeNet | VGG11 | WaferNet | ViT | ConvNeXt | MLPMixer
)

_DEIT3: dict[str, Any] = {"positions": "learned_patches", "layer_scale": 1e-4}
SIZES: dict[str, Callable[..., Network]] = {
    "vit_tiny_patch16_224": partial(ViT, width=192),
    "vit_small_patch16_224": partial(ViT, width=384),
    "vit_base_patch16_224": partial(ViT, width=768),
    "vit_large_patch16_224": partial(ViT, width=1024, depth=24),
    "deit_tiny_patch16_224": partial(ViT, width=192),
    "deit_small_patch16_224": partial(ViT, width=384),
    "deit_base_patch16_224": partial(ViT, width=768),
    "deit3_small_patch16_224": partial(ViT, width=384, **_DEIT3),
    "deit3_base_patch16_224": partial(ViT, width=768, **_DEIT3),
    "convnext_atto": partial(ConvNeXt, width=40, blocks=(2, 2, 6, 2)),
    "convnext_femto": partial(ConvNeXt, width=48, blocks=(2, 2, 6, 2)),
    "convnext_pico": partial(ConvNeXt, width=64, blocks=(2, 2, 6, 2)),
    "convnext_nano": partial(ConvNeXt, width=80, blocks=(2, 2, 8, 2)),
    "convnext_tiny": partial(ConvNeXt, width=96),
    "convnext_small": partial(ConvNeXt, width=96, blocks=(3, 3, 27, 3)),
    "convnext_base": partial(ConvNeXt, width=128, blocks=(3, 3, 27, 3)),
    "mixer_s16_224": partial(MLPMixer, width=512, depth=8),
    "mixer_b16_224": partial(MLPMixer, width=768),
    "mixer_l16_224": partial(MLPMixer, width=1024, depth=24),
}
"""timm's names of sizes, for images of any size; what is stored of them is the network's own name and its options."""
