"""What a run starts from, where it does not start from random numbers: `--init`."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mixup_jax.choices.networks import Network
from mixup_jax.config import CHOICES, Config
from mixup_jax.models import OnSpectrograms, build
from mixup_jax.runtime.claim import read_config
from mixup_jax.runtime.json_files import read_object
from mixup_jax.runtime.run_folder import digest
from mixup_jax.steps.frozen import shapes_of
from mixup_jax.steps.recipe import Described
from mixup_jax.stored_config import read
from mixup_jax.weights.earlier_run import read_exported, read_run
from mixup_jax.weights.exported import is_export, read_description
from mixup_jax.weights.fitting import Target, fitted
from mixup_jax.weights.library_file import read_library
from mixup_jax.weights.source import NORMALIZATIONS, Source, form_of
from mixup_jax.weights.timm_names import flat

D = TypeVar("D", bound=Any)
WEIGHTS = "model.safetensors"
"""What the weights in a folder of timm or Hugging Face are called, beside config.json."""


@dataclass(frozen=True)
class InitialWeights:
    """Weights that fit a network, and how they were made to."""

    arrays: dict[str, np.ndarray]
    """By their paths in the network; what is not here is drawn at random."""
    sha256: str
    """Of the weights as they were read: part of the identity of a run."""
    mean: tuple[float, ...] | None
    """Of the images that they are used to, as of `Dataset`; None where it is not known."""
    std: tuple[float, ...] | None
    rows: tuple[tuple[str, str], ...]
    """What was used, resized, left out, and is drawn anew, for the table."""


def initial_weights(config: Config, data: Described) -> InitialWeights:
    """Read the weights of `config.init` and fit them to the network of a configuration on this data.

    Raises FileNotFoundError, and ValueError for what cannot be read or is of another network.
    """
    check_init(config)
    path = Path(config.init or "")
    shapes, more = (_shapes(config, data, len(data.classes) + extra) for extra in (0, 1))
    head = frozenset(name for name, shape in shapes.items() if shape != more[name])
    patch = getattr(config.model, "patch", 1)
    grid = (data.image_shape[0] // patch, data.image_shape[1] // patch)
    target = Target(config.model, shapes, head, data.classes, grid)
    try:
        source = read_source(path, target)
        arrays, rows = fitted(source, target)
    except ValueError as error:
        raise ValueError(f"init is {path}: {error}") from None
    options = ", ".join(f"{name} {value}" for name, value in form_of(config.model).items() if name != "model")
    origin = [("from", f"{path}, {source.origin}"), ("network", f"{config.model.name}: {options}")]
    rows = [*origin, *rows, *(("not said", each) for each in source.guessed)]
    return InitialWeights(arrays, digest(dict(source.arrays)), source.mean, source.std, tuple(rows))


def check_init(config: Config) -> None:
    """Raise FileNotFoundError where the weights to start from are not there, in time before the data are read."""
    if config.init is not None and not Path(config.init).exists():
        raise FileNotFoundError(f"init is {config.init}, which is not there.")


def network_of(path: Path) -> Network | None:
    """Return the network that a run or an export has trained, or that timm's config.json beside weights names.

    None where nothing says it, or where it cannot be read, which `initial_weights` says.
    """
    with suppress(ValueError, TypeError, OSError):
        if is_export(path):
            return read(Config(), read_description(path)["config"]).model
        if path.is_dir() and not (path / WEIGHTS).is_file():
            return read_config(path).model
        folder = path if path.is_dir() else path.parent
        named = str(read_object(folder / "config.json").get("architecture", "")).partition(".")[0]
        return CHOICES["model"][named]() if named in CHOICES["model"] else None
    return None


def read_source(path: Path, target: Target) -> Source:
    """Read the weights of the folder of a run, of an export, of Hugging Face or timm, or of a file."""
    if is_export(path):
        return read_exported(path)
    if (path / WEIGHTS).is_file():
        path = path / WEIGHTS
    return read_run(path) if path.is_dir() else read_library(path, target)


def _shapes(config: Config, data: Described, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parameters and statistics by their paths."""
    model = build(config.model, classes)
    model = OnSpectrograms(model, config.data.nyquist) if config.data.mix == "waveform" else model
    variables = shapes_of(model, data.image_shape)
    return {name: leaf.shape for part in variables.values() for name, leaf in flat(part).items()}


def normalized_as(data: D, how: str, weights: InitialWeights | None) -> D:
    """Return the data with the mean and deviation that a run uses: its own, a usual one, or that of the weights.

    Numbers of three colours become their mean for grey images, one number becomes three alike for coloured ones.
    """
    if how == "data":
        return data
    pair: Any = NORMALIZATIONS.get(how) or (weights and weights.mean and (weights.mean, weights.std))
    if not pair:
        return data
    mean, std = (_for_channels(values, len(data.mean)) for values in pair)
    return replace(data, mean=mean, std=std)


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return a number for each channel.

    >>> _for_channels((0.25, 0.5, 0.75), 1), _for_channels((0.5,), 2)
    ((0.5,), (0.5, 0.5))
    """
    return tuple(values) if len(values) == channels else (sum(values) / len(values),) * channels
