"""Small networks of ours, timm's of the same definition, and timm's logits, stored for machines without it.

python tests/support/timm_networks.py      # computes the logits again: needs timm and torch
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices.networks import ConvNeXt, MLPMixer, Network, ViT
from mixup_jax.models import build
from mixup_jax.models.vit import sincos2d
from mixup_jax.weights.timm_names import to_timm

STORED = Path(__file__).resolve().parents[1] / "models" / "timm_logits.npz"
CLASSES = 7
IMAGES = 3


class Pair(NamedTuple):
    """A network of ours, the class of timm's and its options, and the side of the images."""

    model: Network
    kind: str
    options: dict[str, Any]
    size: int = 24


VIT = {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4}
OURS = {"width": 32, "depth": 2, "heads": 4, "patch": 4}
PAIRS = {
    "vit": Pair(ViT(**OURS), "vision_transformer.VisionTransformer", VIT),
    "deit3": Pair(
        ViT(**OURS, positions="learned_patches", layer_scale=0.1),
        "vision_transformer.VisionTransformer",
        VIT | {"no_embed_class": True, "init_values": 0.1},
    ),
    "big_vision": Pair(
        ViT(**OURS, positions="sincos2d", pool="gap", gelu="tanh", initialization="big_vision"),
        "vision_transformer.VisionTransformer",
        VIT | {"class_token": False, "global_pool": "avg", "fc_norm": False, "act_layer": "gelu_tanh"},
    ),
    "convnext": Pair(
        ConvNeXt(width=8, blocks=(1, 2, 1, 1), layer_scale=0.1),
        "convnext.ConvNeXt",
        {"depths": (1, 2, 1, 1), "dims": (8, 16, 32, 64), "ls_init_value": 0.1},
        44,  # 11, 5, 2, 1
    ),
    "convnext_without_scale": Pair(
        ConvNeXt(width=8, blocks=(1, 1, 1, 1), layer_scale=0.0),
        "convnext.ConvNeXt",
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64), "ls_init_value": None, "conv_mlp": True},
        32,
    ),
    "mlp_mixer": Pair(
        MLPMixer(width=32, depth=2, patch=4),
        "mlp_mixer.MlpMixer",
        {"patch_size": 4, "num_blocks": 2, "embed_dim": 32},
    ),
}


def drawn(model: Network, size: int, classes: int = CLASSES) -> tuple[Any, np.ndarray, dict]:
    """Return the network, images in [-1, 1] and parameters, the same for everybody: of NumPy's frozen generator."""
    network, random = build(model, classes), np.random.RandomState(0)
    image = random.uniform(-1, 1, (IMAGES, size, size, 3)).astype(np.float32)
    shapes = jax.eval_shape(partial(network.init, train=False), jax.random.key(0), jnp.asarray(image))["params"]

    def draw(path, leaf):
        kind = path[-1].key
        start, width = (1.0, 0.2) if kind == "scale" else (0.0, 0.5 if kind == "bias" else 1.0)
        width *= np.prod(leaf.shape[:-1]) ** -0.5 if kind == "kernel" else 1.0
        return (start + width * random.standard_normal(leaf.shape)).astype(np.float32)

    return network, image, jax.tree_util.tree_map_with_path(draw, shapes)


def ours(model: Network, size: int, classes: int = CLASSES) -> np.ndarray:
    """Return our logits of the images that are drawn."""
    network, image, params = drawn(model, size, classes)
    return np.asarray(jax.jit(partial(network.apply, train=False))({"params": params}, image))


def theirs(reference: Any, model: Network, size: int, classes: int = CLASSES) -> np.ndarray:
    """Return the logits of timm's network, our parameters copied into it; raises RuntimeError if they do not fit."""
    import torch

    _, image, params = drawn(model, size, classes)
    state, there = to_timm(model.name, params), reference.state_dict()
    if getattr(model, "positions", "") == "sincos2d":
        side = size // model.patch  # type: ignore
        state["pos_embed"] = sincos2d(side, side, model.width)[None]
    state = {name: torch.tensor(leaf.reshape(there[name].shape)) for name, leaf in state.items()}
    reference.load_state_dict(state)
    with torch.no_grad():
        return reference.eval()(torch.tensor(image).permute(0, 3, 1, 2)).numpy()


def small(pair: Pair) -> Any:
    """Return timm's network of a pair."""
    import importlib

    module, kind = pair.kind.split(".")
    options = pair.options | ({} if module == "convnext" else {"img_size": pair.size})
    return getattr(importlib.import_module(f"timm.models.{module}"), kind)(num_classes=CLASSES, **options)


if __name__ == "__main__":
    logits = {name: theirs(small(pair), pair.model, pair.size) for name, pair in PAIRS.items()}
    np.savez_compressed(STORED, **logits)
    for name, values in logits.items():
        print(name, abs(values).max(), abs(values - ours(PAIRS[name].model, PAIRS[name].size)).max())
