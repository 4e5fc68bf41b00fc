"""Frozen layers: which they are, what is left to train, and the context in which they only pass their input on.

A layer is named as `mix_at` names it: by its path from the network down, "block9" or "stage3/block2". The layers that
the network calls before the first one that is trained are frozen: their parameters get no gradient, no weight decay and
no place in the state of the optimiser, their BatchNorm keeps its statistics, and nothing in them is dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def shapes_of(model: nn.Module, image_shape: Sequence[int]) -> dict[str, Any]:
    """Return the shapes of the parameters and statistics of a network for images of a shape; nothing is computed.

    >>> from mixup_jax.models import MLP
    >>> shapes_of(MLP(classes=3, width=8), (4,))["params"]["head"]["kernel"].shape
    (8, 3)
    """
    blank = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), blank)


def layers_before(model: nn.Module, image_shape: Sequence[int], layer: str) -> tuple[str, ...]:
    """Return the paths of the layers with parameters that `model` calls before `layer`, in the order of the calls.

    Of a layer within another one, "stage3/block2", those are what comes before "stage3", and before "block2" in it.

    Raises ValueError for a layer that the network does not have, one without parameters, and for the first one, before
    which there is nothing to freeze.

    >>> from mixup_jax.models import PreActResNet
    >>> layers_before(PreActResNet(classes=3, width=4, blocks=(2, 2)), (8, 8, 1), "stage2/block2")
    ('stem', 'stage1', 'stage2/block1')
    """
    params, calls = _parameters_in_order(model, image_shape)
    found, there = list[str](), params
    parts = layer.split("/")
    for depth, part in enumerate(parts):
        base = tuple(parts[:depth])
        names = _children(there, [path[depth] for path in calls if len(path) > depth and path[:depth] == base])
        if part not in names:
            known = ", ".join("/".join((*base, name)) for name in names) or "/".join(base)
            raise ValueError(f"train_from must be a layer of the network ({known}, or a part of one), got {layer!r}.")
        found += ["/".join((*base, name)) for name in names[: names.index(part)]]
        there = there[part]
    if not found:
        raise ValueError(f"train_from {layer} freezes nothing, as the network begins with it: leave it out.")
    return tuple(found)


def is_last(model: nn.Module, image_shape: Sequence[int], layer: str) -> bool:
    """Return whether `layer` is the last one with parameters that `model` calls, and none of its parts has any.

    >>> from mixup_jax.models import PreActResNet
    >>> model = PreActResNet(classes=3, width=4, blocks=(1,))
    >>> [is_last(model, (8, 8, 1), layer) for layer in ("stage1", "head", "head/dense")]
    [False, False, True]
    """
    params, calls = _parameters_in_order(model, image_shape)
    with_parameters = [path for path in calls if any(not isinstance(leaf, dict) for leaf in _at(params, path).values())]
    return "/".join(with_parameters[-1]) == layer


def trained_part(tree: Any, frozen: Sequence[str]) -> Any:
    """Return a tree of parameters, or of statistics, with None for what belongs to frozen layers.

    >>> trained_part({"stem": {"kernel": 1.0}, "head": {"kernel": 2.0}}, ["stem"])
    {'head': {'kernel': 2.0}, 'stem': {'kernel': None}}
    """

    def chosen(path: Any, leaf: Any) -> Any:
        return None if _is_within(tuple(key.key for key in path), frozen) else leaf

    return jax.tree_util.tree_map_with_path(chosen, tree) if frozen else tree


def whole(trained: Any, tree: Any) -> Any:
    """Return the trained part of a tree with the frozen part of another one.

    >>> whole({"stem": None, "head": 3.0}, {"stem": 1.0, "head": 2.0})
    {'head': 3.0, 'stem': 1.0}
    """
    return jax.tree.map(lambda own, other: other if own is None else own, trained, tree, is_leaf=lambda x: x is None)


def check_given(recipe: Any, image_shape: Sequence[int], given: Mapping[str, Any]) -> None:
    """Raise ValueError where a frozen layer has parameters or statistics that are not given, by their paths.

    It would stay as it was drawn.
    """
    if not recipe.frozen:
        return
    for tree in shapes_of(recipe.model, image_shape).values():
        kept = whole(trained_part(jax.tree.map(lambda _: 0, tree), recipe.frozen), jax.tree.map(lambda _: 1, tree))
        for path, frozen in jax.tree_util.tree_leaves_with_path(kept):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            if frozen and name not in given:
                raise ValueError(
                    f"train_from leaves {recipe.frozen[0]} to {recipe.frozen[-1]} as they are in --init, and "
                    f"{'that has no ' + name if given else 'none is given'}: a layer of random numbers would stay so."
                )


@contextmanager
def keep_frozen(frozen: Sequence[str]) -> Iterator[None]:
    """Let frozen layers of the Linen model that is applied in the context do what they do when it is evaluated.

    They are called with False in the place of their second argument, `train`, as all layers here have it: BatchNorm
    normalises with its running statistics and leaves them alone; dropout and stochastic depth drop nothing.
    """

    def interceptor(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if context.method_name == "__call__" and _is_within(context.module.path, frozen):
            args = (args[0], False, *args[2:]) if len(args) > 1 and args[1] is True else args
            kwargs = {name: False if name == "train" else value for name, value in kwargs.items()}
        return next_fun(*args, **kwargs)

    with nn.intercept_methods(interceptor):
        yield


def _is_within(path: tuple[str, ...], frozen: Sequence[str]) -> bool:
    return any(path[: len(layer)] == layer for layer in (tuple(name.split("/")) for name in frozen))


def _parameters_in_order(model: nn.Module, image_shape: Sequence[int]) -> tuple[Any, list[tuple[str, ...]]]:
    """Return the shapes of the parameters, and the paths of the modules that have some in the order of their calls."""
    calls: dict[tuple[str, ...], None] = {}  # a set that keeps the order

    def interceptor(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
        calls[context.module.path] = None
        return next_fun(*args, **kwargs)

    with nn.intercept_methods(interceptor):
        params = shapes_of(model, image_shape)["params"]
    return params, [path for path in calls if path and _at(params, path)]


def _at(params: Any, path: Sequence[str]) -> Any:
    for name in path:
        params = params.get(name, {})
    return params


def _children(there: Any, called: Sequence[str]) -> list[str]:
    """Return the parts of a layer that have parameters in the order of their calls; none where it has some itself."""
    if any(not isinstance(each, dict) for each in there.values()):
        return []
    return [name for name in dict.fromkeys(called) if name in there]
