"""Weights of one network made to fit another: other classes, another size of image, grey or coloured images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices.networks import SIZES, Network
from mixup_jax.weights.class_names import Match, match_classes
from mixup_jax.weights.source import Source, form_of

POSITIONS, PRE_LOGITS = "stem/positions", "head/pre_logits"
Shape = tuple[int, ...]
Rows = list[tuple[str, str]]
"""Of a table: what was done, and to what."""


@dataclass(frozen=True)
class Target:
    """The network that weights must fit, and the data that it is for."""

    model: Network
    shapes: Mapping[str, Shape]
    """Of all parameters and statistics, by their paths."""
    head: frozenset[str]
    """Those that depend on the number of classes."""
    classes: tuple[str, ...]
    grid: tuple[int, int]
    """Rows and columns of its patches."""


def fitted(source: Source, target: Target) -> tuple[dict[str, np.ndarray], Rows]:
    """Return the arrays that the network starts from, by their paths, and what was done; the rest is to be drawn.

    Raises ValueError, naming the first difference, for weights of another network.
    """
    arrays, rows = dict(source.arrays), [("left out", each) for each in source.left]
    anew, match = _new_head(source, target)
    spare = [name for name in arrays if name in anew or (name.startswith(PRE_LOGITS) and name not in target.shapes)]
    rows += [("left out", f"{_there(source, name)} {arrays.pop(name).shape}") for name in spare]
    for name in [each for each in arrays if each in target.shapes]:
        array, how = _converted(name, arrays[name], target.shapes[name], source.grid, target.grid)
        if how:
            rows.append((how, f"{_there(source, name)} {arrays[name].shape} to {array.shape}"))
        arrays[name] = array
    if match.order and match.said and not anew:
        rows.append(("last layer", match.said))
        arrays |= {name: arrays[name][..., list(match.order)] for name in target.head}
    _check(source, arrays, target, anew)
    rows.insert(0, ("used", f"{len(arrays)} arrays, {sum(array.size for array in arrays.values()):,} numbers"))
    rows += [("drawn anew", f"{name} {target.shapes[name]}: {reason}") for name, reason in anew.items()]
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}, rows


def _new_head(source: Source, target: Target) -> tuple[dict[str, str], Match]:
    """Return the parameters of the head that must be drawn anew, and why; and which outputs are which classes."""
    arrays, shapes, reason = source.arrays, target.shapes, ""
    known = source.classes if source.classes and len(source.classes) == len(target.classes) else None
    match = match_classes(known, target.classes)
    there, here = ({name for name in each if name.startswith(PRE_LOGITS)} for each in (arrays, shapes))
    if not target.head <= arrays.keys():
        reason = "there is none"
    elif other := next((name for name in target.head if arrays[name].shape[-1] != shapes[name][-1]), None):
        reason = f"{arrays[other].shape[-1]:,} classes there, {len(target.classes):,} here"
    elif match.order is None:
        reason = match.said
    elif there != here:
        reason = f"{'pre_logits' if there else 'no pre_logits'} there"
    return dict.fromkeys(sorted(target.head | (here - there)), reason) if reason else {}, match


def _converted(name: str, array: np.ndarray, shape: Shape, there: Shape | None, here: Shape) -> tuple[np.ndarray, str]:
    """Return an array made to fit the images here, and how; itself where it fits or cannot be made to."""
    if name == POSITIONS and array.ndim == 2 and array.shape[1] == shape[1]:
        tokens = shape[0] - here[0] * here[1]
        if there not in (None, here) and there[0] * there[1] + tokens == len(array):
            how = f"resized from {there[0]} x {there[1]} to {here[0]} x {here[1]}, bicubic, antialiased"
            return resized(array, tokens, there, here), how
    if name.startswith("stem/") and array.ndim == len(shape) == 4:
        colours = array.shape[2], shape[2]
        if array.shape == (*shape[:2], 3, shape[3]) and colours == (3, 1):
            return array.sum(axis=2, keepdims=True), "summed over colours, for grey images"
        if array.shape == (*shape[:2], 1, shape[3]) and colours == (1, 3):
            return np.repeat(array / 3, 3, axis=2), "a third for each colour, of grey images"
    return array, ""


def resized(positions: np.ndarray, tokens: int, there: Shape, here: Shape) -> np.ndarray:
    """Return positions (tokens + rows * columns, width) for another grid: bicubic, antialiased, those of tokens kept.

    As timm does (`resample_abs_pos_embed`); big_vision interpolates linearly.

    >>> resized(np.ones((5, 8), np.float32), 1, (2, 2), (3, 4)).shape
    (13, 8)
    """
    grid = jnp.asarray(positions[tokens:], jnp.float32).reshape(*there, -1)
    grid = jax.image.resize(grid, (*here, grid.shape[-1]), "cubic", antialias=True)
    return np.concatenate([positions[:tokens], np.asarray(grid).reshape(here[0] * here[1], -1)])


def _check(source: Source, arrays: Mapping[str, np.ndarray], target: Target, anew: Mapping[str, str]) -> None:
    """Raise ValueError, naming the first difference and what would fit, unless the weights are of this network."""
    needed = {name: tuple(shape) for name, shape in target.shapes.items() if name not in anew}
    found = {name: array.shape for name, array in arrays.items()}
    other = next((name for name in needed | found if needed.get(name) != found.get(name)), None)
    here = form_of(target.model)
    wrong = {name: value for name, value in source.form.items() if here.get(name) != value}
    if other is None and not wrong:
        return
    if other is None:
        difference = ", ".join(f"{name} is {value} there, {here.get(name)} here" for name, value in wrong.items())
    else:
        there = f"{found.get(other, 'absent')} there, {needed.get(other, 'absent')} here"
        difference = f"{_there(source, other)} is {there}"
    raise ValueError(f"the weights are not of this {target.model.name}: {difference}{_remedy(source.form, wrong)}.")


def _remedy(form: Mapping[str, Any], wrong: Mapping[str, Any]) -> str:
    """Return which options make a network that fits, as far as they are known."""
    size = next((name for name, make in SIZES.items() if form and form_of(make()).items() >= form.items()), None)
    if size and wrong.keys() & {"model", "width", "depth", "blocks"}:
        return f"; --model {size} fits"
    options = [f"--{name.replace('_', '-')} {_spelled(name, value)}" for name, value in wrong.items()]
    return f"; it needs {' '.join(options)}" if options else ""


def _spelled(name: str, value: Any) -> str:
    if name == "layer_scale":
        return "1e-4" if value else "0"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _there(source: Source, name: str) -> str:
    """Return the name that an array has in its file."""
    return source.names.get(name, name)
