"""The loop: steps, evaluations, checkpoints and records of one run, for all its seeds at once."""

import contextlib
import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.imagenet.streamed import StreamedDataset
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.checkpoint import Checkpoints, open_checkpoints
from mixup_jax.runtime.distributed import ends_together
from mixup_jax.runtime.errors import NotFinite
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.mesh import is_writer
from mixup_jax.runtime.progress import Bar, next_chunk, progress_bar
from mixup_jax.runtime.signals import StopFlag, stop_on_signals
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
from mixup_jax.training.programs import NEVER, Totals
from mixup_jax.training.setting import Setting, make_setting


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
    start = setting.carry(*setting.start(), 0.0)
    folder = launch.checkpoint_folder(workdir, config)
    with stop_on_signals() as stop, open_checkpoints(folder, launch.keep) as checkpoints, ends_together():
        carry = checkpoints.restore(start) or start
        step = int(on_host(carry["state"].step)[0])
        records = record.read_metrics(workdir, step, SUMMED) if is_writer() else []
        missing = sum(mark <= step for mark in setting.plan.marks) - len(records)
        if is_writer() and missing > 0:
            warnings.warn(f"{workdir}/metrics.jsonl lacks {missing} evaluations before step {step}", stacklevel=2)
        with (
            progress_bar(title or workdir.name, setting.plan.steps, step, show=is_writer()) as bar,
            open_board(workdir, launch.tensorboard and is_writer()) as board,
            contextlib.closing(setting.train),
        ):
            trainer = _Trainer(setting, checkpoints, stop, bar, board, records, float(carry["seconds"]), began)
            state = trainer.run(carry["state"], carry["totals"], step)
        return trainer.result(state)


