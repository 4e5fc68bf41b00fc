"""The networks: parameters, multiply-adds of one image at its size, paper, and where the definition was checked.

A name is what `--model` takes in every experiment on images; the options after a name are options there too. Sizes,
channels and classes are those of the published numbers, and all of them may be others: "ViT-S/16 at 224" trains at 96.
Counted from shapes: no weight is drawn and nothing is compiled.

Checked against: timm and torchvision, the same logits with the same weights (to 1e-4), or of large sizes the same names
and shapes of weights; their parts, put together anew; PyTorch, a step of the network written in it; count, the number
of parameters that was published. All of it is in tests/models.

    python -m experiments.models               # the whole list, in seconds
    python -m experiments.models vit resnet    # the names that contain one of the words
"""

import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from rich import box
from rich.table import Table

from experiments.commands.errors import one_line_errors
from experiments.commands.help import asks, print_about
from mixup_jax.choices.networks import Network, ViT
from mixup_jax.config import CHOICES
from mixup_jax.models import build
from mixup_jax.models.size import Size, size
from mixup_jax.runtime.console import Fitted, console


class Setting(NamedTuple):
    """What networks of one origin have in common."""

    shape: tuple[int, int, int]
    classes: int
    paper: str
    checked: str


class Entry(NamedTuple):
    """A network of the list."""

    name: str
    make: Callable[..., Network]
    setting: Setting


IMAGENET, CIFAR = (224, 224, 3), (32, 32, 3)
SPECTROGRAM, WAFER = (160, 101, 1), (52, 52, 2)
TORCHVISION, TIMM = "torchvision", "timm"
RESNET = Setting(IMAGENET, 1000, "arXiv 1512.03385", TORCHVISION)
RESNEXT = Setting(IMAGENET, 1000, "arXiv 1611.05431", TORCHVISION)
ALEXNET = Setting(IMAGENET, 1000, "arXiv 1404.5997", TORCHVISION)
VGG = Setting(IMAGENET, 1000, "arXiv 1409.1556", TORCHVISION)
VIT = Setting(IMAGENET, 1000, "arXiv 2010.11929", TIMM)
DEIT = Setting(IMAGENET, 1000, "arXiv 2012.12877", TIMM)
DEIT3 = Setting(IMAGENET, 1000, "arXiv 2204.07118", TIMM)
CONVNEXT = Setting(IMAGENET, 1000, "arXiv 2201.03545", TIMM)
MIXER = Setting(IMAGENET, 1000, "arXiv 2105.01601", TIMM)
SETTINGS = {
    "preact_resnet": Setting(CIFAR, 10, "arXiv 1603.05027", "PyTorch, count"),
    "wide_resnet": Setting(CIFAR, 10, "arXiv 1605.07146", "PyTorch, count"),
    "densenet": Setting(CIFAR, 10, "arXiv 1608.06993", "PyTorch, count"),
    "mlp": Setting((8, 8, 1), 10, "arXiv 1710.09412", "by hand"),
    "lenet": Setting(SPECTROGRAM, 30, "arXiv 1710.09412", "count"),
    "vgg11": Setting(SPECTROGRAM, 30, "arXiv 1409.1556", "count"),
    "wafer_net": Setting(WAFER, 8, "this project", "by hand"),
    "resnext": RESNEXT,
    "resnet": RESNET,
    "alexnet_": ALEXNET._replace(checked="torchvision's parts"),
    "alexnet": ALEXNET,
    "vgg16_gap": VGG._replace(checked="torchvision's parts"),
    "vgg16": VGG,
    "deit3": DEIT3,
    "deit": DEIT,
    "vit": VIT,
    "convnext": CONVNEXT,
    "mixer": MIXER,
    "mlp_mixer": MIXER,
}
"""By the beginning of a name; the longest that fits counts."""
BIG_VISION = {"pool": "gap", "positions": "sincos2d", "pre_logits": True}
"""What makes a ViT that of "Better plain ViT baselines for ImageNet-1k"."""
BASELINE = Setting(IMAGENET, 1000, "arXiv 2205.01580", "timm's parts, count")
OPTIONS = [
    Entry("vit --pool gap --positions sincos2d --pre-logits", partial(ViT, **BIG_VISION), BASELINE),
    Entry("vit --width 192 --patch 4", partial(ViT, width=192, patch=4), VIT._replace(shape=CIFAR, classes=100)),
    Entry(
        "vit --width 192 --depth 6 --patch 4",
        partial(ViT, width=192, depth=6, patch=4),
        VIT._replace(shape=CIFAR, classes=10),
    ),
]
"""Networks that have no name of their own."""


def entries() -> list[Entry]:
    """Return all networks: those that have a name, then those that options make."""
    return [Entry(name, make, setting_of(name)) for name, make in CHOICES["model"].items()] + OPTIONS


def setting_of(name: str) -> Setting:
    """Return what is said of a name here.

    >>> setting_of("vgg16_bn").paper, setting_of("vgg11").paper, setting_of("deit3_small_patch16_224").paper
    ('arXiv 1409.1556', 'arXiv 1409.1556', 'arXiv 2204.07118')
    """
    return SETTINGS[max((each for each in SETTINGS if name.startswith(each)), key=len)]


def size_of(entry: Entry) -> Size:
    """Return the size of a network of the list, at the size of its images."""
    return _size(entry.make(), entry.setting.classes, entry.setting.shape)


@cache
def _size(network: Network, classes: int, shape: tuple[int, ...]) -> Size:
    return size(build(network, classes), shape)


def table(chosen: Sequence[Entry]) -> Table:
    """Return the table of these networks."""
    columns = ("--model", "parameters", "G mult-adds", "image", "paper", "checked against")
    found = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for index in (1, 2, 3):
        found.columns[index].justify = "right"
    for entry in chosen:
        parameters, multiply_adds = size_of(entry)
        image, billions = "x".join(map(str, entry.setting.shape)), f"{multiply_adds / 1e9:.3f}"
        found.add_row(entry.name, f"{parameters:,}", billions, image, entry.setting.paper, entry.setting.checked)
    return found


def main(words: list[str]) -> None:
    """Print the list, or of it what contains one of the words; raises ValueError where nothing does."""
    if asks(words):
        print_about(__doc__ or "", "usage: python -m experiments.models [WORD ...]")
        return
    chosen = [entry for entry in entries() if not words or any(word in entry.name for word in words)]
    if not chosen:
        raise ValueError(f"no network's name contains {' or '.join(words)}; without words all are listed.")
    console().print(Fitted(table(chosen)))


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
