"""The loop: steps, evaluations, checkpoints and records of one run, for all its seeds at once."""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from mixup_jax.config import Config
from mixup_jax.data import Dataset
from mixup_jax.errors import NotFinite
from mixup_jax.evaluation.classification import reliability, summarize
from mixup_jax.optim import Schedule
from mixup_jax.training import record
from mixup_jax.training.checkpoint import Checkpoints, open_checkpoints
from mixup_jax.training.launch import Launch
from mixup_jax.training.mesh import is_writer, make_mesh, place, shard
from mixup_jax.training.programs import (
    CLEAN_SUBSET,
    NEVER,
    Batches,
    Examples,
    Programs,
    Totals,
    make_programs,
    make_recipe,
    place_batches,
    place_examples,
)
from mixup_jax.training.progress import Bar, progress_bar
from mixup_jax.training.state import TrainState
from mixup_jax.training.stopping import StopFlag, stop_on_signals
from mixup_jax.training.tensorboard import Board, open_board

CHUNK_SECONDS = 0.5
"""How long one call of the training program should last: often enough for the progress bar and for signals."""
SHARED_CHUNK = 8
"""Steps of a call when several processes must agree on it."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps of a run: how many, how many make an epoch, and after which to evaluate."""

    steps: int
    steps_per_epoch: float
    marks: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Setting:
    """All that stays the same during a run."""

    config: Config
    workdir: Path
    plan: Plan
    schedule: Schedule
    programs: Programs
    alpha: jax.Array
    train: Examples
    clean: Batches
    test: Batches


def plan_steps(train_examples: int, config: Config, eval_every: float) -> Plan:
    """Return the steps of a run.

    >>> plan_steps(1000, Config(batch_size=128, epochs=2), eval_every=1)
    Plan(steps=16, steps_per_epoch=7.8125, marks=(8, 16))
    """
    if not eval_every > 0:
        raise ValueError(f"eval_every must be positive, got {eval_every}.")
    per_epoch = train_examples / config.batch_size
    steps = max(1, round(config.epochs * per_epoch))
    count = math.ceil(config.epochs / eval_every)
    marks = {min(steps, max(1, math.ceil(k * eval_every * per_epoch))) for k in range(1, count + 1)}
    return Plan(steps, per_epoch, tuple(sorted(marks | {steps})))


def fit(config: Config, data: Dataset, launch: Launch, workdir: Path, *, title: str = "") -> dict[str, Any]:
    """Train all seeds of a run in `workdir`, from its newest whole checkpoint if there is one, to the end.

    Returns the measured part of result.json. Raises `Stopped` after a signal, `NotFinite`, `CheckpointError`, and
    ValueError for settings that do not fit together.
    """
    mesh = make_mesh(config.seeds, config.batch_size)
    train_examples = len(data.train_label)
    # An evaluation costs as much as training on a third of the images: let it follow at least twice as many.
    rarely = math.ceil(2 * len(data.test_label) / train_examples)
    eval_every = rarely if launch.eval_every is None else launch.eval_every
    plan = plan_steps(train_examples, config, eval_every)
    recipe = make_recipe(config, data)
    programs = make_programs(recipe, mesh, data.image_shape, config.batch_size)
    clean = slice(0, CLEAN_SUBSET)
    setting = Setting(
        config=config,
        workdir=workdir,
        plan=plan,
        schedule=recipe.schedule,
        programs=programs,
        alpha=place(np.full(config.seeds, config.mixing.alpha, np.float32), shard(mesh, "seed")),
        train=place_examples(mesh, data),
        clean=place_batches(mesh, data.train_image[clean], data.train_label[clean], config.batch_size),
        test=place_batches(mesh, data.test_image, data.test_label, config.batch_size),
    )
    seeds = place(np.arange(config.seed, config.seed + config.seeds, dtype=np.uint32), shard(mesh, "seed"))
    start = {"state": programs.init(seeds), "totals": zero_totals(mesh, config.seeds)}
    with stop_on_signals() as stop, open_checkpoints(workdir / "checkpoints", launch.keep) as checkpoints:
        carry = checkpoints.restore(start) or start
        step = int(_on_host(carry["state"].step)[0])
        records = record.read_metrics(workdir, step) if is_writer() else []
        with (
            progress_bar(title or workdir.name, plan.steps, step, show=is_writer()) as bar,
            open_board(workdir, launch.tensorboard and is_writer()) as board,
        ):
            trainer = _Trainer(setting, checkpoints, stop, bar, board, records)
            state = trainer.run(carry["state"], carry["totals"], step)
        return trainer.result(state)


def zero_totals(mesh: jax.sharding.Mesh, seeds: int) -> Totals:
    """Return empty totals, laid out as the training program returns them."""
    return Totals(*(place(leaf, shard(mesh, "seed")) for leaf in Totals.zeros(seeds)))


