"""The weights that an earlier run of ours has left behind, to start another one from."""

from pathlib import Path
from typing import Any

import jax

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.runtime.claim import read_config, read_identity
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.launch import Launch
from mixup_jax.steps.state import evaluated_variables
from mixup_jax.training.measurements import on_host
from mixup_jax.training.trained import load_trained
from mixup_jax.weights.exported import read_export
from mixup_jax.weights.source import Source, form_of
from mixup_jax.weights.timm_names import flat


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
    patch = getattr(config.model, "patch", 1)
    return Source(
        origin=origin,
        arrays={name: leaf for part in variables.values() for name, leaf in flat(part).items()},
        form=form_of(config.model),
        classes=identity.classes,
        mean=identity.mean,
        std=identity.std,
        grid=(identity.image_shape[0] // patch, identity.image_shape[1] // patch),
    )
