"""Carry out a job: data, training, and the files of the run's folder."""

import contextlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from mixup_jax.config import Config, Data
from mixup_jax.data import Dataset, load
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.locations import cache_home
from mixup_jax.training import record
from mixup_jax.training.launch import Launch
from mixup_jax.training.loop import fit
from mixup_jax.training.mesh import is_writer

Paper = dict[str, Any] | None
"""{"test_error": per cent, "source": where the paper says so}, or None where it does not."""


@dataclass(frozen=True)
class Job:
    """A run: what (config) and how (launch)."""

    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)
    launch: tyro.conf.OmitArgPrefixes[Launch] = field(default_factory=Launch)
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """The whole path in under a minute: a tiny net on scikit-learn's digits, two epochs."""


def run(
    experiment: str, preset: str, job: Job, *, paper: Callable[[Config], Paper] = lambda config: None
) -> dict[str, Any]:
    """Carry out a job, or go on where it was interrupted; return the content of its result.json and its folder.

    Raises what `load` and `fit` raise, and ValueError for a folder that holds a run of another configuration.
    """
    config = shrink(job.config) if job.smoke else job.config
    cache_compilations()
    chosen = "" if config.mixing.method == "mixup" else f"-{config.mixing.method}"
    name = f"{preset}{chosen}-{config.data.dataset.replace('/', '_').replace(':', '_')}" + (
        "-smoke" if job.smoke else ""
    )
    workdir = job.launch.workdir or Path("runs") / experiment / name
    data = prepare(load(config.data.dataset, job.launch.data_dir), config.data)
    names = {
        "method": method(config),
        "model": config.model.model,
        "dataset": dataset(config.data),
        "mark": data.mark,
    }
    description = names | record.describe(config, experiment, preset)
    with record.locked(workdir) if is_writer() else contextlib.nullcontext():
        if is_writer():
            description = record.claim(workdir, description)
        result = record.finished(workdir)
        if result is None:
            measured = fit(config, data, job.launch, workdir, title=f"{experiment} {preset}")
            result = write_result(workdir, description, measured, config, data, paper(config))
    return result | {"workdir": str(workdir)}


def write_result(
    workdir: Path, description: dict[str, Any], measured: dict[str, Any], config: Config, data: Dataset, paper: Paper
) -> dict[str, Any]:
    """Write result.json and the figures; return the result."""
    result = {
        **{key: description[key] for key in ("experiment", "preset", "method", "model", "dataset", "mark")},
        "seeds": list(range(config.seed, config.seed + config.seeds)),
        **measured,
        "paper": paper,
        **{key: description[key] for key in ("command", "commit", "device", "versions")},
    }
    if is_writer():
        record.write_json(workdir / "result.json", result)
        draw_figures(workdir, data)
    return result


def prepare(data: Dataset, config: Data) -> Dataset:
    """Keep the first training examples and corrupt labels, as the configuration says."""
    image, label = data.train_image, data.train_label
    if config.train_examples is not None:
        if not 1 <= config.train_examples <= len(label):
            raise ValueError(f"train_examples must be between 1 and {len(label)}, got {config.train_examples}.")
        image, label = image[: config.train_examples], label[: config.train_examples]
    label, _ = corrupt_labels(np.asarray(label), config.label_noise, len(data.classes))
    return replace(data, train_image=image, train_label=label)


def method(config: Config) -> str:
    """Say in the paper's words what was trained.

    >>> method(Config()), method(replace(Config(), mixing=replace(Config().mixing, alpha=0.0)))
    ('mixup, alpha = 1', 'ERM')
    """
    mixing = config.mixing
    mixup, cutmix = f"mixup, alpha = {mixing.alpha:g}", f"CutMix, alpha = {mixing.cutmix_alpha:g}"
    words = [
        {"mixup": mixup if mixing.alpha else "ERM", "cutmix": cutmix, "switch": f"{mixup} or {cutmix}"}[mixing.method]
    ]
    if mixing.probability < 1:
        words.append(f"probability {mixing.probability:g}")
    if mixing.phase_out is not None:
        words.append("phased out from {:g} to {:g} of the training".format(*mixing.phase_out))
    if config.model.dropout:
        words.append(f"dropout {config.model.dropout:g}")
    if config.mixing.label_smoothing:
        words.append(f"label smoothing {config.mixing.label_smoothing:g}")
    return " + ".join(words)


def dataset(config: Data) -> str:
    """Say what was learned from; runs on different data are not compared.

    >>> dataset(Data("cifar10", train_examples=5000, label_noise=0.4))
    'cifar10, first 5,000 images, 40 % of the labels corrupted'
    """
    words = [config.dataset]
    if config.train_examples is not None:
        words.append(f"first {config.train_examples:,} images")
    if config.label_noise:
        words.append(f"{100 * config.label_noise:g} % of the labels corrupted")
    return ", ".join(words)


def shrink(config: Config) -> Config:
    """Shrink a run to seconds, keeping its method."""
    return replace(
        config,
        data=replace(config.data, dataset="digits", train_examples=512, pad_crop=min(config.data.pad_crop, 1)),
        model=replace(config.model, width=8, blocks=(1, 1)),
        optimizer=replace(config.optimizer, decay_epochs=(1.0,), accumulate=math.gcd(config.optimizer.accumulate, 64)),
        mixing=replace(config.mixing, block=config.mixing.block and math.gcd(config.mixing.block, 64)),
        batch_size=64,
        epochs=2.0,
        eval_every=1.0,
    )


def cache_compilations() -> None:
    """Keep compiled programs between runs, in the cache folder, unless JAX was told where to."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_home() / "mixup_jax" / "xla"))


def draw_figures(workdir: Path, data: Dataset) -> None:
    """Draw the run's pictures: what was learned, how, and how well calibrated the result is."""
    from mixup_jax.report.drawing import save_png  # matplotlib takes a second to import
    from mixup_jax.report.figures import learning_curves, reliability_diagram
    from mixup_jax.report.illustrations import mixed_samples
    from mixup_jax.report.runs import load_runs

    runs, _ = load_runs([workdir])
    save_png(learning_curves(runs), workdir / "figures" / "learning_curves.png")
    save_png(reliability_diagram(runs), workdir / "figures" / "reliability.png")
    first = [int(np.argmax(data.train_label == label)) for label in np.unique(data.train_label)[:4]]
    pairs = first[: len(first) // 2 * 2]
    if pairs:
        pictures = mixed_samples(np.asarray(data.train_image[pairs]), data.train_label[pairs].tolist(), data.classes)
        save_png(pictures, workdir / "figures" / "mixed_samples.png")
