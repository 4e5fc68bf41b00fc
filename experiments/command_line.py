"""From a dictionary of presets to a command: options, the run, its files, and one-line errors."""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
import tyro

from mixup_jax.config import Config, Data
from mixup_jax.data import Dataset, load
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.training import record
from mixup_jax.training.checkpoint import CheckpointError
from mixup_jax.training.distributed import join
from mixup_jax.training.launch import Launch
from mixup_jax.training.loop import NotFinite, fit
from mixup_jax.training.mesh import is_writer
from mixup_jax.training.stopping import Stopped

Paper = dict[str, Any] | None
"""{"test_error": per cent, "source": where the paper says so}, or None where it does not."""


@dataclass(frozen=True)
class Job:
    """A run: what (config) and how (launch)."""

    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)
    launch: tyro.conf.OmitArgPrefixes[Launch] = field(default_factory=Launch)
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """The whole path in under a minute: a tiny net on scikit-learn's digits, two epochs."""


def run_presets(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, Config]],
    *,
    default: str,
    paper: Callable[[Config], Paper] = lambda config: None,
) -> None:
    """Run the command line of an experiment: ``[PRESET] [options]``; without a preset, the `default` one."""
    with one_line_errors():
        preset, job = parse(experiment, description, presets, default)
        join(job.launch.coordinator, job.launch.processes, job.launch.process_id)
        result = run(experiment, preset, job, paper=paper)
    if is_writer():
        from mixup_jax.report.terminal import print_results  # matplotlib takes a second to import

        print_results([Path(result["workdir"])])


def parse(
    experiment: str, description: str, presets: Mapping[str, tuple[str, Config]], default: str
) -> tuple[str, Job]:
    """Read sys.argv."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = [default, *arguments]
    jobs = {name: (text, Job(config)) for name, (text, config) in presets.items()}
    text = f"{description}\n\nWithout a PRESET: {default}. Options: PRESET --help."
    job = command(tyro.extras.overridable_config_cli, jobs, prog=f"python -m experiments.{experiment}", description=text, args=arguments)
    return arguments[0], job


def command(cli: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a tyro command line; what it refuses becomes one line."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return cli(*args, **options)
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        fail(" ".join(re.sub(r"[│╭╮╰╯─]+", " ", stderr.getvalue()).split()), code=2)


def run(experiment: str, preset: str, job: Job, *, paper: Callable[[Config], Paper] = lambda config: None) -> dict[str, Any]:
    """Carry out a job, or go on where it was interrupted; return the content of its result.json and its folder."""
    config = smoke(job.config) if job.smoke else job.config
    cache_compilations()
    name = f"{preset}-{config.data.dataset.replace('/', '_').replace(':', '_')}" + ("-smoke" if job.smoke else "")
    workdir = job.launch.workdir or Path("runs") / experiment / name
    description = record.describe(config, experiment, preset)
    if is_writer():
        record.claim(workdir, description)
    data = prepare(load(config.data.dataset, job.launch.data_dir), config.data)
    measured = fit(config, data, job.launch, workdir, title=f"{experiment} {preset}")
    result = {
        "experiment": experiment,
        "preset": preset,
        "method": method(config),
        "model": config.model.model,
        "dataset": config.data.dataset,
        "mark": data.mark,
        "seeds": list(range(config.seed, config.seed + config.seeds)),
        **measured,
        "paper": paper(config),
        **{key: description[key] for key in ("command", "commit", "device", "versions")},
    }
    if is_writer():
        record.write_json(workdir / "result.json", result)
    return result | {"workdir": str(workdir)}


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
    words = ["mixup, alpha = " + f"{config.mixing.alpha:g}" if config.mixing.alpha else "ERM"]
    if config.model.dropout:
        words.append(f"dropout {config.model.dropout:g}")
    if config.mixing.label_smoothing:
        words.append(f"label smoothing {config.mixing.label_smoothing:g}")
    return " + ".join(words)


def smoke(config: Config) -> Config:
    """Shrink a run to seconds, keeping its method."""
    return replace(
        config,
        data=replace(config.data, dataset="digits", train_examples=512),
        model=replace(config.model, width=8, blocks=(1, 1)),
        optimizer=replace(config.optimizer, decay_epochs=(1.0,)),
        batch_size=64,
        epochs=2.0,
    )


def cache_compilations() -> None:
    """Keep compiled programs between runs, in the cache folder, unless JAX was told where to."""
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(cache / "mixup_jax" / "xla"))


@contextlib.contextmanager
def one_line_errors() -> Any:
    """Turn errors that the person at the keyboard can mend into one line on stderr.

    Exit status: 2 for bad input, 1 for a run that failed, 128 + signal for one that was asked to stop.
    MIXUP_JAX_TRACEBACK=1 shows the traceback instead.
    """
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if os.environ.get("MIXUP_JAX_TRACEBACK"):
        yield
        return
    try:
        yield
    except Stopped as stop:
        fail(str(stop), code=stop.exit_code, label="stopped")
    except (NotFinite, CheckpointError) as error:
        fail(str(error), code=1)
    except (ValueError, TypeError, OSError) as error:
        fail(str(error), code=2)


def fail(message: str, *, code: int, label: str = "error") -> NoReturn:
    """Print one line and leave."""
    print(f"{label}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
