"""Training in PyTorch as a contestant: the networks, images and recipe of ours, written the way people write it."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.peers import torch_preact_resnet
from mixup_jax.choices import AdamW
from mixup_jax.choices.networks import attention_heads
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.models import build


class TorchTraining:
    """Training with mixup (alpha 1) by SGD with momentum and coupled weight decay, or by AdamW, channels last.

    With `compiled`, network and loss are handed to `torch.compile`, which needs a C++ compiler.
    """

    def __init__(self, config: Config, data: Dataset, *, compiled: bool = False, seed: int = 0):
        torch.manual_seed(seed)
        self.generator = np.random.default_rng(seed)
        self.config = config
        model: Any = network(config, data)
        self.network = model.to(memory_format=torch.channels_last)
        self.optimizer = optimizer_of(config, self.network)
        self.loss: Any = torch.compile(self._loss) if compiled else self._loss
        self.mean, self.std = (torch.tensor(each).view(1, -1, 1, 1) for each in (data.mean, data.std))
        self.image, self.test_image = (
            torch.tensor(np.asarray(each)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            for each in (data.train_image, data.test_image)
        )
        self.label = functional.one_hot(torch.tensor(data.train_label).long(), len(data.classes)).float()
        self.test_label = torch.tensor(data.test_label).long()
        self.order, self.step = torch.empty(0, dtype=torch.long), 0
        self.steps = round(config.epochs * len(self.label) / config.batch_size)

    def _batch(self) -> torch.Tensor:
        size = self.config.batch_size
        while len(self.order) < size:
            self.order = torch.cat([self.order, torch.randperm(len(self.label))])
        index, self.order = self.order[:size], self.order[size:]
        return index

    def __call__(self, count: int) -> None:
        """Take that many steps."""
        self.network.train()
        for _ in range(count):
            index = self._batch()
            x, y = (self.image[index].float() / 255 - self.mean) / self.std, self.label[index]
            lam, partner = self.generator.beta(1.0, 1.0), torch.randperm(len(index))
            x, y = (lam * each + (1 - lam) * each[partner] for each in (x, y))
            self.optimizer.zero_grad()
            self.loss(x, y).backward()
            if self.config.schedule.name == "cosine":
                rate = self.config.optimizer.lr * 0.5 * (1 + np.cos(np.pi * self.step / self.steps))
                self.optimizer.param_groups[0]["lr"] = rate
            self.optimizer.step()
            self.step += 1

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.network(x), y)

    @torch.no_grad()
    def test_error(self) -> float:
        """Return the test error in per cent."""
        self.network.eval()
        wrong = 0
        for x, y in zip(self.test_image.split(500), self.test_label.split(500), strict=True):
            wrong += int((self.network((x.float() / 255 - self.mean) / self.std).argmax(1) != y).sum())
        return 100 * wrong / len(self.test_label)


def optimizer_of(config: Config, network: torch.nn.Module) -> torch.optim.Optimizer:
    """Return SGD, or AdamW in its fused form; with AdamW kernels decay, and nothing else, as in ours."""
    choice: Any = config.optimizer
    if not isinstance(choice, AdamW):
        return torch.optim.SGD(network.parameters(), choice.lr, choice.momentum, weight_decay=choice.weight_decay)
    named = list(network.named_parameters())
    decayed = {name for name, each in named if each.dim() > 1 and name not in ("cls_token", "pos_embed")}
    groups = [
        {"params": [each for name, each in named if name in decayed], "weight_decay": choice.weight_decay},
        {"params": [each for name, each in named if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, choice.lr, (choice.beta1, choice.beta2), choice.eps, fused=True)


def network(config: Config, data: Dataset) -> torch.nn.Module:
    """Build the network of a configuration: a PreAct ResNet, timm's ViT (of our definition), a perceptron."""
    classes, (size, _, channels) = len(data.classes), data.image_shape
    model: Any = build(config.model, classes)
    if config.model.name == "preact_resnet":
        return torch_preact_resnet.PreActResNet(
            classes, model.width, model.blocks, model.variant, channels=channels, stem_stride=model.stem_stride
        )
    if config.model.name == "vit":
        from timm.models.vision_transformer import VisionTransformer

        heads = attention_heads(model.width, model.heads)
        return VisionTransformer(
            size, model.patch, num_classes=classes, embed_dim=model.width, depth=model.depth, num_heads=heads
        )
    inputs, width = int(np.prod(data.image_shape)), model.width
    hidden = [torch.nn.Linear(inputs, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
    return torch.nn.Sequential(torch.nn.Flatten(), *hidden, torch.nn.Linear(width, classes))
