"""Weights of ViT, ConvNeXt, MLP-Mixer and ResNet under timm's names and in timm's shapes, and back.

A ResNet has running statistics too, `mean` and `var` of each BatchNorm: they are named like parameters.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

NAMES = {
    "vit": {
        r"stem/patches": "patch_embed.proj",
        r"stem/token": "cls_token",
        r"stem/positions": "pos_embed",
        r"head/norm": "norm",
        r"head/dense": "head",
        r"block(\d+)/norm(\d)": r"blocks.\1.norm\2",
        r"block(\d+)/gamma(\d)": r"blocks.\1.ls\2.gamma",
        r"block(\d+)/attention/qkv": r"blocks.\1.attn.qkv",
        r"block(\d+)/attention/out": r"blocks.\1.attn.proj",
        r"block(\d+)/mlp/dense(\d)": r"blocks.\1.mlp.fc\2",
    },
    "convnext": {
        r"stem/patches": "stem.0",
        r"stem/norm": "stem.1",
        r"head/norm": "head.norm",
        r"head/dense": "head.fc",
        r"stage(\d+)/norm": r"stages.\1.downsample.0",
        r"stage(\d+)/halve": r"stages.\1.downsample.1",
        r"stage(\d+)/block(\d+)/conv": r"stages.\1.blocks.\2.conv_dw",
        r"stage(\d+)/block(\d+)/norm": r"stages.\1.blocks.\2.norm",
        r"stage(\d+)/block(\d+)/gamma": r"stages.\1.blocks.\2.gamma",
        r"stage(\d+)/block(\d+)/mlp/dense(\d)": r"stages.\1.blocks.\2.mlp.fc\3",
    },
    "mlp_mixer": {
        r"stem/patches": "stem.proj",
        r"head/norm": "norm",
        r"head/dense": "head",
        r"block(\d+)/norm(\d)": r"blocks.\1.norm\2",
        r"block(\d+)/(tokens|channels)/dense(\d)": r"blocks.\1.mlp_\2.fc\3",
    },
    "resnet": {r"stem/conv": "conv1", r"stem/bn": "bn1", r"head/dense": "fc"}
    | {
        rf"stage{i}/block(\d+)/{ours}": rf"layer{i + 1}.\1.{theirs}"
        for i in range(4)
        for ours, theirs in (
            (r"(conv|bn)(\d)", r"\2\3"),
            ("shortcut", "downsample.0"),
            ("shortcut_bn", "downsample.1"),
        )
    },
}
"""What the modules and single parameters of each network become; blocks and stages count from 0, as timm's do."""
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
LEAF = rf"(\.(?:{'|'.join(dict.fromkeys(LEAVES.values()))}))?"
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
    if kind not in NAMES:
        raise ValueError(f"weights of {network} have no names in timm; those of {', '.join(NAMES)} do.")
    return kind


def timm_name(network: str, name: str) -> str:
    """Return timm's name of a parameter; `network` is the choice's name. Raises ValueError for one that timm lacks.

    >>> timm_name("vit", "block3/attention/qkv/kernel"), timm_name("convnext", "stage1/block2/gamma")
    ('blocks.2.attn.qkv.weight', 'stages.0.blocks.1.gamma')
    >>> timm_name("resnet18", "stage2/block1/shortcut_bn/mean")
    'layer2.0.downsample.1.running_mean'
    """
    table = NAMES[kind_of(network)]
    module, _, leaf = name.rpartition("/")
    torchs = f"{module}.{LEAVES[leaf]}" if leaf in LEAVES else name
    from_0 = re.sub(r"(?<=block|stage)\d+", lambda number: str(int(number[0]) - 1), torchs)
    if (found := renamed(table, from_0)) is None:
        raise ValueError(f"timm's {network} has no parameter like {name}.")
    return found


def renamed(table: Mapping[str, str], name: str) -> str | None:
    """Return what a name of PyTorch's kind becomes by a table of regular expressions, None where none matches.

    >>> renamed({r"layer(\\d+)/norm": r"blocks.\\1.norm"}, "layer3/norm.weight")
    'blocks.3.norm.weight'
    """
    for pattern, new in table.items():
        if match := re.fullmatch(pattern + LEAF, name):
            return match.expand(new) + (match[match.re.groups] or "")
    return None


def to_timm(network: str, params: Mapping, batch_stats: Mapping | None = None) -> dict[str, np.ndarray]:
    """Return a state dictionary of parameters and statistics: kernels (outputs, inputs, ...), tokens (1, n, width).

    >>> state = to_timm("vit", {"stem": {"patches": {"kernel": np.zeros((4, 4, 3, 8))}, "token": np.zeros(8)}})
    >>> {name: array.shape for name, array in state.items()}
    {'patch_embed.proj.weight': (8, 3, 4, 4), 'cls_token': (1, 1, 8)}
    """
    leaves = flat(params) | flat(batch_stats or {})
    return {timm_name(network, name): _theirs(name, np.asarray(leaf)) for name, leaf in leaves.items()}


def flat_from_timm(
    network: str, state: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Return the arrays of a state dictionary that a network has, by their paths in it; nothing is compared.

    >>> flat_from_timm("vit", {"head.bias": np.ones(2)}, {"head/dense/bias": (2,), "head/dense/kernel": (8, 2)})
    {'head/dense/bias': array([1., 1.])}
    """
    theirs = {name: timm_name(network, name) for name in shapes}
    return {
        name: _ours(name, np.asarray(state[theirs[name]]), len(shape))
        for name, shape in shapes.items()
        if theirs[name] in state
    }


def torch_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel of Flax as PyTorch lays it out."""
    return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T


def _theirs(name: str, leaf: np.ndarray) -> np.ndarray:
    if name.endswith("kernel"):
        return torch_kernel(leaf)
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
