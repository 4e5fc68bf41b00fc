"""The variables of a network as named tensors, for a file, and back: timm's names where it has the network."""

from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

from mixup_jax.choices.networks import ConvNeXt, Network, ViT
from mixup_jax.models.vit import sincos2d
from mixup_jax.weights.timm_form import timm_form
from mixup_jax.weights.timm_names import COUNTER, flat, flat_from_timm, to_timm


def to_tensors(model: Network, image_shape: tuple[int, ...], variables: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return ``{"params", "batch_stats"}`` as tensors, under timm's names and in its shapes where it has the network.

    Else the names are paths, ``params.stem.conv.kernel``. What timm stores and is computed here, such as fixed
    positions, is among timm's.

    >>> from mixup_jax.choices.networks import MLP, ResNet
    >>> variables = {"params": {"head": {"dense": {"kernel": np.zeros((4, 2))}}}, "batch_stats": {}}
    >>> {name: array.shape for name, array in to_tensors(MLP(), (2, 2, 1), variables).items()}
    {'params.head.dense.kernel': (4, 2)}
    >>> {name: array.shape for name, array in to_tensors(ResNet("resnet18"), (2, 2, 1), variables).items()}
    {'fc.weight': (2, 4)}
    """
    if isinstance(timm_form(model, image_shape), str):
        return {name.replace("/", "."): np.asarray(leaf) for name, leaf in flat(variables).items()}
    tensors = to_timm(model.name, variables["params"], variables.get("batch_stats"))
    counters = [name.replace("running_var", COUNTER) for name in tensors if name.endswith("running_var")]
    return tensors | dict.fromkeys(counters, np.zeros((), np.int64)) | _fixed(model, image_shape)


def from_tensors(
    model: Network, image_shape: tuple[int, ...], tensors: dict[str, np.ndarray], shapes: dict[str, Any]
) -> dict[str, Any]:
    """Return ``{"params", "batch_stats"}`` of tensors under the names and in the shapes of `to_tensors`.

    `shapes` are the same variables, as arrays or `jax.ShapeDtypeStruct`; the tensors must be those of `to_tensors`.
    """
    leaves = flat(shapes)
    if isinstance(timm_form(model, image_shape), str):
        found = {name: tensors[name.replace("/", ".")] for name in leaves}
    else:
        inner = {name: name.partition("/")[2] for name in leaves}  # without "params"
        own = flat_from_timm(model.name, tensors, {inner[name]: leaf.shape for name, leaf in leaves.items()})
        found = {name: own[inner[name]] for name in leaves}
    return {"params": {}, "batch_stats": {}} | unflatten_dict(found, sep="/")


def _fixed(model: Network, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return what timm keeps among its weights and what is computed, or is 1, here."""
    if isinstance(model, ConvNeXt) and not model.layer_scale:  # timm's create_model cannot leave LayerScale out
        ones = [np.ones(model.width * 2**stage, np.float32) for stage in range(len(model.blocks))]
        return {
            f"stages.{stage}.blocks.{block}.gamma": ones[stage]
            for stage, count in enumerate(model.blocks)
            for block in range(count)
        }
    if not isinstance(model, ViT) or model.positions != "sincos2d":
        return {}
    return {"pos_embed": sincos2d(image_shape[0] // model.patch, image_shape[1] // model.patch, model.width)[None]}
