"""Train a configuration on images or speech: what the resumable loop does for all seeds of a run at once."""

import contextlib
import dataclasses
import functools
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.sharding import Mesh

from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.evaluation.predictions import joined
from mixup_jax.runtime import resumable, run_folder
from mixup_jax.runtime.buckets import copy_metrics, is_bucket, records_folder
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.devices.distributed import ends_together
from mixup_jax.runtime.devices.mesh import is_writer, make_mesh, place, shard
from mixup_jax.runtime.identity import flatten, plain
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.trackers import Board, open_board
from mixup_jax.steps.frozen import check_given
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import TrainState, share_of_start
from mixup_jax.training.features import are_constant, on_features
from mixup_jax.training.measurements import SUMMED, error_of, on_host, summary, test_metrics, training_metrics
from mixup_jax.training.programs import (
    Batches,
    Examples,
    Totals,
    empty_totals,
    make_programs,
    place_batches,
    place_examples,
    snapshot,
)
from mixup_jax.training.stream import BatchStream, EvaluationStream
from mixup_jax.training.watch import Watch

State = tuple[TrainState, Totals]
Evaluated = Batches | EvaluationStream

CLEAN_SUBSET = 1000
"""Training images, the first ones, on which the error without augmentation and mixing is followed."""

STREAMED_STEPS_PER_CALL = 8
"""Where each step brings its own batch: those of two calls may lie on the devices."""


