"""Networks that a run has left behind, to look into them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath
from jax import Array

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.runtime.buckets import choose_gcsfs, is_bucket
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.devices.mesh import make_mesh, place, shard
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.launch import Launch
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import Recipe, TrainState
from mixup_jax.training.programs import empty_totals, make_programs, predict_logits, snapshot


@dataclasses.dataclass(frozen=True)
class Trained:
    """All seeds of a run: `recipe.model` with the states of a checkpoint; leaves have a leading seed axis."""

    recipe: Recipe
    states: TrainState

    def of_seed(self, index: int) -> TrainState:
        """Return the state of one seed, counted from 0."""
        return jax.tree.map(lambda leaf: leaf[index], self.states)

    def logits(self, state: TrainState, pixels: Array) -> Array:
        """Apply the network: float pixels (batch, ...) from 0 to 255 to logits (batch, classes)."""
        return predict_logits(self.recipe, state, pixels / 255)


def load_trained(
    folder: epath.Path | Path,
    config: Config,
    data: DataIdentity,
    devices: Sequence[Any] | None = None,
    *,
    best: bool = False,
) -> Trained:
    """Load the newest checkpoint in `folder`, of a run of this configuration on data of which no more is needed.

    With `best` it is the one with the lowest error, on the validation set where there is one.
    The states lie on the first device, unless others are named.

    Raises CheckpointError where there is none.
    """
    if is_bucket(folder):
        choose_gcsfs(folder)
    if not folder.exists():  # opening it would make it
        raise CheckpointError(f"{folder} does not exist; was the run started with --checkpoints?")
    seeds = [seed for _, seed in config.runs]
    mesh = make_mesh(len(seeds), config.batch_size, devices or jax.devices()[:1])
    recipe = make_recipe(config, data)
    programs = make_programs(recipe, mesh, data.image_shape, config.batch_size)
    start = programs.init(place(np.array(seeds, np.uint32), shard(mesh, "seed")), {})
    with open_checkpoints(folder, Launch.keep) as checkpoints:
        found: Any = checkpoints.restore(snapshot(mesh, start, empty_totals(mesh, len(seeds)), 0.0), best=best)
    if found is None:
        raise CheckpointError(f"{folder} holds no checkpoint{' that was evaluated' * best}; train first.")
    return Trained(recipe, found["state"])
