"""Networks in PyTorch, written from the papers, with the names of our parameters."""

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


class Block(nn.Module):
    """Convolutions, each (features, size, stride, groups), with BatchNorm after each and a shortcut around all."""

    def __init__(self, channels, layers):
        super().__init__()
        self.count, inputs, stride = len(layers), channels, 1
        for i, (features, size, step, groups) in enumerate(layers, start=1):
            convolution = nn.Conv2d(channels, features, size, step, size // 2, groups=groups, bias=False)
            self.add_module(f"conv{i}", convolution)
            self.add_module(f"bn{i}", nn.BatchNorm2d(features))
            channels, stride = features, stride * step
        self.changes = stride != 1 or inputs != channels
        if self.changes:
            self.shortcut = nn.Conv2d(inputs, channels, 1, stride, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + (self.shortcut_bn(self.shortcut(x)) if self.changes else x))


class ResNet(nn.Module):
    def __init__(self, classes, width, blocks, bottleneck=True, groups=1, group_width=64):
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(3, width, 7, 2, 3, bias=False))
        self.stem.add_module("bn", nn.BatchNorm2d(width))
        channels, self.stages = width, len(blocks)
        for i, count in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(count):
                features, stride = width * 2**i, 2 if i and not j else 1
                inner = features * group_width // 64 * groups
                if bottleneck:
                    layers = [(inner, 1, 1, 1), (inner, 3, stride, groups), (4 * features, 1, 1, 1)]
                else:
                    layers = [(features, 3, stride, 1), (features, 3, 1, 1)]
                stage.add_module(f"block{j + 1}", Block(channels, layers))
                channels = layers[-1][0]
            self.add_module(f"stage{i + 1}", stage)
        self.head = nn.Sequential()
        self.head.add_module("dense", nn.Linear(channels, classes))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        for i in range(self.stages):
            x = self.get_submodule(f"stage{i + 1}")(x)
        return self.head(x.mean(dim=(2, 3)))


class Plain(nn.Module):
    """Stages of convolutions, each (features, size, stride, padding), pooling after each stage, two hidden layers."""

    def __init__(self, classes, stages, pool, size, hidden):
        super().__init__()
        self.stages, self.pool, self.size, channels = len(stages), pool, size, 3
        for i, layers in enumerate(stages, start=1):
            stage = nn.ModuleDict()
            for j, (features, width, stride, padding) in enumerate(layers, start=1):
                stage[f"conv{j}"] = nn.Conv2d(channels, features, width, stride, padding)
                channels = features
            self.add_module(f"stage{i}", stage)
        self.head = nn.ModuleDict(
            {
                "hidden1": nn.Linear(channels * size * size, hidden),
                "hidden2": nn.Linear(hidden, hidden),
                "dense": nn.Linear(hidden, classes),
            }
        )

    def forward(self, x):
        for i in range(1, self.stages + 1):
            for convolution in self.get_submodule(f"stage{i}").values():
                x = F.relu(convolution(x))
            x = F.max_pool2d(x, self.pool, 2)
        x = F.adaptive_avg_pool2d(x, self.size).permute(0, 2, 3, 1).flatten(1)  # our channels come last
        for name in ("hidden1", "hidden2"):
            x = F.relu(self.head[name](x))
        return self.head["dense"](x)


def alexnet(classes, features, hidden):
    one, two, *rest = features
    stages = [[(one, 11, 4, 2)], [(two, 5, 1, 2)], [(each, 3, 1, 1) for each in rest]]
    return Plain(classes, stages, 3, 6, hidden)


def vgg(classes, width, blocks):
    stages = [[(width * 2 ** min(i, 3), 3, 1, 1)] * count for i, count in enumerate(blocks)]
    return Plain(classes, stages, 2, 7, 64 * width)
