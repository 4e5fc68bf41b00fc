"""From a dictionary of presets to a command."""

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import tyro
from rich.console import Console

from experiments.commands.errors import command, one_line_errors
from experiments.commands.given import adopt, given_options, refuse_idle
from experiments.commands.running import Job, Paper, run
from mixup_jax.config import Config
from mixup_jax.runtime.distributed import join
from mixup_jax.runtime.mesh import is_writer
from mixup_jax.training.options import check_options, settled

J = TypeVar("J", bound=Job)
P = TypeVar("P")


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
        jobs = {name: (text, Job(config)) for name, (text, config) in presets.items()}
        preset, job = begin(experiment, description, jobs, default)
        result = run(experiment, preset, job, paper=paper, began=psutil.Process().create_time())
        if is_writer():
            show_runs([Path(result["workdir"])], title=f"{experiment} {preset}")


def begin(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, J]],
    default: str,
    configs: Callable[[J], Iterable[Config]] | None = None,
) -> tuple[str, J]:
    """Read the command line and meet the other processes of the job."""
    preset, job = parse(experiment, description, presets, default, sys.argv[1:], configs)
    launch = job.launch
    join(launch.coordinator, launch.processes, launch.process_id, launch.join_timeout)
    return preset, job


def parse(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, P]],
    default: str,
    arguments: list[str],
    configs: Callable[[P], Iterable[Any]] | None = None,
) -> tuple[str, P]:
    """Read the arguments: the preset's name, and the job, a dataclass, that its options make of it.

    A job with a `config` keeps nothing of the preset that does nothing any more; of several runs, `configs` makes their
    configurations. Raises ValueError for options that were given and do nothing.
    """
    hint = ""
    if not arguments or arguments[0].startswith("-"):
        late = [each for each in arguments if each in presets]
        hint = f"; the preset comes first: {late[0]} --option ..." if late else ""
        arguments = [default, *arguments]
    if arguments[0] not in presets:
        close = difflib.get_close_matches(arguments[0], presets, n=1)
        perhaps = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"preset {arguments[0]!r} is not one of {', '.join(presets)}{perhaps}")
    listed = "\n".join(f"  {name:<16} {text}" for name, (text, _) in presets.items())
    text = f"{description}\nPRESET, {default} if left out:\n\n{listed}\n\nDefaults below are {arguments[0]}'s."
    program = f"python -m experiments.{experiment} [PRESET]"
    preset = presets[arguments[0]][1]
    job = command(tyro.cli, type(preset), default=preset, prog=program, description=text, args=arguments[1:], hint=hint)
    return arguments[0], fitted(job, preset, given_options(arguments[1:]), configs)


def fitted(job: P, preset: P, given: set[str], configs: Callable[[P], Iterable[Any]] | None) -> P:
    """Check what was given, and take back what the preset says of choices that were replaced."""
    before, config = getattr(preset, "config", None), getattr(job, "config", None)
    if before is None or config is None:
        return job
    config = adopt(config, before, given)
    job = replace(job, config=config)  # type: ignore[type-var]
    refuse_idle(config, configs(job) if configs else [config], given)
    if configs:
        return job
    config = settled(config)
    check_options(config)
    return replace(job, config=config)  # type: ignore[type-var]


def show_runs(folders: list[Path], *, title: str) -> None:
    """Print the table of finished runs and where they are."""
    from mixup_jax.report.runs import load_runs
    from mixup_jax.report.terminal import results_table

    runs, _ = load_runs(folders)
    console = Console(markup=False)
    console.print(results_table(runs, title=title))
    for folder in folders:
        console.print(f"\n{folder}: config.json, metrics.jsonl, result.json, checkpoints/, figures/", soft_wrap=True)
