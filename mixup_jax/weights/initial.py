"""What a run starts from, where it does not start from random numbers: `--init`."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from mixup_jax.choices.networks import Network
from mixup_jax.config import CHOICES, Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.models import OnSpectrograms, build
from mixup_jax.runtime.claim import read_config, read_identity
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.json_files import read_object
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.run_folder import digest
from mixup_jax.steps.frozen import shapes_of
from mixup_jax.steps.recipe import Described
from mixup_jax.steps.state import evaluated_variables
from mixup_jax.stored_config import read
from mixup_jax.training.measurements import on_host
from mixup_jax.training.trained import load_trained
from mixup_jax.weights.exported import is_export, read_description, read_export
from mixup_jax.weights.fitting import Target, fitted
from mixup_jax.weights.library_file import read_library
from mixup_jax.weights.source import NORMALIZATIONS, OF_TRAINING, Source, form_of
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
    target = Target(config.model, shapes, head, data.classes, _grid(config, data.image_shape))
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


def network_of(path: Path, like: Network) -> Network:
    """Return the network that a run or an export has trained, or that timm's config.json beside weights names.

    What changes no weight's place, such as dropout and stochastic depth, is as in `like`, which is returned where
    nothing says the network, or where it cannot be read, which `initial_weights` says.
    """
    network = _network_of(path)
    if network is None:
        return like
    kept = [name for name in OF_TRAINING if name != "name" and hasattr(like, name) and hasattr(network, name)]
    return replace(network, **{name: getattr(like, name) for name in kept})


def _network_of(path: Path) -> Network | None:
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


def read_run(folder: Path) -> Source:
    """Read the newest checkpoint in the folder of a run: what is evaluated, averaged weights where they are kept.

    Of several networks it is the first. Raises ValueError for a folder that is not of a run, or has no checkpoint.
    """
    config, identity = read_config(folder), read_identity(folder)
    if identity is None:
        raise ValueError(f"{folder} does not say which data it was trained on; init needs a run that does.")
    devices = jax.devices()[:1] if jax.process_count() == 1 else jax.devices()
    try:
        trained = load_trained(Launch().checkpoint_folder(folder, config), config, identity, devices)
    except CheckpointError as error:
        raise ValueError(f"init is {folder}, and its weights cannot be read: {error}") from None
    states = on_host((evaluated_variables(trained.states), trained.states.step))
    variables, step = jax.tree.map(lambda leaf: leaf[0], states)
    runs = config.runs
    network = f"the network of seed {runs[0][1]}" + (f", the first of {len(runs)}" if len(runs) > 1 else "")
    origin = f"step {int(step)} of a run, {network}" + (", averaged weights" if config.ema else "")
    return _source(origin, config, identity, variables)


def read_exported(folder: Path) -> Source:
    """Read the weights of an export, whatever their names; raises what `read_export` raises."""
    export = read_export(folder)
    origin = f"an export of step {export.content['step']}, the network of seed {export.content['seed']}"
    return _source(origin, export.config, export.identity, export.variables)


def _source(origin: str, config: Config, identity: DataIdentity, variables: dict[str, Any]) -> Source:
    return Source(
        origin=origin,
        arrays=_by_path(variables),
        form=form_of(config.model),
        classes=identity.classes,
        mean=identity.mean,
        std=identity.std,
        grid=_grid(config, identity.image_shape),
    )


def _grid(config: Config, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of the patches of images of a shape."""
    patch = getattr(config.model, "patch", 1)
    return shape[0] // patch, shape[1] // patch


def _by_path(variables: dict[str, Any]) -> dict[str, Any]:
    """Return parameters and statistics by their paths, which are different ones."""
    return {name: leaf for part in variables.values() for name, leaf in flat(part).items()}


def _shapes(config: Config, data: Described, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parameters and statistics by their paths."""
    model = build(config.model, classes)
    model = OnSpectrograms(model, config.data.nyquist) if config.data.mix == "waveform" else model
    return {name: leaf.shape for name, leaf in _by_path(shapes_of(model, data.image_shape)).items()}


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
