"""All that stays the same during a run: its programs, its data on the devices, its steps."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from mixup_jax.config import Config
from mixup_jax.data import Dataset
from mixup_jax.training.mesh import make_mesh, place, shard
from mixup_jax.training.plan import Plan, plan_steps
from mixup_jax.training.programs import (
    CLEAN_SUBSET,
    Batches,
    Examples,
    Programs,
    Totals,
    make_programs,
    place_batches,
    place_examples,
)
from mixup_jax.training.recipe import Recipe, make_recipe
from mixup_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the loop works with."""

    config: Config
    workdir: Path
    seeds: jax.Array
    mesh: Mesh
    by_seed: NamedSharding
    replicated: NamedSharding
    plan: Plan
    recipe: Recipe
    programs: Programs
    alpha: jax.Array
    train: Examples
    clean: Batches
    test: Batches
    data: Dataset

    @property
    def images_per_step(self) -> int:
        """Return how many images a step takes in, those of all networks together."""
        return self.config.batch_size * len(self.config.lanes)

    def start(self) -> tuple[TrainState, Totals]:
        """Return the state of all seeds before the first step, and empty totals."""
        return self.programs.init(self.seeds), self.zeros()

    def groups(self) -> dict[str, Batches]:
        """Place the training images by what became of their labels, real or corrupted; none if none was corrupted."""
        data = self.data
        masks = {} if data.corrupted is None else {"real": ~data.corrupted, "corrupted": data.corrupted}
        return {
            name: place_batches(self.mesh, data.train_image[mask], data.train_label[mask], self.config.batch_size)
            for name, mask in masks.items()
            if mask.any()
        }

    def validation(self) -> Batches | None:
        """Place the validation set where the data has one."""
        image, label = self.data.valid_image, self.data.valid_label
        return None if image is None else place_batches(self.mesh, image, label, self.config.batch_size)

    def carry(self, state: TrainState, totals: Totals, seconds: float) -> dict[str, Any]:
        """Return what a checkpoint holds; `seconds` is the time spent on the run so far."""
        return {"state": state, "totals": totals, "seconds": place(np.float32(seconds), self.replicated)}

    def zeros(self) -> Totals:
        """Return empty totals, laid out as the training program returns them."""
        return Totals(*(place(leaf, self.by_seed) for leaf in Totals.zeros(len(self.config.lanes))))


def make_setting(config: Config, data: Dataset, workdir: Path, devices: Sequence[Any] | None = None) -> Setting:
    """Build the programs and place the data, on all devices unless some are named.

    Raises ValueError for settings that do not fit together or to the data.
    """
    alphas, seeds = zip(*config.lanes, strict=True)
    mesh = make_mesh(len(seeds), config.batch_size, devices)
    recipe = make_recipe(config, data)
    by_seed, clean = shard(mesh, "seed"), slice(0, CLEAN_SUBSET)
    return Setting(
        config=config,
        workdir=workdir,
        seeds=place(np.array(seeds, np.uint32), by_seed),
        mesh=mesh,
        by_seed=by_seed,
        replicated=shard(mesh),
        plan=plan_steps(len(data.train_label), len(data.test_label), config),
        recipe=recipe,
        programs=make_programs(recipe, mesh, data.image_shape, config.batch_size),
        alpha=place(np.array(alphas, np.float32), by_seed),
        train=place_examples(mesh, data, config.mixing),
        clean=place_batches(mesh, data.train_image[clean], data.train_label[clean], config.batch_size),
        test=place_batches(mesh, data.test_image, data.test_label, config.batch_size),
        data=data,
    )
