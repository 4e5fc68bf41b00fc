"""Weights of ViT, ConvNeXt, MLP-Mixer and ResNet under timm's names and in timm's shapes, and back.

A ResNet has running statistics too, `mean` and `var` of each BatchNorm: they are named like parameters.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

STAGES = range(1, 5)
MODULES = {
    "vit": {
        r"stem/patches": "patch_embed.proj",
        r"head/norm": "norm",
        r"head/dense": "head",
        r"block(\d+)/norm(\d)": "blocks.{0}.norm{1}",
        r"block(\d+)/attention/qkv": "blocks.{0}.attn.qkv",
        r"block(\d+)/attention/out": "blocks.{0}.attn.proj",
        r"block(\d+)/mlp/dense(\d)": "blocks.{0}.mlp.fc{1}",
    },
    "convnext": {
        r"stem/patches": "stem.0",
        r"stem/norm": "stem.1",
        r"head/norm": "head.norm",
        r"head/dense": "head.fc",
        r"stage(\d+)/norm": "stages.{0}.downsample.0",
        r"stage(\d+)/halve": "stages.{0}.downsample.1",
        r"stage(\d+)/block(\d+)/conv": "stages.{0}.blocks.{1}.conv_dw",
        r"stage(\d+)/block(\d+)/norm": "stages.{0}.blocks.{1}.norm",
        r"stage(\d+)/block(\d+)/mlp/dense(\d)": "stages.{0}.blocks.{1}.mlp.fc{2}",
    },
    "mlp_mixer": {
        r"stem/patches": "stem.proj",
        r"head/norm": "norm",
        r"head/dense": "head",
        r"block(\d+)/norm(\d)": "blocks.{0}.norm{1}",
        r"block(\d+)/(tokens|channels)/dense(\d)": "blocks.{0}.mlp_{1}.fc{2}",
    },
    "resnet": {r"stem/conv": "conv1", r"stem/bn": "bn1", r"head/dense": "fc"}
    | {rf"stage{i}/block(\d+)/(conv|bn)(\d)": f"layer{i}.{{0}}.{{1}}{{2}}" for i in STAGES}
    | {rf"stage{i}/block(\d+)/shortcut": f"layer{i}.{{0}}.downsample.0" for i in STAGES}
    | {rf"stage{i}/block(\d+)/shortcut_bn": f"layer{i}.{{0}}.downsample.1" for i in STAGES},
}
"""Of each network the modules that have kernels or scales; numbers of blocks and stages are from 1, timm's from 0."""
SINGLE = {
    "vit": {
        r"stem/token": "cls_token",
        r"stem/positions": "pos_embed",
        r"block(\d+)/gamma(\d)": "blocks.{0}.ls{1}.gamma",
    },
    "convnext": {r"stage(\d+)/block(\d+)/gamma": "stages.{0}.blocks.{1}.gamma"},
    "mlp_mixer": {},
    "resnet": {},
}
"""Parameters that belong to no such module."""
COUNTED = ("block", "stage")
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
flat: Callable[..., dict[str, Any]] = partial(flatten_dict, sep="/")
"""Return the leaves of a tree of dictionaries by their paths, "head/dense/kernel"."""
COUNTER = "num_batches_tracked"
"""Which PyTorch's BatchNorm counts, and nothing depends on."""


def kind_of(network: str) -> str:
    """Return which of the four a network is, by the choice's name; raises ValueError for one that timm lacks.

    >>> kind_of("resnet50"), kind_of("vit")
    ('resnet', 'vit')
    """
    kind = "resnet" if re.fullmatch(r"resne(x?)t\d+(_\w+)?", network) else network
    if kind not in MODULES:
        raise ValueError(f"weights of {network} have no names in timm; those of {', '.join(MODULES)} do.")
    return kind


def timm_name(network: str, name: str) -> str:
    """Return timm's name of a parameter; `network` is the choice's name. Raises ValueError for one that timm lacks.

    >>> timm_name("vit", "block3/attention/qkv/kernel"), timm_name("convnext", "stage1/block2/gamma")
    ('blocks.2.attn.qkv.weight', 'stages.0.blocks.1.gamma')
    >>> timm_name("resnet18", "stage2/block1/shortcut_bn/mean")
    'layer2.0.downsample.1.running_mean'
    """
    kind = kind_of(network)
    module, leaf = name.rsplit("/", 1)
    for table, whole, ending in ((SINGLE, name, ""), (MODULES, module, f".{LEAVES.get(leaf)}")):
        for pattern, theirs in table[kind].items():
            if match := re.fullmatch(pattern, whole):
                return theirs.format(*_numbers(pattern, match)) + ending
    raise ValueError(f"timm's {network} has no parameter like {name}.")


def _numbers(pattern: str, match: re.Match) -> list[str]:
    """Return the groups of a match, numbers of blocks and stages less 1."""
    words = re.findall(r"([a-z]*)\((?:\\d|[a-z|]+)\+?\)", pattern)
    return [
        str(int(group) - 1) if word in COUNTED else group for word, group in zip(words, match.groups(), strict=True)
    ]


def to_timm(network: str, params: Mapping, batch_stats: Mapping | None = None) -> dict[str, np.ndarray]:
    """Return a state dictionary of parameters and statistics: kernels (outputs, inputs, ...), tokens (1, n, width).

    >>> state = to_timm("vit", {"stem": {"patches": {"kernel": np.zeros((4, 4, 3, 8))}, "token": np.zeros(8)}})
    >>> {name: array.shape for name, array in state.items()}
    {'patch_embed.proj.weight': (8, 3, 4, 4), 'cls_token': (1, 1, 8)}
    """
    leaves = flat(params) | flat(batch_stats or {})
    return {timm_name(network, name): _theirs(name, np.asarray(leaf)) for name, leaf in leaves.items()}


def flat_from_timm(
    network: str, state: Mapping[str, np.ndarray], shapes: Mapping[str, Iterable[int]]
) -> dict[str, np.ndarray]:
    """Return the arrays of a state dictionary that a network has, by their paths in it; nothing is compared.

    >>> flat_from_timm("vit", {"head.bias": np.ones(2)}, {"head/dense/bias": (2,), "head/dense/kernel": (8, 2)})
    {'head/dense/bias': array([1., 1.])}
    """
    theirs = {name: timm_name(network, name) for name in shapes}
    return {
        name: _ours(name, np.asarray(state[theirs[name]]), len(tuple(shape)))
        for name, shape in shapes.items()
        if theirs[name] in state
    }


def _theirs(name: str, leaf: np.ndarray) -> np.ndarray:
    if name.endswith("kernel"):
        return leaf.transpose(3, 2, 0, 1) if leaf.ndim == 4 else leaf.T
    if name in ("stem/token", "stem/positions"):
        return leaf.reshape(1, -1, leaf.shape[-1])
    return leaf


def _ours(name: str, leaf: np.ndarray, rank: int) -> np.ndarray:
    """Return an array as ours is laid out; one that cannot be is returned as it is: its shape does not fit."""
    if name.endswith("kernel") and leaf.ndim == 4:
        leaf = leaf.transpose(2, 3, 1, 0)
        return leaf[0, 0] if rank == 2 and leaf.shape[:2] == (1, 1) else leaf
    if name.endswith("kernel") and leaf.ndim == 2:
        return leaf.T
    while leaf.ndim > rank and 1 in (leaf.shape[0], leaf.shape[-1]):
        leaf = leaf[0] if leaf.shape[0] == 1 else leaf[..., 0]  # tokens (1, n, width), factors (width, 1, 1)
    return leaf
