"""Train a configuration on images or speech: what the resumable loop does for all seeds of a run at once."""

import contextlib
import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.imagenet.streamed import StreamedDataset
from mixup_jax.runtime import resumable, run_folder
from mixup_jax.runtime.distributed import ends_together
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.mesh import is_writer
from mixup_jax.runtime.trackers import Board, open_board
from mixup_jax.steps.state import TrainState, share_of_start
from mixup_jax.training.measurements import (
    SUMMED,
    memorised,
    on_host,
    raw_metrics,
    summary,
    test_metrics,
    training_metrics,
    validated,
)
from mixup_jax.training.programs import Totals
from mixup_jax.training.setting import Setting, make_setting

State = tuple[TrainState, Totals]


def fit(
    config: Config,
    data: Dataset | StreamedDataset,
    launch: Launch,
    workdir: Path,
    *,
    title: str = "",
    began: float | None = None,
) -> dict[str, Any]:
    """Train all seeds of a run in `workdir`, from its newest whole checkpoint if there is one, to the end.

    The time to the first step counts from `began` (`time.time`), from now if left out. Returns the measured part of
    result.json. Raises `Stopped` after a signal, `NotFinite`, `CheckpointError`, and ValueError for settings that do
    not fit together.
    """
    began = time.time() if began is None else began
    setting = make_setting(config, data, workdir, workers=launch.workers)
    start, folder = setting.snapshot(*setting.start(), 0.0), launch.checkpoint_folder(workdir, config)
    with open_board(workdir, launch.tensorboard and is_writer()) as board, contextlib.closing(setting.train):
        run = _Run(setting, board)
        (state, _), seconds = resumable.train(
            run, start, folder, keep=launch.keep, title=title or workdir.name, began=began
        )
        with ends_together():
            return run.result(state, seconds)


class _Run:
    """A `resumable.Resumable`; its attributes are what the run accumulates on the host."""

    save_seconds = 0.0

    def __init__(self, setting: Setting, board: Board):
        self.setting, self.board = setting, board
        self.eval_steps, self.examples_per_step = setting.plan.eval_steps, setting.images_per_step
        self.max_steps_per_call = setting.max_steps_per_call
        self.records: list[dict[str, Any]] = []
        self.before, self.started = 0.0, time.perf_counter()
        self.test_sums: Any = None

    def restored(self, snapshot: Any) -> tuple[State, int]:
        """Read the metrics up to the step of the snapshot."""
        step, workdir = int(on_host(snapshot["state"].step)[0]), self.setting.workdir
        self.before, self.started = float(snapshot["seconds"]), time.perf_counter()
        if is_writer():
            self.records = run_folder.read_metrics(workdir, step, SUMMED)
            missing = sum(each <= step for each in self.eval_steps) - len(self.records)
            if missing > 0:
                warnings.warn(f"{workdir}/metrics.jsonl lacks {missing} evaluations before step {step}", stacklevel=2)
        return (snapshot["state"], snapshot["totals"]), step

    def advance(self, state: State, step: int, count: int) -> tuple[State, jax.Array]:
        """Call the training program: once where the data is in memory, once a batch where it is streamed."""
        train_state, totals = state
        for examples, steps in self.setting.train.calls(step, count):
            train_state, totals = self.setting.programs.train(
                train_state, totals, self.setting.alpha, examples, np.int32(steps)
            )
        return (train_state, totals), totals.bad_step

    def snapshot(self, state: State) -> Any:
        """Return what a checkpoint holds."""
        return self.setting.snapshot(*state, self._seconds())

    def network(self, index: int) -> str:
        """Name a network by its seed."""
        return f"seed {self.setting.config.runs[index][1]}"

    def evaluate(self, state: State, step: int, examples_per_second: float) -> tuple[State, float, str]:
        """Evaluate and add a line to metrics.jsonl; training totals start again."""
        (train_state, totals), setting = state, self.setting
        clean_sums = on_host(setting.evaluate(train_state, setting.clean))
        self.test_sums = on_host(setting.evaluate(train_state, setting.test))
        line = {
            "step": step,
            "epoch": self._epoch(step),
            "images_per_second": round(examples_per_second, 1),
            "lr": float(setting.recipe.schedule(step - 1)),
            **training_metrics(on_host(totals)),
            **test_metrics(clean_sums, self.test_sums),
            **self._evaluate_raw(train_state, step),
            "seconds": round(self._seconds(), 3),
        }
        self._append(line)
        self.board.write(line)
        error, loss = float(np.mean(line["test_error"])), float(np.mean(line["train_loss"]))
        text = f"epoch {line['epoch']:g}: train loss {loss:.3f}, test error {error:.2f} %"
        return (train_state, setting.zeros()), error, text

    def _evaluate_raw(self, state: TrainState, step: int) -> dict[str, list[float]]:
        """Evaluate the network itself where averages of it are evaluated; warn where they are mostly its start."""
        if state.average is None:
            return {}
        share = share_of_start(self.setting.recipe.ema, step)
        if is_writer() and share > 0.05:
            warnings.warn(
                f"step {step}: the averages of ema are still {share:.0%} first weights, drawn at random", stacklevel=2
            )
        raw = dataclasses.replace(state, average=None)
        return raw_metrics(on_host(self.setting.evaluate(raw, self.setting.test)))

    def result(self, state: TrainState, first_step_seconds: float | None) -> dict[str, Any]:
        """Return the measured part of result.json, on the process that writes it; the others return nothing."""
        evaluate, setting = self.setting.evaluate, self.setting
        sums, last = self.test_sums, None  # of the last step, unless an earlier process took it
        if sums is None:
            sums = on_host(evaluate(state, setting.test))
            last = test_metrics(on_host(evaluate(state, setting.clean)), sums)
        params = on_host(state.params)
        groups = {name: on_host(evaluate(state, batches)) for name, batches in setting.groups().items()}
        validation = setting.validation()
        valid = {} if validation is None else validated(on_host(evaluate(state, validation)))
        if not is_writer():
            return {}
        steps = setting.plan.steps
        if last is not None and (not self.records or self.records[-1]["step"] < steps):  # the last line was lost
            self._append({"step": steps, "epoch": self._epoch(steps), **last, "seconds": round(self._seconds(), 3)})
        measured = summary(self.records, setting.config.epochs, sums) | memorised(groups) | valid
        return measured | {"first_step_seconds": first_step_seconds, "params_digest": run_folder.digest(params)}

    def _append(self, line: dict[str, Any]) -> None:
        """Add a line to the records and to metrics.jsonl."""
        self.records.append(line)
        if is_writer():
            run_folder.append_metrics(self.setting.workdir, line)

    def _epoch(self, step: int) -> float:
        return round(step / self.setting.plan.steps_per_epoch, 4)

    def _seconds(self) -> float:
        """Return the time spent on the run, by this process and those before it."""
        return self.before + time.perf_counter() - self.started
