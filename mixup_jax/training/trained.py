"""Networks that a run has left behind, to look into them."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
from etils import epath
from jax import Array

from mixup_jax.config import Config
from mixup_jax.data import Dataset, Streamed
from mixup_jax.errors import CheckpointError
from mixup_jax.training.checkpoint import open_checkpoints
from mixup_jax.training.launch import Launch
from mixup_jax.training.programs import predict_logits
from mixup_jax.training.recipe import Recipe
from mixup_jax.training.setting import make_setting
from mixup_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Trained:
    """All seeds of a run: `recipe.model` with the states of its newest checkpoint; leaves have a leading seed axis."""

    recipe: Recipe
    states: TrainState

    def of_seed(self, index: int) -> TrainState:
        """Return the state of one seed, counted from 0."""
        return jax.tree.map(lambda leaf: leaf[index], self.states)

    def logits(self, state: TrainState, pixels: Array) -> Array:
        """Apply the network: float pixels (batch, ...) from 0 to 255 to logits (batch, classes)."""
        return predict_logits(self.recipe, state, pixels / 255)


def load_trained(folder: epath.Path | Path, config: Config, data: Dataset | Streamed) -> Trained:
    """Load the newest checkpoint in `folder`, of a run of this configuration on this data.

    Raises CheckpointError where there is none.
    """
    if not folder.exists():  # opening it would make it
        raise CheckpointError(f"{folder} does not exist; was the run started with --checkpoints?")
    setting = make_setting(config, data, Path())
    with open_checkpoints(folder, Launch.keep) as checkpoints:
        carry: Any = checkpoints.restore(setting.carry(*setting.start(), 0.0))
    if carry is None:
        raise CheckpointError(f"{folder} holds no checkpoint; train first.")
    return Trained(setting.recipe, carry["state"])
