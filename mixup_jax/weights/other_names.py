"""Names of weights in files of other libraries, turned into timm's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixup_jax.weights.timm_names import LEAVES, renamed, torch_kernel

IMAGENET, HALF = "imagenet", "half"


@dataclass(frozen=True)
class Names:
    """How a library names the weights of a network."""

    origin: str
    known_by: str
    """The name of an array that no other has."""
    modules: Mapping[str, str]
    """Regular expressions of the names of modules and single arrays, and what they become."""
    normalize: str | None = None
    """How its images are normalised, where all networks of this kind agree."""
    gelu: str | None = "exact"
    """None where there is no GELU."""


STAGES = range(4)
ATTENTION = r"\.attention\.attention\.(query|key|value)"
BLOCK = r"Transformer\.encoderblock_(\d+)"
MIXER = r"MixerBlock_(\d+)"
LIBRARIES = (
    Names(
        "AugReg or big_vision",
        "embedding.weight",
        {
            r"embedding": "patch_embed.proj",
            r"cls": "cls_token",
            r"(?:Transformer\.)?(?:posembed_input\.)?pos_embedding": "pos_embed",
            rf"{BLOCK}\.LayerNorm_0": r"blocks.\1.norm1",
            rf"{BLOCK}\.LayerNorm_[12]": r"blocks.\1.norm2",
            rf"{BLOCK}\.MultiHeadDotProductAttention_[01]\.(query|key|value)": r"blocks.\1.attn.\2",
            rf"{BLOCK}\.MultiHeadDotProductAttention_[01]\.out": r"blocks.\1.attn.proj",
            rf"{BLOCK}\.MlpBlock_[03]\.Dense_0": r"blocks.\1.mlp.fc1",
            rf"{BLOCK}\.MlpBlock_[03]\.Dense_1": r"blocks.\1.mlp.fc2",
            r"Transformer\.encoder_norm": "norm",
        },
        HALF,
        "tanh",
    ),
    Names(
        "the Mixer of its authors or big_vision",
        "stem.weight",
        {
            r"stem": "stem.proj",
            rf"{MIXER}\.LayerNorm_0": r"blocks.\1.norm1",
            rf"{MIXER}\.LayerNorm_1": r"blocks.\1.norm2",
            rf"{MIXER}\.token_mixing\.Dense_0": r"blocks.\1.mlp_tokens.fc1",
            rf"{MIXER}\.token_mixing\.Dense_1": r"blocks.\1.mlp_tokens.fc2",
            rf"{MIXER}\.channel_mixing\.Dense_0": r"blocks.\1.mlp_channels.fc1",
            rf"{MIXER}\.channel_mixing\.Dense_1": r"blocks.\1.mlp_channels.fc2",
            r"pre_head_layer_norm": "norm",
        },
        HALF,
        "tanh",
    ),
    Names(
        "a ViT of Hugging Face",
        "embeddings.patch_embeddings.projection.weight",
        {
            r"embeddings\.cls_token": "cls_token",
            r"embeddings\.position_embeddings": "pos_embed",
            r"embeddings\.patch_embeddings\.projection": "patch_embed.proj",
            rf"encoder\.layer\.(\d+){ATTENTION}": r"blocks.\1.attn.\2",
            r"encoder\.layer\.(\d+)\.attention\.output\.dense": r"blocks.\1.attn.proj",
            r"encoder\.layer\.(\d+)\.intermediate\.dense": r"blocks.\1.mlp.fc1",
            r"encoder\.layer\.(\d+)\.output\.dense": r"blocks.\1.mlp.fc2",
            r"encoder\.layer\.(\d+)\.layernorm_before": r"blocks.\1.norm1",
            r"encoder\.layer\.(\d+)\.layernorm_after": r"blocks.\1.norm2",
            r"layernorm": "norm",
            r"pooler\.dense": "pre_logits",  # trained with a head that is gone
            r"classifier": "head",
        },
    ),
    Names(
        "a ConvNeXt of Hugging Face",
        "embeddings.patch_embeddings.weight",
        {
            r"embeddings\.patch_embeddings": "stem.0",
            r"embeddings\.layernorm": "stem.1",
            r"encoder\.stages\.(\d)\.downsampling_layer\.(\d)": r"stages.\1.downsample.\2",
            r"encoder\.stages\.(\d)\.layers\.(\d+)\.dwconv": r"stages.\1.blocks.\2.conv_dw",
            r"encoder\.stages\.(\d)\.layers\.(\d+)\.layernorm": r"stages.\1.blocks.\2.norm",
            r"encoder\.stages\.(\d)\.layers\.(\d+)\.pwconv(\d)": r"stages.\1.blocks.\2.mlp.fc\3",
            r"encoder\.stages\.(\d)\.layers\.(\d+)\.layer_scale_parameter": r"stages.\1.blocks.\2.gamma",
            r"layernorm": "head.norm",
            r"classifier": "head.fc",
        },
        IMAGENET,
    ),
    Names(
        "a ResNet of Hugging Face",
        "embedder.embedder.convolution.weight",
        {
            r"embedder\.embedder\.convolution": "conv1",
            r"embedder\.embedder\.normalization": "bn1",
            r"classifier\.1": "fc",
        }
        | {
            rf"encoder\.stages\.{i}\.layers\.(\d+)\.layer\.{k}\.{theirs}": rf"layer{i + 1}.\1.{ours}{k + 1}"
            for i in STAGES
            for k in range(3)
            for theirs, ours in (("convolution", "conv"), ("normalization", "bn"))
        }
        | {
            rf"encoder\.stages\.{i}\.layers\.(\d+)\.shortcut\.{theirs}": rf"layer{i + 1}.\1.downsample.{k}"
            for i in STAGES
            for k, theirs in enumerate(("convolution", "normalization"))
        },
        IMAGENET,
        None,
    ),
    Names(
        "a ViT of torchvision",
        "conv_proj.weight",
        {
            r"class_token": "cls_token",
            r"conv_proj": "patch_embed.proj",
            r"encoder\.pos_embedding": "pos_embed",
            r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)": r"blocks.\1.norm\2",
            r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(weight|bias)": r"blocks.\1.attn.qkv.\2",
            r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj": r"blocks.\1.attn.proj",
            r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)": r"blocks.\1.mlp.fc1",
            r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)": r"blocks.\1.mlp.fc2",
            r"encoder\.ln": "norm",
            r"heads\.head": "head",
        },
        IMAGENET,
    ),
    Names(
        "a ConvNeXt of torchvision",
        "features.0.0.weight",
        {r"features\.0\.(\d)": r"stem.\1", r"classifier\.0": "head.norm", r"classifier\.2": "head.fc"}
        | {
            rf"features\.{2 * i + 1}\.(\d+)\.{theirs}": rf"stages.{i}.blocks.\1.{ours}"
            for i in STAGES
            for theirs, ours in (
                (r"block\.0", "conv_dw"),
                (r"block\.2", "norm"),
                (r"block\.3", "mlp.fc1"),
                (r"block\.5", "mlp.fc2"),
                ("layer_scale", "gamma"),
            )
        }
        | {rf"features\.{2 * i}\.(\d)": rf"stages.{i}.downsample.\1" for i in STAGES if i},
        IMAGENET,
    ),
    Names(
        "a ConvNeXt of its authors",
        "downsample_layers.0.0.weight",
        {
            r"downsample_layers\.0\.(\d)": r"stem.\1",
            r"downsample_layers\.([1-3])\.(\d)": r"stages.\1.downsample.\2",
            r"stages\.(\d)\.(\d+)\.dwconv": r"stages.\1.blocks.\2.conv_dw",
            r"stages\.(\d)\.(\d+)\.norm": r"stages.\1.blocks.\2.norm",
            r"stages\.(\d)\.(\d+)\.pwconv(\d)": r"stages.\1.blocks.\2.mlp.fc\3",
            r"stages\.(\d)\.(\d+)\.gamma": r"stages.\1.blocks.\2.gamma",
            r"norm": "head.norm",
            r"head": "head.fc",
        },
        IMAGENET,
    ),
    Names(
        "a DeiT III of its authors",
        "blocks.0.gamma_1",
        {r"blocks\.(\d+)\.gamma_(\d)": r"blocks.\1.ls\2.gamma"},
        IMAGENET,
    ),
    Names("a ResNet of timm or torchvision", "layer1.0.conv1.weight", {}, IMAGENET, None),
    Names("a ConvNeXt of timm", "stages.0.blocks.0.conv_dw.weight", {}, IMAGENET),
    Names("a ViT of timm", "patch_embed.proj.weight", {}),
    Names("an MLP-Mixer of timm", "blocks.0.mlp_tokens.fc1.weight", {}),
)
"""The first that knows a file names it; the last four are timm's own names."""
OF_FLAX = ("opt/target/", "params/")
"""Before the weights in a file that holds the state of the optimiser too."""
PREFIXES = r"^(vit|convnext|resnet)\."


