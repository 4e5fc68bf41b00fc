"""Train on wafer maps: the compiled programs for all seeds of a run, its checkpoints, the network that it leaves.

`metrics.jsonl` has a line at each of `LINES` steps, the same however a run was interrupted: `step`, `lr`, and
`train_loss`, for each seed the mean over the steps since the line before.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.wafer.config import WaferConfig
from experiments.wafer.maps import WaferMaps, channels
from experiments.wafer.step import (
    TrainingMaps,
    WaferRecipe,
    make_training_maps,
    make_wafer_recipe,
    symmetries,
    wafer_step,
)
from mixup_jax.evaluation.classification import in_batches
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.errors import CheckpointError, NotFinite
from mixup_jax.runtime.progress import next_chunk, progress_bar
from mixup_jax.runtime.signals import stop_on_signals
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.state import TrainState, init_state
from mixup_jax.training.programs import NEVER

SAVE_SECONDS = 60.0
LINES = 50
"""Of metrics.jsonl, or as many as there are steps."""
BATCH = 100
"""Maps of a batch that is predicted."""


class Progress(NamedTuple):
    """What a checkpoint holds: the states of all seeds, the first step that was not finite, int32 (seeds,), and of the
    steps since the last line of metrics.jsonl the sum of the losses, float32 (seeds,), and the number, int32 (seeds,).
    """

    state: TrainState
    bad_step: Array
    loss: Array
    counted: Array


@dataclass(frozen=True)
class WaferPrograms:
    """Compiled for all seeds; states have a leading axis over them."""

    init: Callable[[Array], TrainState]
    train: Callable[[Progress, TrainingMaps, Any], Progress]
    logits: Callable[[TrainState, Array], Array]


def make_wafer_programs(recipe: WaferRecipe, size: int) -> WaferPrograms:
    """Build the programs; `count` of steps is traced, so that nothing compiles twice."""

    def init(seed: Array) -> TrainState:
        return init_state(seed, recipe.model, recipe.optimizer, jnp.zeros((1, size, size, 2)))

    def train(progress: Progress, pool: TrainingMaps, count: Array) -> Progress:
        def body(_: Any, progress: Progress) -> Progress:
            state, metrics = wafer_step(progress.state, pool, recipe)
            finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
            bad_step = jnp.minimum(progress.bad_step, jnp.where(finite, NEVER, progress.state.step))
            return Progress(state, bad_step, progress.loss + metrics["loss"], progress.counted + 1)

        return jax.lax.fori_loop(0, count, body, progress)

    def logits(state: TrainState, batches: Array) -> Array:
        variables = {"params": state.params, "batch_stats": state.batch_stats}

        def judge(maps: Array) -> Any:
            return recipe.model.apply(variables, channels(maps), train=False)

        def mean(maps: Array) -> Any:
            return jax.lax.map(judge, symmetries(maps)).mean(axis=0)

        return jax.lax.map(mean if recipe.average else judge, batches)

    compiled = partial(jax.jit, compiler_options=compiler_options())
    return WaferPrograms(
        init=compiled(over_seeds(init, (0,))),
        train=compiled(over_seeds(train, (0, None, None))),
        logits=compiled(over_seeds(logits, (0, None))),
    )


@dataclass(frozen=True)
class WaferNetwork:
    """The trained networks of a run, one a seed."""

    programs: WaferPrograms
    state: TrainState

    def logits(self, maps: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (seeds, n, defects), of maps uint8 (n, height, width)."""
        batches, _, _ = in_batches(maps, np.zeros(len(maps), np.int32), min(BATCH, len(maps)))
        found = np.asarray(self.programs.logits(self.state, jnp.asarray(batches)))
        return found.reshape(len(found), -1, found.shape[-1])[:, : len(maps)]


def fit_wafer(config: WaferConfig, training: WaferMaps, workdir: Path, *, title: str = "") -> WaferNetwork:
    """Train all seeds in `workdir`, from its newest checkpoint if there is one, to the end.

    Raises `Stopped` after a signal, `NotFinite`, and what `make_training_maps` raises.
    """
    recipe = make_wafer_recipe(config, training.defects)
    programs, start = _begin(config, recipe)
    pool = make_training_maps(training, config.data.normal, config.composing.background, mixed=config.data.learn_mixed)
    with stop_on_signals() as stop, open_checkpoints(workdir / "checkpoints", keep=1) as checkpoints:
        progress = checkpoints.restore(start) or start
        step, chunk, saved = int(progress.state.step[0]), 1, time.perf_counter()
        record.read_metrics(workdir, step)  # cuts off what comes again
        with progress_bar(title or workdir.name, config.steps, step, show=True) as bar:
            while step < config.steps:
                began = time.perf_counter()
                mark = next_line(step, config.steps)
                count = min(chunk, mark - step)
                progress = programs.train(progress, pool, np.int32(count))
                bad_step = np.asarray(progress.bad_step)  # waits for the call, which takes two seconds, not a step
                if bad_step.min() < NEVER:
                    seed = config.seed + int(bad_step.argmin())
                    raise NotFinite(f"loss or gradient is not finite at step {bad_step.min()} of seed {seed}.")
                step += count
                rate = count / (time.perf_counter() - began)
                bar.update(step, rate * config.batch_size * config.seeds)
                chunk = next_chunk(chunk, rate)
                if step == mark:
                    loss, lr = np.asarray(progress.loss / progress.counted), float(recipe.schedule(step - 1))
                    record.append_metrics(workdir, {"step": step, "lr": lr, "train_loss": loss.tolist()})
                    progress = progress._replace(loss=start.loss, counted=start.counted)
                ended, asked = step == config.steps, stop.requested()
                if ended or asked or time.perf_counter() - saved > SAVE_SECONDS:
                    checkpoints.save(progress, step, None)
                    saved = time.perf_counter()
                if asked and not ended:
                    checkpoints.wait()
                    raise stop.stopped(f"at step {step} of {config.steps}; the same command goes on from there.")
    return WaferNetwork(programs, progress.state)


def load_wafer_network(config: WaferConfig, defects: tuple[str, ...], workdir: Path) -> WaferNetwork:
    """Load what `fit_wafer` has left in a folder; raises CheckpointError where there is none, or it is not trained."""
    programs, start = _begin(config, make_wafer_recipe(config, defects))
    if not (workdir / "checkpoints").is_dir():
        raise CheckpointError(f"{workdir} holds no checkpoint; train first.")
    with open_checkpoints(workdir / "checkpoints", keep=1) as checkpoints:
        progress = checkpoints.restore(start)
    if progress is None or int(progress.state.step[0]) < config.steps:
        raise CheckpointError(f"the training in {workdir} has not ended; the same command goes on with it.")
    return WaferNetwork(programs, progress.state)


def next_line(step: int, steps: int) -> int:
    """Return the first step after this one at which there is a line of metrics.jsonl.

    >>> [next_line(step, 2000) for step in (0, 39, 40, 1999)], next_line(1, 3)
    ([40, 40, 80, 2000], 2)
    """
    lines = min(LINES, steps)
    return next(mark for line in range(lines) if (mark := steps * (line + 1) // lines) > step)


def _begin(config: WaferConfig, recipe: WaferRecipe) -> tuple[WaferPrograms, Progress]:
    programs = make_wafer_programs(recipe, config.data.size)
    seeds = jnp.arange(config.seed, config.seed + config.seeds, dtype=jnp.uint32)
    bad_step, nothing = jnp.full(config.seeds, NEVER, jnp.int32), jnp.zeros(config.seeds)
    return programs, Progress(programs.init(seeds), bad_step, nothing, nothing.astype(jnp.int32))
