"""Carry out a job: data, training, and the files of the run's folder."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import tyro
from etils import epath
from rich.console import Console
from rich.table import Table

from experiments.commands.naming import dataset, method
from experiments.commands.run_figures import draw_missing
from experiments.commands.smoke import shrink
from mixup_jax.choices import IMAGE_SIZE, Augment, BigVisionRandAugment, Data, Step
from mixup_jax.config import Config, usual
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import cache_home
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.sources import check_name, open_data
from mixup_jax.data.speech.recordings import Speech
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.buckets import copy_records, fetch_records, is_bucket, open_bucket, records_folder
from mixup_jax.runtime.claim import claimed
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.identity import agree, plain
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.mesh import from_writer, is_writer
from mixup_jax.runtime.provenance import describe
from mixup_jax.training.loop import fit, predict_again
from mixup_jax.weights.initial import InitialWeights, check_init, initial_weights, normalized_as

FOR_STREAMS = ("color_jitter", "crop", "interpolation", "repeats", "test_crop", "test_size")
"""Options of the data that streamed ones carry out."""
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
    check_name(job.config.data.dataset)  # a smoke run looks at other data
    config = job.effective().within_training()
    check_init(config)
    if config.train_from is not None and config.init is None:
        raise ValueError(f"train_from {config.train_from} is for --init, whose first layers it keeps: leave it out.")
    if config.schedule != job.effective().schedule and not isinstance(config.schedule, Step):
        say(f"no decay_epochs within the {config.epochs:g} epochs: the learning rate stays at {config.optimizer.lr:g}")
    cache_compilations()
    if is_bucket(job.launch.checkpoints):
        open_bucket(str(job.launch.checkpoints))
    workdir = job.launch.workdir or default_folder(experiment, preset, job)
    data, wrong = load_data(config, job.launch.data_dir), 0.0
    config = fit_to(config, data)
    if isinstance(data, StreamedDataset):
        data = prepare_stream(data, config.data, config.augment)
    else:
        data, wrong = prepare(data, config.data)
    config = job.sized(config, data.train_count)
    warn_of_shifts(config, data.image_shape)
    weights = initial_weights(config, data) if config.init is not None else None
    data = normalized_as(data, config.normalize, weights)
    names = {
        "method": method(config),
        **({"methods": [method(each) for each in config.each_alpha()]} if config.side_by_side else {}),
        "model": config.model.name,
        "dataset": dataset(config.data),
        "mark": data.mark,
        **({"wrong_labels": wrong} if config.data.label_noise else {}),
    }
    theirs = paper(config)
    if isinstance(data, StreamedDataset) and data.part:
        names["dataset"], theirs = names["dataset"] + ", a part", None
    description = names | describe(config, experiment, preset, data.identity())
    if weights:
        description |= {"weights": {"sha256": weights.sha256}}
        show_weights(weights, data)
    saved = {"checkpoints": job.launch.checkpoints or str(workdir), "keep": job.launch.keep}
    saved |= {"max_hours": job.launch.max_hours}
    agree(description | {"launch": saved})
    folder = job.launch.checkpoint_folder(workdir, config)
    with owned(workdir, description, config, folder) as description:
        result = record.finished(workdir) if is_writer() else {}
        if not from_writer(result is not None):
            given, title = weights and weights.arrays, f"{experiment} {preset}"
            measured = fit(config, data, job.launch, workdir, title=title, began=began, given=given)
            result = write_result(workdir, description, measured, config, theirs)
        elif not from_writer((workdir / record.PREDICTIONS).exists()):  # it was finished before they were kept
            try:
                predict_again(config, data, job.launch, workdir, weights and weights.arrays)
            except CheckpointError as error:
                say(f"{workdir}: the report cannot say where it errs: {error}")
        if is_writer():
            draw_missing(workdir, data, config)
            if is_bucket(folder):
                copy_records(workdir, records_folder(folder))
    return (result or {}) | {"workdir": str(workdir), "checkpoints": str(folder)}


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
    if records is not None and fetch_records(workdir, records, ["config.json"]):
        say(f"{workdir}: the run was begun on another machine; its records are those of {records}")
    with claimed(path, description, defaults=defaults, checkpoints=checkpoints, done=done) as first:
        if records is not None:
            fetch_records(workdir, records)
            copy_records(workdir, records, [path.name])
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


def load_data(config: Config, data_dir: Path | None) -> Dataset | StreamedDataset:
    """Load the data of a run and hold a validation set out; raises what `open_data` and `hold_out` raise."""
    data = config.data
    speech = Speech(data.mix == "waveform", data.nyquist)
    pictures = Pictures(data.split, data.image_size, data.skip_bad) if data.is_folder else None
    return hold_out(open_data(data.dataset, data_dir, speech, pictures), data.validation)


def fit_to(config: Config, data: Dataset | StreamedDataset) -> Config:
    """Let a run that asks for more images than there are take all, and say so."""
    asked, there = config.data.train_examples, data.train_count
    if config.data.train_subset is not None:
        index, count = config.data.train_subset
        there = (index + 1) * there // count - index * there // count
    if asked is None or asked <= there:
        return config
    say(f"{data.name}: {there:,} training images, fewer than --train-examples {asked:,}: all are taken")
    return replace(config, data=replace(config.data, train_examples=None))


def show_weights(weights: InitialWeights, data: Dataset | StreamedDataset) -> None:
    """Print, once for all processes, what becomes of the weights that a run starts from."""
    if not is_writer():
        return
    table = Table(show_header=False, title="initial weights", title_justify="left")
    unknown = "" if weights.mean else ", the file does not say which it is used to: see --normalize"
    numbers = "; ".join(" ".join(f"{each:.3f}" for each in values) for values in (data.mean, data.std))
    for row in (*weights.rows, ("normalised", f"mean and deviation {numbers}{unknown}")):
        table.add_row(*row)
    Console(markup=False, soft_wrap=True).print(table)


def say(line: str) -> None:
    """Print a line, once for all processes."""
    if is_writer():
        print(line)


def prepare(data: Dataset, config: Data) -> tuple[Dataset, float]:
    """Keep a subset or the first of the training examples and corrupt labels, as the configuration says.

    Subsets are consecutive runs of the training set. Returns also the share of the labels that are wrong now: less than
    was drawn at random, as a draw may be the truth.
    Raises ValueError for more parts or images than there are.
    """
    image, label = data.train_image, np.asarray(data.train_label)
    if config.train_subset is not None:
        index, count = config.train_subset
        if count > len(label):
            raise ValueError(f"train_subset asks for {count} parts; {data.name} has {len(label)} training images.")
        part = slice(index * len(label) // count, (index + 1) * len(label) // count)
        image, label = image[part], label[part]
    if config.train_examples is not None:
        if not 1 <= config.train_examples <= len(label):
            raise ValueError(
                f"train_examples must be between 1 and {len(label)}, got {config.train_examples}; "
                "--train-examples None takes all."
            )
        image, label = image[: config.train_examples], label[: config.train_examples]
    given, mask = corrupt_labels(label, config.label_noise, len(data.classes))
    data = replace(data, train_image=image, train_label=given, corrupted=mask if config.label_noise else None)
    return data, float(np.mean(given != label))


def warn_of_shifts(config: Config, shape: tuple[int, ...]) -> None:
    """Say where big_vision's RandAugment, whose shifts are pixels of images of 224, leaves nothing of an image."""
    shift = 10 * getattr(config.augment, "magnitude", 0)
    if isinstance(config.augment, BigVisionRandAugment) and shift >= min(shape[:2]):
        size = f"{shape[0]} x {shape[1]}"
        say(f"big_vision_randaugment shifts by {shift:g} pixels: nothing is left of some images of {size}")


def prepare_stream(data: StreamedDataset, config: Data, augment: Augment) -> StreamedDataset:
    """Take what the configuration says of data that stays on disk; raises ValueError for what does not go with it."""
    if config.pad_crop:
        raise ValueError(f"pad_crop does not go with {data.name}, which is cropped from its photographs: --pad-crop 0.")
    if config.label_noise:
        raise ValueError(f"label_noise needs data in memory; {data.name} is streamed.")
    if config.train_subset is not None:
        raise ValueError(f"train_subset needs data in memory; {data.name} is streamed.")
    return replace(
        data,
        size=config.image_size or IMAGE_SIZE,
        flip=config.flip,
        augment=augment,
        train_count=config.train_examples or 0,
        **{name: getattr(config, name) for name in FOR_STREAMS},
    )


def cache_compilations() -> None:
    """Keep compiled programs between runs, in the cache folder, unless JAX was told where to; also quick ones."""
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:  # JAX's 1 leaves dozens to compile at each start
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_home() / "mixup_jax" / "xla"))