def library_of(state: Mapping[str, object]) -> Names:
    """Return how the arrays of a file are named; raises ValueError for names of no network that is known."""
    there = {re.sub(PREFIXES, "", name) for name in state}
    for names in LIBRARIES:
        if names.known_by in there:
            return names
    raise ValueError(
        f"its {len(state)} arrays, such as {sorted(state)[0]!r}, are of no ViT, ConvNeXt, ResNet or MLP-Mixer that is "
        "known here."
    )


def in_timms_names(names: Names, state: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays by timm's names, and their own names by these; what is not known keeps its own name.

    Queries, keys and values that are apart are laid side by side. Raises ValueError where two arrays have one name.
    """
    arrays, own = {}, {}
    for name, array in state.items():
        bare = re.sub(PREFIXES, "", name)
        new = renamed(names.modules, bare) or bare
        if new in arrays:
            raise ValueError(f"{name} and {own[new]} are both {new} of timm.")
        arrays[new], own[new] = array, name
    for query in [name for name in arrays if ".attn.query." in name]:
        three = [query.replace("query", each) for each in ("query", "key", "value")]
        if not all(each in arrays for each in three):
            raise ValueError(f"{own[query]} is there without its key and value.")
        joined = query.replace("query", "qkv")
        own[joined] = own[query]
        arrays[joined] = np.concatenate([arrays.pop(each) for each in three])
    return arrays, own


def as_torch(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str], int | None]:
    """Return arrays of Flax, as AugReg and big_vision save them, with names and layout as PyTorch has them; beside them
    their own names by these, and the heads of attention.

    What is not below `params` or `target`, where there are such, belongs to an optimiser and is left out.

    >>> arrays = {"params/head/kernel": np.zeros((8, 3)), "opt/count": np.zeros(1)}
    >>> found, names, _ = as_torch(arrays)
    >>> {name: array.shape for name, array in found.items()}, names
    ({'head.weight': (3, 8)}, {'head.weight': 'params/head/kernel'})
    """
    prefix = next((each for each in OF_FLAX if any(name.startswith(each) for name in arrays)), "")
    mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    found, names, heads = {}, {}, None
    for name, array in mine.items():
        *modules, leaf = name.split("/")
        if re.search("/(query|key|value)/kernel$", name) and array.ndim == 3:
            heads = array.shape[1]
            array = array.reshape(len(array), -1)
        elif re.search("/(query|key|value)/bias$", name) or (name.endswith("/out/kernel") and array.ndim == 3):
            array = array.reshape(-1, *array.shape[2:])
        if leaf == "kernel":
            array = torch_kernel(array)
        new = ".".join([*modules, LEAVES.get(leaf, leaf)])
        found[new], names[new] = array, prefix + name
    return found, names, heads