def fit(
    config: Config,
    data: Dataset | StreamedDataset,
    launch: Launch,
    workdir: Path,
    *,
    title: str = "",
    began: float | None = None,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Train all seeds of a run in `workdir`, from its newest whole checkpoint if there is one, to the end.

    The time to the first step counts from `began` (`time.time`), from now if left out. Weights that are `given`, by
    their paths in the network, are the start of every seed; the rest is drawn. Returns the measured part of
    result.json. Raises `Stopped` after a signal and when the time is up, `NotFinite`, `CheckpointError`, and ValueError
    for settings that do not fit together.
    """
    began = time.time() if began is None else began
    run = Run(config, data, workdir, workers=launch.workers, given=given, fsdp=launch.fsdp)
    start, folder = snapshot(run.mesh, *run.start(), 0.0), launch.checkpoint_folder(workdir, config)
    run.records_in_bucket = records_folder(folder) if is_bucket(folder) else None
    settings = flatten(plain(config))
    with (
        open_board(workdir, launch.trackers, title or workdir.name, settings) as run.board,
        run.watch.opened(workdir, launch.profile),
        contextlib.closing(run.train),
    ):
        (state, _), seconds = resumable.train(
            run,
            start,
            folder,
            keep=launch.keep,
            title=title or workdir.name,
            began=began,
            limit=launch.time_limit(),
        )
        with ends_together():
            return run.result(state, seconds)


def predict_again(
    config: Config,
    data: Dataset | StreamedDataset,
    launch: Launch,
    workdir: Path,
    given: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Keep the predictions of a finished run that has none, from the checkpoint of its last step, where there is one.

    `given` are the weights that it began with, by which a head's features are computed. Raises CheckpointError where
    there are checkpoints and none can be used.
    """
    folder = launch.checkpoint_folder(workdir, config)
    if not folder.exists():  # opening it would make it
        return
    run = Run(config, data, workdir, workers=launch.workers, given=given, fsdp=launch.fsdp)
    with open_checkpoints(folder, launch.keep) as checkpoints, contextlib.closing(run.train), ends_together():
        found: Any = checkpoints.restore(snapshot(run.mesh, *run.start(), 0.0))
        if found is not None and int(on_host(found["state"].step)[0]) == run.eval_steps[-1]:
            run.keep_predictions(found["state"])


class Run:
    """A `resumable.Resumable`: the programs and data of a run on its devices, and what it accumulates on the host.

    The data are placed on all devices unless some are named; data that is streamed is decoded by as many `workers`.
    With `fsdp` the state is split over the devices that share a batch.
    Where the last layer alone is trained on images that do not change, the data are its inputs, computed once.
    Raises ValueError for settings that do not fit together or to the data.
    """

    save_seconds = 0.0

    def __init__(
        self,
        config: Config,
        data: Dataset | StreamedDataset,
        workdir: Path,
        *,
        devices: Sequence[Any] | None = None,
        workers: int = 0,
        given: Mapping[str, np.ndarray] | None = None,
        fsdp: bool = False,
    ):
        self.given = dict(given or {})
        self.eval_steps = evaluation_steps(data.train_count, data.test_count + data.valid_count, config)
        self.recipe = make_recipe(config, data)
        check_given(self.recipe, data.image_shape, self.given)
        if are_constant(config, self.recipe, data.image_shape):
            self.recipe, data = on_features(config, self.recipe, data, self.given)
        self.config, self.data, self.workdir = config, data, workdir
        self.steps_per_epoch = data.train_count / config.batch_size
        self.examples_per_step = config.batch_size * len(config.runs)
        self.max_steps_per_call = STREAMED_STEPS_PER_CALL if data.streamed else max(1, int(self.steps_per_epoch))
        self.mesh = make_mesh(len(config.runs), config.batch_size, devices)
        self.programs = make_programs(self.recipe, self.mesh, data.image_shape, config.batch_size, fsdp=fsdp)
        self.train, self.clean, self.test, self.valid = place_data(config, data, self.mesh, workers)
        self.chosen_by = "valid_error" if data.valid_count else "test_error"
        alphas, seeds = zip(*config.runs, strict=True)
        self.alpha = place(np.array(alphas, np.float32), shard(self.mesh, "seed"))
        self.seeds = place(np.array(seeds, np.uint32), shard(self.mesh, "seed"))
        self.watch = Watch(self.examples_per_step if data.streamed else 0)
        self.board, self.records, self.test_sums = Board(), [], None
        self.records_in_bucket: epath.Path | None = None
        self.before, self.started = 0.0, time.perf_counter()

    def start(self) -> State:
        """Return the state of all seeds before the first step, and empty totals."""
        return self.programs.init(self.seeds, self.given), empty_totals(self.mesh, len(self.config.runs))

    def restored(self, snapshot: Any) -> tuple[State, int]:
        """Read the metrics up to the step of the snapshot."""
        step = int(on_host(snapshot["state"].step)[0])
        self.before, self.started = float(snapshot["seconds"]), time.perf_counter()
        if is_writer():
            self.records = run_folder.read_metrics(self.workdir, step, {*SUMMED, self.chosen_by})
            missing = sum(each <= step for each in self.eval_steps) - len(self.records)
            if missing > 0:
                message = f"{self.workdir}/metrics.jsonl lacks {missing} evaluations before step {step}"
                warnings.warn(message, stacklevel=2)
            for line in self.records:  # what a tracker has not been told yet
                self.board.write(line)
        return (snapshot["state"], snapshot["totals"]), step

    def advance(self, state: State, step: int, count: int) -> tuple[State, jax.Array]:
        """Call the training program: once where the data is in memory, once a batch where it is streamed."""
        for examples, steps in self.train.calls(step, count):
            state = self.watch.train(self.programs.train, *state, self.alpha, examples, steps)
        return state, state[1].bad_step

    def snapshot(self, state: State) -> Any:
        """Return what a checkpoint holds."""
        return snapshot(self.mesh, *state, self._seconds())

    def network(self, index: int) -> str:
        """Name a network by its seed."""
        return f"seed {self.config.runs[index][1]}"

    def score(self, state: TrainState, batches: Evaluated) -> dict[str, Any]:
        """Return the sums of `classification.score` over all batches, on every host."""
        parts = (self.programs.evaluate(state, part) for part in batches.parts())
        return on_host(functools.reduce(functools.partial(jax.tree.map, jnp.add), parts))

    def evaluate(self, state: State, step: int, examples_per_second: float) -> tuple[State, float, str]:
        """Evaluate and add a line to metrics.jsonl; training totals start again."""
        train_state, totals = state
        self.watch.times.pause()
        measured = self._measure(train_state)
        line = {
            "step": step,
            "epoch": self._epoch(step),
            "images_per_second": round(examples_per_second, 1),
            "lr": float(self.recipe.schedule(step - 1)),
            **training_metrics(on_host(totals)),
            **measured,
            **self._evaluate_raw(train_state, step),
            **self.watch.times.of_line(),
            "seconds": round(self._seconds(), 3),
        }
        self._append(line)
        self.board.write(line)
        loss, *errors = (float(np.mean(line[name])) for name in ("train_loss", "test_error", self.chosen_by))
        text = f"epoch {round(line['epoch'], 2):g}: train loss {loss:.3f}, test error {errors[0]:.2f} %"
        text += f", validation error {errors[1]:.2f} %" if self.valid else ""
        return (train_state, empty_totals(self.mesh, len(self.config.runs))), errors[1], text

    def _measure(self, state: TrainState) -> dict[str, list[float]]:
        """Evaluate on all sets, and keep the sums over the test set."""
        valid_sums = self.score(state, self.valid) if self.valid else None
        clean_sums, self.test_sums = self.score(state, self.clean), self.score(state, self.test)
        return test_metrics(clean_sums, self.test_sums, valid_sums)

    def _evaluate_raw(self, state: TrainState, step: int) -> dict[str, list[float]]:
        """Evaluate the network itself where averages of it are evaluated; warn where they are mostly its start."""
        if state.average is None:
            return {}
        share = share_of_start(self.recipe.ema, step)
        if is_writer() and share > 0.05:
            drawn = "" if self.given else ", drawn at random"
            warnings.warn(f"step {step}: the averages of ema are still {share:.0%} first weights{drawn}", stacklevel=2)
        return {"test_error_raw": error_of(self.score(dataclasses.replace(state, average=None), self.test))}

    def result(self, state: TrainState, first_step_seconds: float | None) -> dict[str, Any]:
        """Keep the predictions, return the measured part of result.json; processes that do not write return nothing."""
        # The sums are of the last step, unless an earlier process took it.
        last = self._measure(state) if self.test_sums is None else None
        sums: Any = self.test_sums
        params = on_host(state.params)
        errors = {name: error_of(self.score(state, batches)) for name, batches in self._place_parts().items()}
        self.keep_predictions(state)
        if not is_writer():
            return {}
        steps = self.eval_steps[-1]
        if last is not None and (not self.records or self.records[-1]["step"] < steps):  # the last line was lost
            self._append({"step": steps, "epoch": self._epoch(steps), **last, "seconds": round(self._seconds(), 3)})
        measured = summary(self.records, self.config.epochs, sums) | errors
        products = self.config.compute_dtype, self.config.matmul_precision
        seen = {"speed": self.watch.speed(list(self.mesh.devices.flat), *products)}
        return measured | seen | {"first_step_seconds": first_step_seconds, "params_digest": run_folder.digest(params)}

    def keep_predictions(self, state: TrainState) -> None:
        """Write what the networks say of each test example into the run's folder; all processes compute it."""
        answers = [self.programs.predict(state, part) for part in self.test.parts()]
        if is_writer():
            run_folder.write_predictions(self.workdir, joined(answers, self.data.test_count))

    def _place_parts(self) -> dict[str, Evaluated]:
        """Place what is measured after the last step, by the names of its errors in result.json.

        Training images with real and with corrupted labels (paper, table 2), where some were corrupted.
        """
        data, corrupted = self.data, self.data.corrupted
        if corrupted is None:
            return {}
        chosen = {"real": np.flatnonzero(~corrupted), "corrupted": np.flatnonzero(corrupted)}
        return {
            f"train_error_{name}": place_trained_on(self.mesh, data, numbers, self.config.batch_size)
            for name, numbers in chosen.items()
            if len(numbers)
        }

    def _append(self, line: dict[str, Any]) -> None:
        """Add a line to the records and to metrics.jsonl."""
        self.records.append(line)
        if is_writer():
            run_folder.append_metrics(self.workdir, line)
            if self.records_in_bucket is not None:
                copy_metrics(self.workdir, self.records_in_bucket)

    def _epoch(self, step: int) -> float:
        return round(step / self.steps_per_epoch, 4)

    def _seconds(self) -> float:
        """Return the time spent on the run, by this process and those before it."""
        return self.before + time.perf_counter() - self.started


def evaluation_steps(train_examples: int, test_examples: int, config: Config) -> tuple[int, ...]:
    """Return the steps after which to evaluate, ascending; the last one ends the training.

    Raises ValueError where the batch or the time between evaluations does not fit to the data.

    >>> evaluation_steps(1000, 100, Config(batch_size=128, epochs=2))
    (8, 16)
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
    return tuple(sorted(eval_steps | {steps}))


def place_data(
    config: Config, data: Dataset | StreamedDataset, mesh: Mesh, workers: int
) -> tuple[Examples | BatchStream, Evaluated, Evaluated, Evaluated | None]:
    """Return where the batches come from: for training, of the clean subset, of the test and of the validation set."""
    size = config.batch_size
    clean = place_trained_on(mesh, data, np.arange(min(CLEAN_SUBSET, data.train_count)), size)
    if isinstance(data, Dataset):
        return (
            place_examples(mesh, data, config.mixing),
            clean,
            place_batches(mesh, data.test_image, data.test_label, size),
            place_batches(mesh, data.valid_image, data.valid_label, size) if data.valid_count else None,
        )
    return (
        BatchStream(data, [seed for _, seed in config.runs], size, mesh, workers),
        clean,
        EvaluationStream(data, "test", range(data.test_count), size, mesh),
        EvaluationStream(data, "valid", range(data.valid_count), size, mesh) if data.valid_count else None,
    )


def place_trained_on(mesh: Mesh, data: Dataset | StreamedDataset, numbers: np.ndarray, batch_size: int) -> Evaluated:
    """Return batches to evaluate on of some training examples, without augmentation."""
    if isinstance(data, Dataset):
        return place_batches(mesh, data.train_image[numbers], data.train_label[numbers], batch_size)
    return EvaluationStream(data, "clean", numbers, batch_size, mesh)
