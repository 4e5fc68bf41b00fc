"""Weights of ViT, ConvNeXt, MLP-Mixer and ResNet under timm's names and in timm's shapes, and back. NumPy alone."""

import re

import numpy as np

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
    "resnet": {
        r"stem/conv": "conv1",
        r"stem/bn": "bn1",
        r"head/dense": "fc",
        r"(?:stage)(\d+)/block(\d+)/(conv|bn)(\d)": "layer{0}.{1}.{2}{3}",
        r"(?:stage)(\d+)/block(\d+)/shortcut": "layer{0}.{1}.downsample.0",
        r"(?:stage)(\d+)/block(\d+)/shortcut_bn": "layer{0}.{1}.downsample.1",
    },
}
"""Of each network the modules that have kernels or scales; numbers of blocks and stages are from 1, timm's from 0.

But for the stages of a ResNet, timm's layers: from 1 too, and so the word is kept away from `_numbers`."""
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


def timm_name(network: str, name: str) -> str:
    """Return timm's name of a parameter; `network` is the choice's name. Raises ValueError for one that timm lacks.

    >>> timm_name("vit", "block3/attention/qkv/kernel"), timm_name("convnext", "stage1/block2/gamma")
    ('blocks.2.attn.qkv.weight', 'stages.0.blocks.1.gamma')
    """
    module, leaf = name.rsplit("/", 1)
    family = "resnet" if network.startswith(("resnet", "resnext")) else network
    for table, whole, ending in ((SINGLE, name, ""), (MODULES, module, f".{LEAVES.get(leaf)}")):
        for pattern, theirs in table.get(family, {}).items():
            if match := re.fullmatch(pattern, whole):
                return theirs.format(*_numbers(pattern, match)) + ending
    raise ValueError(f"timm's {network} has no parameter like {name}.")


def _numbers(pattern: str, match: re.Match) -> list[str]:
    """Return the groups of a match, numbers of blocks and stages less 1."""
    words = re.findall(r"([a-z]*)\((?:\\d|[a-z|]+)\+?\)", pattern)
    return [
        str(int(group) - 1) if word in COUNTED else group for word, group in zip(words, match.groups(), strict=True)
    ]


def to_timm(network: str, params: dict) -> dict[str, np.ndarray]:
    """Return a state dictionary of parameters: kernels (outputs, inputs, ...), tokens and positions (1, n, width).

    Statistics of BatchNorm may be among them, each beside the scale and bias of its layer.

    >>> state = to_timm("vit", {"stem": {"patches": {"kernel": np.zeros((4, 4, 3, 8))}, "token": np.zeros(8)}})
    >>> {name: array.shape for name, array in state.items()}
    {'patch_embed.proj.weight': (8, 3, 4, 4), 'cls_token': (1, 1, 8)}
    """
    return {timm_name(network, name): _theirs(name, np.asarray(leaf)) for name, leaf in flat(params).items()}


def from_timm(network: str, state: dict[str, np.ndarray], shapes: dict) -> dict:
    """Return parameters of a state dictionary; `shapes` is a tree of them, of arrays or `jax.ShapeDtypeStruct`.

    Fully connected layers that timm stores as 1 x 1 convolutions fit too. Raises ValueError for names that are missing
    on either side, and for shapes that do not fit.
    """
    ours = {name: timm_name(network, name) for name in flat(shapes)}
    lacking, left = sorted(set(ours.values()) - state.keys()), sorted(state.keys() - set(ours.values()))
    if lacking or left:
        raise ValueError(f"the weights lack {lacking or 'nothing'}, and have {left or 'nothing'} besides.")
    params = {}
    for name, leaf in flat(shapes).items():
        array = _ours(name, np.asarray(state[ours[name]]), len(leaf.shape))
        if array.shape != tuple(leaf.shape):
            raise ValueError(f"{ours[name]} is {state[ours[name]].shape}; {name} has the shape {tuple(leaf.shape)}.")
        *modules, last = name.split("/")
        inner = params
        for module in modules:
            inner = inner.setdefault(module, {})
        inner[last] = array
    return params


def flat(tree: dict, prefix: str = "") -> dict:
    """Return the leaves of a tree of dictionaries by their paths.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a/b': 1, 'c': 2}
    """
    leaves = {}
    for name, value in tree.items():
        leaves |= flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def _theirs(name: str, leaf: np.ndarray) -> np.ndarray:
    if name.endswith("kernel"):
        return leaf.transpose(3, 2, 0, 1) if leaf.ndim == 4 else leaf.T
    if name in ("stem/token", "stem/positions"):
        return leaf.reshape(1, -1, leaf.shape[-1])
    return leaf


def _ours(name: str, leaf: np.ndarray, rank: int) -> np.ndarray:
    if name.endswith("kernel"):
        return leaf.transpose(2, 3, 1, 0) if rank == 4 else leaf.reshape(leaf.shape[:2]).T
    if name in ("stem/token", "stem/positions"):
        return leaf[0, 0] if rank == 1 else leaf[0]
    return leaf
