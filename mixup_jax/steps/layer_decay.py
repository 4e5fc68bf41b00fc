"""Layer-wise decay of the learning rate: which parameter belongs to which layer, and its share of the rate."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import optax

GROUP = 3
"""Blocks of ConvNeXt's third stage that share a learning rate (arXiv 2201.03545, appendix A.2)."""


def scale_by_layer(decay: float) -> optax.GradientTransformation:
    """Multiply the direction of layer i, of the layers 0 to n, by ``decay ** (n - i)`` (see `layers`).

    Raises ValueError, when the state is initialised, for networks that are not built of blocks.
    """

    def init(params: Any) -> optax.OptState:
        layers(params)
        return optax.EmptyState()

    def update(updates: Any, state: optax.OptState, params: Any = None) -> tuple[Any, optax.OptState]:
        del params
        layer = layers(updates)
        last = max(jax.tree.leaves(layer))
        return jax.tree.map(lambda leaf, own: decay ** (last - own) * leaf, updates, layer), state

    return optax.GradientTransformation(init, update)


def layers(params: Mapping[str, Any]) -> Any:
    """Return a tree like `params` with the number of each parameter's layer, an int from 0.

    Of a ViT or Mixer (modules block1, block2, ...): the stem, position embedding and class token are layer 0, block i
    is layer i, the last norm and the head are one more (arXiv 2106.08254, BEiT; timm has the norm with the last block).

    Of ConvNeXt (modules stage1 to stage4): the stem is layer 0; each of the first two stages is a layer; of the third
    each three blocks; the fourth; then norm and head. A stage's downsampling belongs to its first blocks.

    Raises ValueError for a network without such blocks.

    >>> layers({"block1": {"kernel": 1.0}, "block2": {"kernel": 1.0}, "norm": {"scale": 1.0}, "stem": {"kernel": 1.0}})
    {'block1': {'kernel': 1}, 'block2': {'kernel': 2}, 'norm': {'scale': 3}, 'stem': {'kernel': 0}}
    """
    blocks = sum(bool(re.fullmatch(r"block\d+", name)) for name in params)
    stages = [params.get(f"stage{number}", {}) for number in (1, 2, 3, 4)]
    groups = -(-sum(name.startswith("block") for name in stages[2]) // GROUP)
    if not blocks and (not all("block1" in stage for stage in stages) or "stage5" in params):
        raise ValueError(
            "layer_decay is for networks of blocks (ViT, Mixer, ConvNeXt), and the modules of this one are "
            f"{', '.join(params)}: leave it out."
        )

    def layer(path: tuple[Any, ...], _: Any) -> int:
        module, *inside = (str(each.key) for each in path)
        number = int(re.sub(r"\D", "", module) or 0)
        if blocks and module == f"block{number}":
            return number
        if not blocks and module == f"stage{number}":
            block = int(re.sub(r"\D", "", inside[0]) or 1) if inside[0].startswith("block") else 1
            return (1, 2, 3 + (block - 1) // GROUP, 3 + groups)[number - 1]
        return (blocks or 3 + groups) + 1 if re.match("norm|head|pre_logits", module) else 0

    return jax.tree_util.tree_map_with_path(layer, params)
