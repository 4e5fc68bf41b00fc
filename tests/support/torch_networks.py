"""Wide ResNet and DenseNet-BC in PyTorch, written from the papers, with the names of our parameters."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


def in_turn(network, x):
    """Apply the stem, the parts in `network.names`, and the head to images in NCHW."""
    x = network.stem(x)
    for name in network.names:
        x = network.get_submodule(name)(x)
    return network.head(F.relu(network.bn(x)).mean(dim=(2, 3)))


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs, 3)
        if stride != 1 or inputs != outputs:
            self.shortcut = conv(inputs, outputs, 1, stride)

    def forward(self, x):
        activated = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return y + (self.shortcut(activated) if hasattr(self, "shortcut") else x)


class WideResNet(nn.Module):
    def __init__(self, classes, width, blocks):
        super().__init__()
        self.stem, channels = conv(3, 16, 3), 16
        self.names = []
        for i, count in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(count):
                stage.add_module(f"block{j + 1}", WideBlock(channels, width * 2**i, 2 if i and not j else 1))
                channels = width * 2**i
            self.names.append(f"stage{i + 1}")
            self.add_module(self.names[-1], stage)
        self.bn, self.head = nn.BatchNorm2d(channels), nn.Linear(channels, classes)

    forward = in_turn


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x):
        y = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return torch.cat([x, y], dim=1)


class Transition(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), conv(inputs, outputs, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


class DenseNet(nn.Module):
    def __init__(self, classes, width, blocks):
        super().__init__()
        channels = 2 * width
        self.stem, self.names = conv(3, channels, 3), []
        for i, layers in enumerate(blocks):
            if i:
                self.names.append(f"transition{i}")
                self.add_module(self.names[-1], Transition(channels, channels // 2))
                channels //= 2
            block = nn.Sequential()
            for j in range(layers):
                block.add_module(f"layer{j + 1}", DenseLayer(channels, width))
                channels += width
            self.names.append(f"block{i + 1}")
            self.add_module(self.names[-1], block)
        self.bn, self.head = nn.BatchNorm2d(channels), nn.Linear(channels, classes)

    forward = in_turn
