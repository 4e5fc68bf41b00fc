"""Tell TensorBoard, Weights & Biases or MLflow what is in metrics.jsonl, which stays the record.

A tracker never ends a training: one that fails is left out from then on, with a warning. What it was told, and its name
of the run, stand in trackers.json. So a resumed run goes on in the same W&B or MLflow run, where the last one stopped.
"""

import importlib.util
import os
import secrets
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.json_files import read_object

Name = Literal["tensorboard", "wandb", "mlflow"]
PACKAGES: dict[Name, str] = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}
PROJECT = "mixup_jax"
"""Of W&B, and the experiment of MLflow, unless the environment names one."""


class Tracker(NamedTuple):
    """An open tracker."""

    identity: str
    """Its name of the run; empty where it has none."""
    log: Callable[[dict[str, float], int], Any]
    """log(means over seeds by their names, step)"""
    close: Callable[[bool], Any]
    """close(whether the training has ended well)"""


class Board:
    """Writes lines of metrics.jsonl to all trackers, each line once; without trackers it does nothing."""

    def __init__(self, path: Path = Path()):
        self._path, self._open = path, dict[str, Tracker]()
        self._told: dict[str, Any] = read_object(path) if path.is_file() else {}
        for name, told in self._told.items():
            if not (isinstance(told, dict) and isinstance(told.get("run"), str) and isinstance(told.get("step"), int)):
                raise ValueError(f"{path} is damaged: {name} has no run and step in it; move it away.")

    def open(self, name: str, opener: Callable[[str], Tracker]) -> None:
        """Open a tracker with its name of the run, empty where it has given none yet."""
        if tracker := self._guarded(name, lambda: opener(self._told.get(name, {}).get("run", ""))):
            self._open[name] = tracker
            self._told.setdefault(name, {"step": 0})["run"] = tracker.identity
            write_json(self._path, self._told)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a line of metrics.jsonl, the means over seeds, to each tracker that has not got it yet."""
        step = line["step"]
        means = {name: float(np.mean(value)) for name, value in line.items() if name != "step" and value is not None}
        for name, tracker in list(self._open.items()):
            if step > self._told[name]["step"]:
                self._guarded(name, lambda tracker=tracker: tracker.log(means, step))
                self._told[name]["step"] = step if name in self._open else self._told[name]["step"]
        if self._open:
            write_json(self._path, self._told)

    def close(self, ended: bool) -> None:
        """Close all trackers."""
        for name, tracker in list(self._open.items()):
            self._guarded(name, lambda tracker=tracker: tracker.close(ended))

    def _guarded(self, name: str, action: Callable[[], Any]) -> Any:
        """Do something with a tracker; where it fails, say so and leave the tracker out."""
        try:
            return action()
        except Exception as error:  # whatever a network, a server or a login makes of it
            self._open.pop(name, None)
            said = f"{name} is told no more of this run ({reason_of(error)}); metrics.jsonl has all of it"
            warnings.warn(said, stacklevel=3)
        return None


@contextmanager
def open_board(workdir: Path, names: Collection[Name], title: str, config: Mapping[str, Any]) -> Iterator[Board]:
    """Open the trackers of a run, on the process that writes; `config` is flat.

    Raises ValueError, on every process, where the package of one is not installed.
    """
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise ValueError(f"--track {name} needs the package {PACKAGES[name]}: pip install 'mixup-jax[{name}]'.")
    if not (names and is_writer()):
        yield Board()
        return
    board, ended = Board(workdir / "trackers.json"), False
    for name in PACKAGES:
        if name in names:
            board.open(name, lambda run, name=name: OPENERS[name](workdir, run, title, config))
    try:
        yield board
        ended = True
    finally:
        board.close(ended)


def _tensorboard(workdir: Path, run: str, title: str, config: Mapping[str, Any]) -> Tracker:
    from tensorboardX import SummaryWriter

    # Files are named by the second: one that is begun in the second of another would take its place.
    writer = SummaryWriter(str(workdir / "tensorboard"), filename_suffix=f".{secrets.token_hex(4)}")

    def log(means: dict[str, float], step: int) -> None:
        for name, value in means.items():
            writer.add_scalar(name, value, step)

    return Tracker(run, log, lambda ended: writer.close())


def _wandb(workdir: Path, run: str, title: str, config: Mapping[str, Any]) -> Tracker:
    import wandb  # pyright: ignore[reportMissingImports]

    opened = wandb.init(
        id=run or secrets.token_hex(4),
        resume="allow",
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=title,
        config=dict(config),
        dir=workdir,
        settings=wandb.Settings(console="off", silent=True, login_timeout=60, finish_timeout=60),
    )
    if opened.url:
        print(f"wandb: {opened.url}")
    return Tracker(opened.id, lambda means, step: opened.log(means, step=step), lambda ended: opened.finish(not ended))


def _mlflow(workdir: Path, run: str, title: str, config: Mapping[str, Any]) -> Tracker:
    from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

    client = MlflowClient()
    if not run:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name)
        run = client.create_run(experiment, run_name=title).info.run_id
        for key, value in config.items():
            client.log_param(run, key, value)
    client.update_run(run, status="RUNNING")

    def log(means: dict[str, float], step: int) -> None:
        for name, value in means.items():
            client.log_metric(run, name, value, step=step)

    return Tracker(run, log, lambda ended: client.set_terminated(run, "FINISHED" if ended else "KILLED"))


OPENERS = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}
