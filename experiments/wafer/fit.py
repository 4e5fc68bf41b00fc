"""Train on wafer maps: the compiled programs for all seeds of a run, its checkpoints, the network that it leaves.

`metrics.jsonl` has a line at each of `LINES` steps, the same however a run was interrupted: `step`, `lr`, and
`train_loss`, for each seed the mean over the steps since the line before.
"""

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
from mixup_jax.runtime import resumable, run_folder
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.resumable import NEVER
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.state import TrainState, init_state

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
    run = _Run(config, recipe, programs, pool, workdir)
    progress, _ = resumable.train(run, start, workdir / "checkpoints", keep=1, title=title or workdir.name, unit="maps")
    return WaferNetwork(programs, progress.state)


class _Run:
    """A `resumable.Resumable`."""

    save_seconds = SAVE_SECONDS

    def __init__(
        self, config: WaferConfig, recipe: WaferRecipe, programs: WaferPrograms, pool: TrainingMaps, workdir: Path
    ):
        self.config, self.recipe, self.programs, self.pool, self.workdir = config, recipe, programs, pool, workdir
        self.eval_steps, self.max_steps_per_call = line_steps(config.steps), config.steps
        self.examples_per_step = config.batch_size * config.seeds

    def restored(self, snapshot: Progress) -> tuple[Progress, int]:
        """Move the lines that will be written again out of metrics.jsonl."""
        step = int(snapshot.state.step[0])
        run_folder.read_metrics(self.workdir, step)
        return snapshot, step

    def advance(self, state: Progress, step: int, count: int) -> tuple[Progress, Array]:
        """Call the training program."""
        state = self.programs.train(state, self.pool, np.int32(count))
        return state, state.bad_step

    def evaluate(self, state: Progress, step: int, examples_per_second: float) -> tuple[Progress, None, str]:
        """Add a line to metrics.jsonl."""
        loss, lr = np.asarray(state.loss / state.counted), float(self.recipe.schedule(step - 1))
        run_folder.append_metrics(self.workdir, {"step": step, "lr": lr, "train_loss": loss.tolist()})
        return state._replace(loss=jnp.zeros_like(state.loss), counted=jnp.zeros_like(state.counted)), None, ""

    def snapshot(self, state: Progress) -> Progress:
        """Return what a checkpoint holds: everything."""
        return state

    def network(self, index: int) -> str:
        """Name a network by its seed."""
        return f"seed {self.config.seed + index}"


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


def line_steps(steps: int) -> tuple[int, ...]:
    """Return the steps at which there is a line of metrics.jsonl.

    >>> line_steps(2000)[:3], line_steps(3)
    ((40, 80, 120), (1, 2, 3))
    """
    lines = min(LINES, steps)
    return tuple(steps * (line + 1) // lines for line in range(lines))


def _begin(config: WaferConfig, recipe: WaferRecipe) -> tuple[WaferPrograms, Progress]:
    programs = make_wafer_programs(recipe, config.data.size)
    seeds = jnp.arange(config.seed, config.seed + config.seeds, dtype=jnp.uint32)
    bad_step, nothing = jnp.full(config.seeds, NEVER, jnp.int32), jnp.zeros(config.seeds)
    return programs, Progress(programs.init(seeds), bad_step, nothing, nothing.astype(jnp.int32))
