"""Carry out a job: data, training, and the files of the run's folder."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import tyro
from etils import epath
from jax.experimental.compilation_cache import compilation_cache

from experiments.commands.early_checks import check_early
from experiments.commands.naming import in_tables
from experiments.commands.notices import (
    fit_to,
    say,
    say_no_better,
    say_speed,
    show_weights,
    warn_of_classes,
    warn_of_devices,
    warn_of_few_steps,
    warn_of_finished,
    warn_of_shifts,
)
from experiments.commands.run_figures import draw_missing
from experiments.commands.smoke import shrink
from mixup_jax.choices import Step
from mixup_jax.config import Config, usual
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import cache_home
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.sources import check_name, load_data, prepare
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.buckets import copy_records, fetch_records, is_bucket, open_bucket, records_folder
from mixup_jax.runtime.claim import apart, claimed, has_checkpoints, read_description
from mixup_jax.runtime.devices.mesh import from_writer, is_writer
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.identity import agree, changed_parts, plain
from mixup_jax.runtime.json_files import read_object
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.provenance import describe
from mixup_jax.training.loop import fit, predict_again
from mixup_jax.weights.initial import InitialWeights, initial_weights, normalized_as

NAMES = ("experiment", "preset", "method", "methods", "model", "dataset", "mark", "wrong_labels")

Paper = dict[str, Any] | None
"""{"test_error": per cent, "source": where the paper says so}, or None where it does not."""


@dataclass(frozen=True)
class Job:
    """A run: what (config) and how (launch)."""

    config: Config = field(default_factory=Config)
    launch: Launch = field(default_factory=Launch)
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """The whole path in under a minute: a tiny net on scikit-learn's digits (speech: made-up words), two epochs."""

    def effective(self) -> Config:
        """Return the configuration that is carried out."""
        return shrink(self.config) if self.smoke else self.config

    def taken(self, config: Config) -> Self:
        """Return the job of a configuration that a run has left, or that was written by hand."""
        return replace(self, config=config)

    def sized(self, config: Config, examples: int) -> Config:
        """Return the configuration for so many training examples: here, as it is."""
        del examples
        return config


def run(
    experiment: str,
    preset: str,
    job: Job,
    *,
    paper: Callable[[Config], Paper] = lambda config: None,
    began: float | None = None,
) -> dict[str, Any]:
    """Carry out a job, or go on where it was interrupted; return the content of its result.json and its folder.

    The time to the first step counts from `began` (`time.time`), from now if left out. Raises what `load` and `fit`
    raise, and ValueError for a folder that holds a run of another configuration.
    """
    began = time.time() if began is None else began
    config = _checked(job)
    cache_compilations()
    if is_bucket(job.launch.checkpoints):
        open_bucket(str(job.launch.checkpoints))
    workdir = job.launch.workdir or default_folder(experiment, preset, job)
    config, data, wrong_labels, weights = _material(job, config)
    part, given = isinstance(data, StreamedDataset) and data.part, weights and weights.arrays
    description = in_tables(config, data.mark, wrong_labels, part)
    description |= describe(config, experiment, preset, data.identity())
    description |= {"weights": {"sha256": weights.sha256}} if weights else {}
    saved = {"checkpoints": job.launch.checkpoints or str(workdir)}
    agree(description | {"launch": saved | {name: getattr(job.launch, name) for name in ("keep", "fsdp", "max_hours")}})
    folder = job.launch.checkpoint_folder(workdir, config)
    with owned(workdir, description, config, folder) as description:
        result = record.finished(workdir) if is_writer() else {}
        warn_of_finished(workdir, job.launch, finished := from_writer(result is not None))
        if not finished:
            title = f"{experiment} {preset}"
            measured = fit(config, data, job.launch, workdir, title=title, began=began, given=given)
            result = write_result(workdir, description, measured, config, None if part else paper(config))
            say_speed(result)
            say_no_better(result, data)
        elif not from_writer((workdir / record.PREDICTIONS).exists()):  # it was finished before they were kept
            try:
                predict_again(config, data, job.launch, workdir, given)
            except CheckpointError as error:
                say(f"{workdir}: the report cannot say where it errs: {error}")
        if is_writer():
            draw_missing(workdir, data, config)
            if is_bucket(folder):
                copy_records(workdir, records_folder(folder))
    return (result or {}) | {"workdir": str(workdir), "checkpoints": str(folder)}


def _checked(job: Job) -> Config:
    """Return the configuration that is carried out; raise what is wrong with it before its data are read."""
    check_name(job.config.data.dataset)  # a smoke run looks at other data
    asked = job.effective()
    config = asked.within_training()
    check_early(config)
    if config.schedule != asked.schedule and not isinstance(config.schedule, Step):
        say(f"no decay_epochs within the {config.epochs:g} epochs: the learning rate stays at {config.optimizer.lr:g}")
    return config