class _Trainer:
    """The loop of one run; its attributes are what the loop accumulates on the host."""

    def __init__(
        self,
        setting: Setting,
        checkpoints: Checkpoints,
        stop: StopFlag,
        bar: Bar,
        board: Board,
        records: list[dict[str, Any]],
        seconds: float,
        began: float,
    ):
        self.setting, self.checkpoints, self.stop, self.bar, self.board = setting, checkpoints, stop, bar, board
        self.records = records
        self.before, self.started = seconds, time.perf_counter()
        self.chunk, self.rate = 1, 0.0
        self.began = began
        self.first_step_seconds: float | None = None
        self.test_sums: Any = None

    def run(self, state: TrainState, totals: Totals, step: int) -> TrainState:
        """Train, evaluate and save until the last step."""
        for mark in self.setting.plan.marks:
            if mark <= step:
                continue
            started = time.perf_counter()
            state, totals = self._advance(state, totals, step, mark)
            images = (mark - step) * self.setting.images_per_step
            step = mark
            test_error = self._evaluate(state, totals, step, images / max(time.perf_counter() - started, 1e-6))
            totals = self.setting.zeros()
            self._save(state, totals, step, test_error)
            if self._stop_requested():
                self._stop(step)
        self.checkpoints.wait()
        return state

    def _save(self, state: TrainState, totals: Totals, step: int, test_error: float | None) -> None:
        self.checkpoints.save(self.setting.carry(state, totals, self._seconds()), step, test_error)

    def _stop_requested(self) -> bool:
        """Ask all processes, seconds apart, and agree with them on the steps until they ask again."""
        stop, self.chunk = self.stop.agreed(next_chunk(self.chunk, self.rate))
        return stop

    def _stop(self, step: int) -> NoReturn:
        self.checkpoints.wait()
        raise self.stop.stopped(f"at step {step} of {self.setting.plan.steps}; the same command goes on from there.")

    def _seconds(self) -> float:
        """Return the time spent on the run, by this process and those before it."""
        return self.before + time.perf_counter() - self.started

    def _advance(self, state: TrainState, totals: Totals, step: int, mark: int) -> tuple[TrainState, Totals]:
        """Train from `step` to `mark`, looking at the numbers of a call while the next one is computed.

        A chunk, after which all processes ask whether to stop, is one call, or several.
        """
        setting, asked = self.setting, step
        pending, clock = None, time.perf_counter()
        while step < mark:
            count = min(asked + self.chunk - step, mark - step, setting.longest_chunk)
            for examples, steps in setting.train.calls(step, count):
                state, totals = setting.programs.train(state, totals, setting.alpha, examples, np.int32(steps))
            if pending is not None:
                clock = self._look(*pending, step, clock)
            step += count
            pending = (totals, count)
            if step == mark or step < asked + self.chunk:  # at a mark the evaluation comes first
                continue
            asked = step
            if self._stop_requested():
                self._check(totals, step)
                self._save(state, totals, step, None)
                self._stop(step)
        if pending is not None:
            self._look(*pending, step, clock)
        return state, totals

    def _look(self, totals: Totals, count: int, step: int, clock: float) -> float:
        """Wait for the `count` steps up to `step`, show their speed since `clock`; return the time."""
        self._check(totals, step)
        now = time.perf_counter()
        self.rate = count / max(now - clock, 1e-6)
        self.bar.update(step, self.rate * self.setting.images_per_step)
        return now

    def _check(self, totals: Totals, step: int) -> None:
        bad_step = np.asarray(totals.bad_step)  # every process has all of it
        if self.first_step_seconds is None:
            self.first_step_seconds = round(time.time() - self.began, 3)
            self.bar.started(self.first_step_seconds)
        if bad_step.min() < NEVER:
            _, seed = self.setting.config.runs[int(bad_step.argmin())]
            whole = self.checkpoints.steps()
            last = f"the last good checkpoint is step {whole[0]}" if whole else "there is no checkpoint yet"
            raise NotFinite(f"loss or gradient is not finite at step {bad_step.min()} of seed {seed}; {last}.")

    def _evaluate(self, state: TrainState, totals: Totals, mark: int, images_per_second: float) -> float:
        """Evaluate, add a line to metrics.jsonl, and return the mean test error."""
        setting = self.setting
        clean_sums = on_host(setting.evaluate(state, setting.clean))
        self.test_sums = on_host(setting.evaluate(state, setting.test))
        line = {
            "step": mark,
            "epoch": round(mark / setting.plan.steps_per_epoch, 4),
            "images_per_second": round(images_per_second, 1),
            "lr": float(setting.recipe.schedule(mark - 1)),
            **training_metrics(on_host(totals)),
            **test_metrics(clean_sums, self.test_sums),
            **self._evaluate_raw(state, mark),
            "seconds": round(self._seconds(), 3),
        }
        self.records.append(line)
        if is_writer():
            record.append_metrics(setting.workdir, line)
        self.board.write(line)
        test_error = float(np.mean(line["test_error"]))
        self.bar.evaluated(line["epoch"], float(np.mean(line["train_loss"])), test_error)
        return test_error

    def _evaluate_raw(self, state: TrainState, mark: int) -> dict[str, list[float]]:
        """Evaluate the network itself where averages of it are evaluated; warn where they are mostly its start."""
        if state.average is None:
            return {}
        share = share_of_start(self.setting.recipe.ema, mark)
        if is_writer() and share > 0.05:
            warnings.warn(
                f"step {mark}: the averages of ema are still {share:.0%} first weights, drawn at random", stacklevel=2
            )
        raw = dataclasses.replace(state, average=None)
        return raw_metrics(on_host(self.setting.evaluate(raw, self.setting.test)))

    def result(self, state: TrainState) -> dict[str, Any]:
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
            line = {"step": steps, "epoch": round(steps / setting.plan.steps_per_epoch, 4), **last}
            self.records.append(line | {"seconds": round(self._seconds(), 3)})
            record.append_metrics(setting.workdir, self.records[-1])
        measured = summary(self.records, setting.config.epochs, sums) | memorised(groups) | valid
        return measured | {"first_step_seconds": self.first_step_seconds, "params_digest": record.digest(params)}
