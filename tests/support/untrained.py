"""Networks of a few thousand parameters with weights drawn at random, as `mixup_jax.load` would return them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices import networks
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.data.images.as_input import AsInput
from mixup_jax.models import build
from mixup_jax.network import Network

CLASSES = ("ape", "bee", "cat")
VIT: dict[str, Any] = {"width": 32, "depth": 2, "heads": 4, "patch": 4}
OF_TIMM: dict[str, tuple[networks.Network, tuple[int, int, int]]] = {
    "vit": (networks.ViT(**VIT), (8, 8, 3)),
    "grey": (networks.ViT(**VIT), (8, 12, 1)),
    "deit3": (networks.ViT(**VIT, positions="learned_patches", layer_scale=0.1), (8, 8, 3)),
    "fixed_positions": (networks.ViT(**VIT, positions="sincos2d"), (8, 8, 3)),
    "big_vision": (networks.ViT(**VIT, positions="sincos2d", pool="gap", gelu="tanh"), (8, 8, 3)),
    "convnext": (networks.ConvNeXt(width=8, blocks=(1, 2, 1, 1), layer_scale=0.1), (44, 36, 3)),
    "convnext_pixels": (networks.ConvNeXt(width=8, blocks=(1, 1, 1, 1), patch=1, layer_scale=0.0), (16, 16, 3)),
    "mixer_s16": (networks.MLPMixer(width=512, depth=8, patch=16), (32, 32, 3)),
    "resnet18": (networks.ResNet("resnet18"), (32, 32, 1)),
    "resnext": (networks.ResNet("resnext101_32x4d"), (32, 32, 3)),
}
"""Networks that timm has, and the shapes of their images."""
OF_OURS: dict[str, tuple[networks.Network, tuple[int, int, int]]] = {
    "preact_resnet": (networks.PreActResNet(width=4, blocks=(1, 1)), (8, 8, 3)),
    "wide_resnet": (networks.WideResNet(width=16, blocks=(1, 1)), (8, 8, 3)),
    "densenet": (networks.DenseNet(width=4, blocks=(1, 1)), (8, 8, 3)),
    "mlp": (networks.MLP(width=8), (8, 8, 1)),
    "narrow_resnet": (networks.ResNet("resnet18", width=8), (32, 32, 3)),
    "alexnet_gap": (networks.Plain("alexnet_gap", width=4), (64, 64, 3)),
    "vgg16": (networks.Plain("vgg16", width=4), (32, 32, 3)),
    "pre_logits": (networks.ViT(**VIT, pre_logits=True), (8, 8, 3)),
    "convnext_pairs": (networks.ConvNeXt(width=8, blocks=(1, 1, 1, 1), patch=2), (16, 16, 3)),
    "mlp_mixer": (networks.MLPMixer(width=32, depth=2, patch=4), (8, 8, 3)),
    "tanh_mixer": (networks.MLPMixer(width=32, depth=1, patch=4, gelu="tanh"), (8, 8, 3)),
}


def untrained(model: networks.Network, shape: tuple[int, int, int], seeds: int = 1) -> Network:
    """Return a network of some seeds for images of a shape, every leaf drawn at random, statistics too."""
    random, network = np.random.RandomState(0), build(model, len(CLASSES))
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    shapes = jax.eval_shape(partial(network.init, train=False), jax.random.key(0), image)

    def draw(path, leaf):
        kind = path[-1].key
        width = np.prod(leaf.shape[:-1]) ** -0.5 if kind == "kernel" else 0.2
        drawn = width * random.standard_normal((seeds, *leaf.shape)).astype(np.float32)
        return jnp.asarray(drawn + 1 if kind == "scale" else np.abs(drawn) + 0.5 if kind == "var" else drawn)

    drawn: Any = jax.tree_util.tree_map_with_path(draw, shapes)
    channels = shape[2]
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels]
    return Network(
        classes=CLASSES,
        model=network,
        params=drawn["params"],
        batch_stats=drawn.get("batch_stats", {}),
        mean=mean,
        std=std,
        as_input=AsInput(shape),
        seeds=tuple(range(seeds)),
        config=Config(model=model, seeds=seeds),
        identity=DataIdentity("SYNTHETIC", CLASSES, shape, mean, std, 9, 9, False, {"train_image": "0" * 64}),
        results={"test_error": {"last": [50.0] * seeds}, "method": "ERM", "dataset": "none", "command": "none"},
    )


def images_for(network: Network, count: int) -> np.ndarray:
    """Return uint8 images of noise."""
    return np.random.RandomState(1).randint(0, 256, (count, *network.image_shape)).astype(np.uint8)
