"""All that stays the same during a run: its programs, its data on the devices, its steps."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from mixup_jax.choices import Mixed
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.imagenet.streamed import StreamedDataset
from mixup_jax.evaluation.classification import Sums
from mixup_jax.runtime.mesh import make_mesh, place, shard
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import Recipe, TrainState
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
from mixup_jax.training.stream import BatchStream, EvaluationStream

STREAMED_STEPS_PER_CALL = 8
"""Where each step brings its own batch: those of two calls may lie on the devices."""


@dataclass(frozen=True)
class Plan:
    """The steps of a run: how many, how many make an epoch, and after which to evaluate."""

    steps: int
    steps_per_epoch: float
    eval_steps: tuple[int, ...]


def plan_steps(train_examples: int, test_examples: int, config: Config) -> Plan:
    """Return the steps of a run; raises ValueError where batches or times between evaluations do not fit to the data.

    >>> plan_steps(1000, 100, Config(batch_size=128, epochs=2))
    Plan(steps=16, steps_per_epoch=7.8125, eval_steps=(8, 16))
    """
    if config.batch_size > train_examples:
        raise ValueError(
            f"batch_size is {config.batch_size}; it must be between 1 and the {train_examples} images of an epoch"
        )
    # An evaluation costs as much as training on a third of the images: let it follow at least twice as many.
    rarely = math.ceil(2 * test_examples / train_examples)
    eval_every = rarely if config.eval_every is None else config.eval_every
    per_epoch = train_examples / config.batch_size
    if eval_every * per_epoch < 1:
        raise ValueError(f"eval_every must be at least a step, {1 / per_epoch:.3g} epochs, got {eval_every:g}.")
    steps = max(1, round(config.epochs * per_epoch))
    if (steps + 1) * config.batch_size >= 2**31:
        raise ValueError(f"epochs {config.epochs:g} make {steps} steps: more positions than 32 bits can count.")
    count = math.ceil(config.epochs / eval_every)
    eval_steps = {min(steps, max(1, math.ceil(k * eval_every * per_epoch))) for k in range(1, count + 1)}
    return Plan(steps, per_epoch, tuple(sorted(eval_steps | {steps})))


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
    train: Examples | BatchStream
    clean: Batches | EvaluationStream
    test: Batches | EvaluationStream
    data: Dataset | StreamedDataset

    @property
    def images_per_step(self) -> int:
        """Return how many images a step takes in, those of all networks together."""
        return self.config.batch_size * len(self.config.runs)

    @property
    def max_steps_per_call(self) -> int:
        """Return the most steps of a call: an epoch's, or those of a few streamed batches."""
        return (
            STREAMED_STEPS_PER_CALL
            if isinstance(self.data, StreamedDataset)
            else max(1, int(self.plan.steps_per_epoch))
        )

    def start(self) -> tuple[TrainState, Totals]:
        """Return the state of all seeds before the first step, and empty totals."""
        return self.programs.init(self.seeds), self.zeros()

    def evaluate(self, state: TrainState, batches: Batches | EvaluationStream) -> Sums:
        """Return the sums of `classification.score` over all batches; they stay on the devices."""
        parts = (self.programs.evaluate(state, part) for part in batches.parts())
        return functools.reduce(functools.partial(jax.tree.map, jnp.add), parts)

    def groups(self) -> dict[str, Batches]:
        """Place the training images by what became of their labels, real or corrupted; none if none was corrupted."""
        data = self.data
        if isinstance(data, StreamedDataset) or data.corrupted is None:
            return {}
        masks = {"real": ~data.corrupted, "corrupted": data.corrupted}
        return {
            name: place_batches(self.mesh, data.train_image[mask], data.train_label[mask], self.config.batch_size)
            for name, mask in masks.items()
            if mask.any()
        }

    def validation(self) -> Batches | None:
        """Place the validation set where the data has one."""
        if isinstance(self.data, StreamedDataset) or self.data.valid_image is None:
            return None
        return place_batches(self.mesh, self.data.valid_image, self.data.valid_label, self.config.batch_size)

    def snapshot(self, state: TrainState, totals: Totals, seconds: float) -> dict[str, Any]:
        """Return what a checkpoint holds; `seconds` is the time spent on the run so far."""
        return snapshot(self.mesh, state, totals, seconds)

    def zeros(self) -> Totals:
        """Return empty totals, laid out as the training program returns them."""
        return empty_totals(self.mesh, len(self.config.runs))


def snapshot(mesh: Mesh, state: TrainState, totals: Totals, seconds: float) -> dict[str, Any]:
    """Return what a checkpoint holds: the state of all networks, their totals, and the time spent on them."""
    return {"state": state, "totals": totals, "seconds": place(np.float32(seconds), shard(mesh))}


def empty_totals(mesh: Mesh, networks: int) -> Totals:
    """Return empty totals of so many networks, laid out as the training program returns them."""
    return jax.tree.map(place, Totals.zeros(networks), Totals.layout(mesh))


def make_setting(
    config: Config,
    data: Dataset | StreamedDataset,
    workdir: Path,
    devices: Sequence[Any] | None = None,
    workers: int = 0,
) -> Setting:
    """Build the programs and place the data, on all devices unless some are named.

    Data that is streamed is decoded by as many `workers`. Raises ValueError for settings that do not fit together or to
    the data.
    """
    alphas, seeds = zip(*config.runs, strict=True)
    plan = plan_steps(data.train_count, data.test_count, config)
    recipe = make_recipe(config, data)
    mesh = make_mesh(len(seeds), config.batch_size, devices)
    by_seed = shard(mesh, "seed")
    train, clean, test = _sources(config, data, mesh, workers)
    return Setting(
        config=config,
        workdir=workdir,
        seeds=place(np.array(seeds, np.uint32), by_seed),
        mesh=mesh,
        by_seed=by_seed,
        replicated=shard(mesh),
        plan=plan,
        recipe=recipe,
        programs=make_programs(recipe, mesh, data.image_shape, config.batch_size),
        alpha=place(np.array(alphas, np.float32), by_seed),
        train=train,
        clean=clean,
        test=test,
        data=data,
    )


def _sources(
    config: Config, data: Dataset | StreamedDataset, mesh: Mesh, workers: int
) -> tuple[Examples | BatchStream, Batches | EvaluationStream, Batches | EvaluationStream]:
    """Return where the training batches, those of the clean subset and those of the test set come from."""
    size, clean = config.batch_size, min(CLEAN_SUBSET, data.train_count)
    if isinstance(data, Dataset):
        return (
            place_examples(mesh, data, config.mixing),
            place_batches(mesh, data.train_image[:clean], data.train_label[:clean], size),
            place_batches(mesh, data.test_image, data.test_label, size),
        )
    if len(config.runs) > 1:
        raise ValueError(
            f"{data.name} is streamed to one network at a time, got {len(config.runs)}: start a run for each --seed."
        )
    if isinstance(config.mixing, Mixed) and config.mixing.among_neighbours:
        raise ValueError(f"partner {config.mixing.partner} needs data in memory; {data.name} is streamed.")
    return (
        BatchStream(data, config.seed, size, mesh, workers),
        EvaluationStream(data, "clean", clean, size, mesh),
        EvaluationStream(data, "test", data.test_count, size, mesh),
    )
