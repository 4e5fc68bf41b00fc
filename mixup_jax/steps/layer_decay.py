"""Layer-wise decay of the learning rate: which parameter belongs to which layer, and its share of the rate."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import optax

GROUP = 3
"""Blocks of a stage that share a learning rate."""


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


def layers(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree like `params` with the number of each parameter's layer, an int from 0.

    The stem (position embedding, class token) is layer 0, the head and the norm in it are the last one. Between them,
    each block of a ViT or Mixer is a layer (arXiv 2106.08254, BEiT; timm counts the norm to the last block), and so are
    each three blocks of a stage of ConvNeXt (its released code; timm has each block): 12 of (3, 3, 27, 3). What halves
    the image belongs to the first blocks of its stage.

    Raises ValueError for a network of other modules.

    >>> layers({"block1": {"kernel": 1.0}, "block2": {"kernel": 1.0}, "head": {"bias": 1.0}, "stem": {"kernel": 1.0}})
    {'stem': {'kernel': 0}, 'block1': {'kernel': 1}, 'block2': {'kernel': 2}, 'head': {'bias': 3}}
    """
    middle = sorted((name for name in params if re.fullmatch(r"(block|stage)\d+", name)), key=_number)
    if not middle or params.keys() - set(middle) != {"stem", "head"}:
        raise ValueError(
            "layer_decay is for networks of a stem, blocks or stages of blocks, and a head, such as vit and convnext; "
            f"this one has {', '.join(params)}: leave it out."
        )
    found, last = {"stem": _same(params["stem"], 0)}, 0
    for name in middle:
        if name.startswith("block"):
            last += 1
            found[name] = _same(params[name], last)
            continue
        own = {inside: (_number(inside) - 1) // GROUP if inside.startswith("block") else 0 for inside in params[name]}
        found[name] = {inside: _same(params[name][inside], last + 1 + group) for inside, group in own.items()}
        last += 1 + max(own.values())
    return found | {"head": _same(params["head"], last + 1)}


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def _same(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda _: number, tree)