class Material(NamedTuple):
    """What a run trains with: its configuration, made to fit the data, the data, the weights that it starts from."""

    config: Config
    data: Dataset | StreamedDataset
    wrong_labels: float
    """Their share in the training set."""
    weights: InitialWeights | None


def _material(job: Job, config: Config) -> Material:
    """Load the data and the weights that a run starts from, and say what was made of them."""
    data = load_data(config.data, job.launch.data_dir)
    config = fit_to(config, data)
    data, wrong = prepare(data, config.data, config.augment)
    config = job.sized(config, data.train_count)
    warn_of_few_steps(config, data.train_count)
    warn_of_classes(data)
    warn_of_shifts(config, data.image_shape)
    warn_of_devices(config, jax.default_backend(), jax.device_count())
    weights = initial_weights(config, data) if config.init is not None else None
    data = normalized_as(data, config.normalize, weights)
    if weights:
        show_weights(weights, data)
    return Material(config, data, wrong, weights)


@contextlib.contextmanager
def owned(
    workdir: Path, description: dict[str, Any], config: Config, checkpoints: epath.Path
) -> Iterator[dict[str, Any]]:
    """Keep a run's folder for the body, and for this run; processes that do not write there have nothing to keep."""
    if not is_writer():
        yield description
        return
    defaults, path = plain(usual(config)), workdir / "config.json"
    done = lambda _: record.finished(workdir) is not None  # noqa: E731
    records = records_folder(checkpoints) if is_bucket(checkpoints) else None
    beside = Path(f"{checkpoints}.json")
    with tempfile.TemporaryDirectory() as folder:
        stored = beside
        if records is not None:
            stored = Path(folder) / path.name
            fetch_records(stored.parent, records, [path.name])
        if stored.exists() and has_checkpoints(checkpoints):
            if found := changed_parts(read_description(stored), description, defaults):
                raise ValueError(f"{checkpoints} holds checkpoints of a run {found}. Choose another --checkpoints.")
            if not path.exists() and record.finished(workdir) is None:
                say(f"{workdir}: the run was begun elsewhere; its description is that beside {checkpoints}")
                write_json(path, read_object(stored))
    with claimed(path, description, defaults=defaults, checkpoints=checkpoints, done=done) as first:
        if records is not None:
            fetch_records(workdir, records)
            copy_records(workdir, records, [path.name])
        elif apart(workdir, checkpoints):
            write_json(beside, first)
        yield first


def default_folder(experiment: str, preset: str, job: Job) -> Path:
    """Return where a run goes that was not given a folder.

    >>> default_folder("cifar", "small-mixup", Job(smoke=True)).as_posix()
    'runs/cifar/small-mixup-digits-smoke'
    """
    config = job.effective()
    words = [preset, config.data.dataset]
    if config.mixing.name not in ("erm", "mixup"):
        words.insert(1, config.mixing.name)
    words += ["waveform"] if config.data.mix == "waveform" else []
    words += ["nyquist"] if config.data.nyquist else []
    return folder_of(experiment, words, smoke=job.smoke)


def folder_of(experiment: str, words: Sequence[str], *, smoke: bool) -> Path:
    """Return the folder that words name, a data set's with its slashes and colons among them.

    >>> folder_of("cifar", ["small-erm", "folder:a/b"], smoke=False).as_posix()
    'runs/cifar/small-erm-folder_a_b'
    """
    name = "-".join([*words, "smoke"] if smoke else words)
    return Path("runs") / experiment / name.replace("/", "_").replace(":", "_")


def write_result(
    workdir: Path,
    description: dict[str, Any],
    measured: dict[str, Any],
    config: Config,
    paper: Paper,
) -> dict[str, Any]:
    """Write result.json; return the result."""
    result = {
        **{key: description[key] for key in NAMES if key in description},
        "seeds": [seed for _, seed in config.runs],
        **measured,
        "paper": paper,
        **{key: description[key] for key in ("command", "commit", "device", "versions")},
    }
    if is_writer():
        write_json(workdir / "result.json", result)
    return result


def cache_compilations() -> None:
    """Keep compiled programs between runs, in the cache folder, unless JAX was told where to; also quick ones.

    Not on several CPU devices: a program that is read from a cache runs its collectives in another order there than one
    that was compiled. With JAX 0.10 it waits for itself until XLA ends the process; with 0.12 process 0, which alone
    writes to the cache and so reads from it, and the others wait for each other.
    """
    if jax.default_backend() == "cpu" and jax.device_count() > 1:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # whether there is one was decided with the first program
        return
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:  # JAX's 1 leaves dozens to compile at each start
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_home() / "mixup_jax" / "xla"))