class _Trainer:
    """The loop of one run; its attributes are what the loop accumulates on the host."""

    def __init__(
        self, setting: Setting, checkpoints: Checkpoints, stop: StopFlag, bar: Bar, board: Board, records: list[dict]
    ):
        self.setting, self.checkpoints, self.stop, self.bar, self.board = setting, checkpoints, stop, bar, board
        self.records = records
        self.seconds = records[-1]["seconds"] if records else 0.0
        self.chunk = SHARED_CHUNK if jax.process_count() > 1 else 1
        self.rate = 0.0

    def run(self, state: TrainState, totals: Totals, step: int) -> TrainState:
        """Train, evaluate and save until the last step."""
        zeros = jax.tree.map(jnp.zeros_like, totals)._replace(bad_step=jnp.full_like(totals.bad_step, NEVER))
        for mark in self.setting.plan.marks:
            if mark <= step:
                continue
            started = time.perf_counter()
            state, totals = self._advance(state, totals, step, mark)
            step = mark
            test_error = self._evaluate(state, totals, step, started)
            totals = zeros
            self.checkpoints.save({"state": state, "totals": totals}, step, test_error)
        self.checkpoints.wait()
        return state

    def _advance(self, state: TrainState, totals: Totals, step: int, mark: int) -> tuple[TrainState, Totals]:
        """Train from `step` to `mark`, looking at the numbers of a chunk while the next one is computed."""
        setting = self.setting
        pending, clock, longest = None, time.perf_counter(), max(1, int(setting.plan.steps_per_epoch))
        while step < mark:
            count = min(self.chunk, mark - step, longest)
            state, totals = setting.programs.train(state, totals, setting.alpha, setting.train, np.int32(count))
            if pending is not None:
                self._check(pending[0], step)
                now = time.perf_counter()
                self._adapt(pending[1], now - clock)
                self.bar.update(step, self.rate * setting.config.batch_size * setting.config.seeds)
                clock = now
            step += count
            pending = (totals, count)
            if self.stop.requested():
                self._check(totals, step)
                self.checkpoints.save({"state": state, "totals": totals}, step, None)
                self.checkpoints.wait()
                raise self.stop.stopped(f"at step {step} of {setting.plan.steps}; the same command goes on from there.")
        self._check(totals, step)
        self.bar.update(step, self.rate * setting.config.batch_size * setting.config.seeds)
        return state, totals

    def _adapt(self, steps: int, seconds: float) -> None:
        """Choose the length of the next chunk; it has no influence on any result."""
        self.rate = steps / max(seconds, 1e-6)
        if jax.process_count() == 1:
            self.chunk = max(1, min(2 * self.chunk, int(CHUNK_SECONDS * self.rate)))

    def _check(self, totals: Totals, step: int) -> None:
        bad_step = _on_host(totals.bad_step)
        if bad_step.min() < NEVER:
            seed = self.setting.config.seed + int(bad_step.argmin())
            whole = self.checkpoints.steps()
            last = f"the last good checkpoint is step {whole[0]}" if whole else "there is no checkpoint yet"
            raise NotFinite(f"loss or gradient is not finite at step {bad_step.min()} of seed {seed}; {last}.")

    def _evaluate(self, state: TrainState, totals: Totals, step: int, started: float) -> float:
        """Evaluate, add a line to metrics.jsonl, and return the mean test error."""
        setting = self.setting
        trained = time.perf_counter()
        clean = summarize(_on_host(setting.programs.evaluate(state, setting.clean)))
        test = summarize(_on_host(setting.programs.evaluate(state, setting.test)))
        host = _on_host(totals)
        self.seconds += time.perf_counter() - started
        images = float(host.steps[0]) * setting.config.batch_size * setting.config.seeds
        line = {
            "step": step,
            "epoch": round(step / setting.plan.steps_per_epoch, 4),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images / max(trained - started, 1e-6), 1),
            "lr": float(setting.schedule(step - 1)),
            "train_loss": (host.loss / host.steps).tolist(),
            "train_accuracy": (100 * host.accuracy / host.steps).tolist(),
            "train_subset_error": clean["error"].tolist(),
            "test_error": test["error"].tolist(),
            "test_loss": test["loss"].tolist(),
            "test_ece": test["ece"].tolist(),
        }
        self.records.append(line)
        if is_writer():
            record.append_metrics(setting.workdir, line)
        self.board.write(line)
        self.bar.evaluated(line["epoch"], float(np.mean(line["train_loss"])), float(test["error"].mean()))
        return float(test["error"].mean())

    def result(self, state: TrainState) -> dict[str, Any]:
        """Return the measured part of result.json, on the process that writes it; the others return nothing."""
        sums = _on_host(self.setting.programs.evaluate(state, self.setting.test))
        params = _on_host(state.params)
        if not is_writer():
            return {}
        errors = np.array([line["test_error"] for line in self.records])
        last = self.records[-1]
        speed = [line["images_per_second"] for line in self.records]
        return {
            "test_error": {
                "best": errors.min(axis=0).tolist(),
                "last": errors[-1].tolist(),
                "median_last_10": np.median(errors[-10:], axis=0).tolist(),
            },
            "test_loss": last["test_loss"],
            "test_ece": last["test_ece"],
            "train_subset_error": last["train_subset_error"],
            "reliability": {name: value.tolist() for name, value in reliability(sums).items()},
            "wall_seconds": last["seconds"],
            "images_per_second": float(np.median(speed)),
            "params_digest": record.digest(params),
        }


def _on_host(tree: Any) -> Any:
    """Fetch arrays to every process, also where each process holds a part of them."""
    if jax.process_count() > 1:
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)
