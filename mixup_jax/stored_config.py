"""A configuration as config.json holds it, read into its types; files of older versions are translated."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mixup_jax.choices import IMAGE_SIZE, NEIGHBOURS
from mixup_jax.config import CHOICES, DEPENDENT, C, Config
from mixup_jax.config_checks import LARGEST

_hints = cache(get_type_hints)  # a report reads a thousand configurations


def read(default: C, stored: Mapping[str, Any], part: str = "") -> C:
    """Return the dataclass that JSON describes: its choices, and `default` for fields that are not stored.

    Raises ValueError for choices and fields that are not known here and for values that do not fit.

    >>> read(Config(), {"optimizer": {"name": "adam", "lr": 0.01}}).optimizer
    Adam(lr=0.01, weight_decay=0.0001, clip=None, layer_decay=None, name='adam', decay_norm=True)
    """
    stored = dict(stored)
    if part in CHOICES:
        name = stored.pop("name", default.name)
        if name not in CHOICES[part]:
            raise ValueError(f"its {part} is {name!r}, which this version of the code does not know.")
        default = CHOICES[part][name]()
    unknown = sorted(stored.keys() - {each.name for each in fields(default)})
    if unknown:
        names = ", ".join(f"{part}.{name}".strip(".") for name in unknown)
        raise ValueError(f"its configuration has {names}, which this version of the code does not know.")
    values, hints = {}, _hints(type(default))
    for name, value in stored.items():
        there = getattr(default, name)
        if is_dataclass(there) != isinstance(value, Mapping) or not (is_dataclass(there) or _fits(value, hints[name])):
            raise ValueError(f"its {f'{part}.{name}'.strip('.')} cannot be {str(value)[:40]!r}.")
        values[name] = read(there, value, name) if is_dataclass(there) else _frozen(value)
    return replace(default, **values)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of JSON is of a type; the values that a Literal lists are checked with the ranges."""
    origin, kinds = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str | int | float)
    if origin is tuple:
        every = kinds[:1] * len(value) if kinds[-1] is ... and isinstance(value, list | tuple) else kinds
        return isinstance(value, list | tuple) and len(value) == len(every) and all(map(_fits, value, every))
    if kinds:  # a union
        return any(_fits(value, kind) for kind in kinds)
    return isinstance(value, int | float if hint is float else hint) and (hint is bool or not isinstance(value, bool))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def upgraded(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is stored now, of one from before choices were types (config.json's version 1, 2).

    It held the options of all choices; those that did nothing are left out. One with types is returned as it is.

    >>> upgraded({"optimizer": {"optimizer": "adam", "lr": 0.01, "momentum": 0.9, "schedule": "cosine", "ema": 0.5}})
    {'optimizer': {'name': 'adam', 'lr': 0.01}, 'schedule': {'name': 'cosine'}, 'ema': 0.5}
    """
    new = dict(flat)
    if "name" in new.get("model", {}):
        return new
    model, mixing, optimizer = (dict(new.pop(part, {})) for part in ("model", "mixing", "optimizer"))
    data = dict(new.get("data", {}))
    if data.get("image_size", IMAGE_SIZE) == IMAGE_SIZE or data.get("dataset") != "imagenet":
        data.pop("image_size", None)
    data |= {"mix": mixing["mix"]} if mixing.get("mix", "spectrogram") != "spectrogram" else {}
    new |= {"data": data} if data else {}
    if model:
        new["model"] = _chosen("model", model.get("model", "preact_resnet"), model)
    if mixing:
        alphas = mixing.get("alphas") or [mixing.get("alpha", 1.0)]
        method = mixing.get("method", "mixup")
        mixing["alpha"] = alphas if mixing.get("alphas") else alphas[0]
        if mixing.get("neighbours", NEIGHBOURS) == NEIGHBOURS or not mixing.get("partner", "").endswith("neighbours"):
            mixing.pop("neighbours", None)
        new["mixing"] = _chosen("mixing", "erm" if method == "mixup" and not any(alphas) else method, mixing)
    for name, needed in DEPENDENT.items():
        if optimizer.get(needed) == 0:
            optimizer.pop(name, None)
    new["optimizer"] = _chosen("optimizer", optimizer.get("optimizer", "sgd"), optimizer)
    decays = [epoch for epoch in optimizer.pop("decay_epochs", (100, 150)) if epoch < flat.get("epochs", LARGEST)]
    schedule = optimizer.get("schedule", "step")
    optimizer |= {"decay_epochs": decays}
    new["schedule"] = _chosen("schedule", schedule if schedule != "step" or decays else "constant", optimizer)
    moved = {"compute_dtype": model, "label_smoothing": mixing, "accumulate": optimizer, "ema": optimizer}
    found = {name: part.get(name, getattr(Config, name)) for name, part in moved.items()}
    return new | {name: value for name, value in found.items() if value != getattr(Config, name)}


def _chosen(part: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    known = [each.name for each in fields(CHOICES[part][name]()) if each.name != "name"]
    return {"name": name} | {key: options[key] for key in known if options.get(key) is not None}
