"""The pre-activation ResNet in PyTorch: the tests' independent reference and the benchmark's opponent.

Written from the description of the two variants (see mixup_jax/models/preact_resnet.py), with PyTorch's own layers and
defaults. The modules have the names of ours, so that weights can be copied over by name.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv with a shortcut."""

    def __init__(self, channels: int, features: int, stride: int, variant: str):
        super().__init__()
        self.variant = variant
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, features, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or channels != features:
            self.shortcut = nn.Conv2d(channels, features, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block to images in NCHW."""
        activated = functional.relu(self.bn1(x))
        if self.shortcut is not None:
            shortcut = self.shortcut(activated)
        elif self.variant == "F":
            shortcut = activated
        else:
            shortcut = x
        return self.conv2(functional.relu(self.bn2(self.conv1(activated)))) + shortcut


class PreActResNet(nn.Module):
    """PreAct ResNet, variants H and F; takes NCHW, returns logits."""

    def __init__(
        self,
        classes: int,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        variant: str = "H",
        channels: int = 3,
        stem_stride: int = 1,
    ):
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(channels, width, 3, stem_stride, padding=1, bias=False))
        if variant == "F":
            self.stem.add_module("bn", nn.BatchNorm2d(width))
            self.stem.add_module("relu", nn.ReLU())
        self.stages = len(blocks)
        channels = width
        for i, count in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(count):
                features, stride = width * 2**i, 2 if i > 0 and j == 0 else 1
                stage.add_module(f"block{j + 1}", Block(channels, features, stride, variant))
                channels = features
            self.add_module(f"stage{i + 1}", stage)
        self.head = nn.Sequential()
        self.head.add_module("dense", nn.Linear(channels, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of images in NCHW."""
        x = self.stem(x)
        for i in range(self.stages):
            x = self.get_submodule(f"stage{i + 1}")(x)
        return self.head(x.mean(dim=(2, 3)))


NAMES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def state_dict(tree: Mapping[str, Any], path: str = "") -> dict[str, torch.Tensor]:
    """Rename and transpose a tree of ours (parameters, their gradients, or "batch_stats") for `load_state_dict`."""
    result = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            result |= state_dict(value, f"{path}{name}.")
        else:
            array = np.asarray(value)
            if name == "kernel":  # (height, width, in, out) or (in, out); torch has the outputs first
                array = np.moveaxis(array, (-1, -2), (0, 1))
            result[path + NAMES[name]] = torch.tensor(array)
    return result
