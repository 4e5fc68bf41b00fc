"""The folder of an export: its files, and the network that they hold, read as if a stranger had written them."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.choices import networks
from mixup_jax.config import Config
from mixup_jax.config_checks import check_fields
from mixup_jax.data.identity import DataIdentity
from mixup_jax.data.images.as_input import AsInput
from mixup_jax.models import build
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.json_files import read_object
from mixup_jax.steps.frozen import shapes_of
from mixup_jax.stored_config import read
from mixup_jax.weights.tensors import from_tensors, to_tensors

DESCRIPTION, WEIGHTS, PROGRAM, CARD, TIMM = (
    "model.json",
    "model.safetensors",
    "model.stablehlo",
    "README.md",
    "config.json",
)
"""What a folder holds; the last one, which timm and Hugging Face look for, where timm has the network."""
FILES = (WEIGHTS, PROGRAM, CARD, TIMM)
FORMAT, VERSION = "mixup_jax export", 1
DTYPES = {"F32": "float32", "I64": "int64"}
"""What tensors are stored as, and NumPy's name."""
PIXELS, TABLE = 2**26, 2**28
"""The largest image, and the largest table of fixed positions, that a description may ask for."""


@dataclass(frozen=True)
class Export:
    """What an export holds: description, configuration, data that it was trained on, input, variables of a network."""

    content: dict[str, Any]
    config: Config
    identity: DataIdentity
    as_input: AsInput
    model: Any
    variables: dict[str, Any]


def is_export(folder: Path) -> bool:
    """Return whether a folder is an export, whole or damaged; a run has no model.json."""
    return (folder / DESCRIPTION).exists()


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of model.json; raises ValueError for a file that is none, or one of later code."""
    lists = dict.fromkeys(("classes", "image_shape", "mean", "std"), list)
    dicts = dict.fromkeys(("input", "config", "data", "measured", "results", "files"), dict)
    content = read_object(folder / DESCRIPTION, format=str, version=int, seed=int, step=int, **lists, **dicts)
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise ValueError(
            f"{folder / DESCRIPTION} is {str(content['format'])[:40]!r}, version {content['version']}; "
            f"what is read here is {FORMAT!r}, version {VERSION}."
        )
    return content


def read_export(folder: Path) -> Export:
    """Read an export. Names, shapes and dtypes are compared with the network's before a tensor is read.

    Raises ValueError, FileNotFoundError, which name the file, for a folder that holds none, that is damaged or that was
    changed: weights that do not fit the network, or are not those that model.json was written for.
    """
    content = read_description(folder)
    try:
        config = read(Config(), content["config"])
        identity = DataIdentity(**{name: _frozen(value) for name, value in content["data"].items()})
        as_input = AsInput(_frozen(content["image_shape"]), **content["input"])
        _check(content, config.model, as_input)
        model = build(config.model, len(content["classes"]), config.compute_dtype)
        shapes = shapes_of(model, as_input.image_shape)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{folder / DESCRIPTION} does not describe a network: {reason_of(error)}") from None
    path = folder / WEIGHTS
    tensors = _read_tensors(path, to_tensors(config.model, as_input.image_shape, _blank(shapes)))
    if sha256(path) != content["files"].get(WEIGHTS):
        raise ValueError(
            f"{path} is not the file that {DESCRIPTION} was written for (another SHA-256): export the run again; "
            f"changed weights may begin another run, --init {path}."
        )
    variables = from_tensors(config.model, as_input.image_shape, tensors, shapes)
    return Export(content, config, identity, as_input, model, variables)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(content: dict[str, Any], model: networks.Network, as_input: AsInput) -> None:
    """Raise ValueError for what the network, its input, or what is computed to compare shapes, could not be made of."""
    shape, classes = as_input.image_shape, content["classes"]
    check_fields(as_input)
    if len(shape) != 3 or not all(isinstance(each, int) and each > 0 for each in shape) or math.prod(shape) > PIXELS:
        raise ValueError(f"its image_shape is {shape}")
    if not isinstance(as_input.streamed, bool) or (as_input.streamed and shape != (shape[0], shape[0], 3)):
        raise ValueError(f"its input is streamed ({as_input.streamed}), with images of {shape}")
    if not classes or not all(isinstance(each, str) for each in classes):
        raise ValueError("its classes are not names")
    for name in ("mean", "std"):
        numbers = content[name]
        if len(numbers) != shape[2] or not all(isinstance(each, float) and math.isfinite(each) for each in numbers):
            raise ValueError(f"its {name} is not a number for each of {shape[2]} channels")
    if not all(content["std"]):
        raise ValueError("its std is 0")
    tokens = shape[0] * shape[1] // getattr(model, "patch", 1) ** 2
    if isinstance(model, networks.ViT) and tokens * model.width > TABLE:
        raise ValueError(f"it has {tokens:,} tokens of {model.width:,} numbers")


def _read_tensors(path: Path, expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a file whose names, shapes and dtypes are the expected ones."""
    from safetensors import SafetensorError, safe_open  # here: what loads a run needs no such file

    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; the export is not whole: export the run again.")
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            if lacking := sorted(expected.keys() - names) or sorted(names - expected.keys()):
                what = "lacks" if lacking[0] in expected else "has besides what the network needs"
                raise ValueError(f"it {what} {lacking[0]!r}" + f" and {len(lacking) - 1} more" * (len(lacking) > 1))
            for name, like in expected.items():
                there = file.get_slice(name)
                found = tuple(there.get_shape()), DTYPES.get(there.get_dtype(), there.get_dtype())
                if found != (like.shape, str(like.dtype)):
                    raise ValueError(f"{name} is {found[1]} {found[0]}, and {like.dtype} {like.shape} in the network")
            return {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} does not fit the network of {DESCRIPTION}: {reason_of(error)}.") from None


def _blank(shapes: Any) -> Any:
    """Return arrays of these shapes that take no memory."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), shapes)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
