"""What the options of a job set: checked, for its record, and for the name of its folder."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.commands.command_line import P, parse
from experiments.commands.errors import one_line_errors
from experiments.commands.running import cache_compilations, folder_of
from mixup_jax.config_checks import LARGEST, LEAST_ALPHA

ELSEWHERE = ("workdir", "data_dir", "smoke")
"""Options that say where and not what; what `smoke` changes are other fields."""


def run_settings(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, P]],
    run: Callable[[P, Path], Any],
    *,
    default: str,
    leaves: str,
) -> None:
    """Run the command line of an experiment whose presets are a dataclass of its own: ``[PRESET] [options]``.

    `run` is called with the job and its folder; `leaves` names the files that it leaves there.
    """
    with one_line_errors():
        preset, job = parse(experiment, description, presets, default, sys.argv[1:])
        cache_compilations()
        workdir = getattr(job, "workdir", None) or settings_folder(experiment, preset, job, presets)
        run(job, workdir)
        print(f"\n{workdir}: {leaves}")


def settings(job: Any) -> dict[str, Any]:
    """Return what a job, a dataclass, sets, as JSON has it."""
    return json.loads(json.dumps(_fields(job), default=str))


def settings_folder(experiment: str, preset: str, job: Any, presets: Mapping[str, tuple[str, Any]]) -> Path:
    """Return where a job goes that was not given a folder: after its preset and what it changes of it.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Job:
    ...     datasets: tuple[str, ...] = ("iris",)
    ...     csv: Path | None = None
    ...     smoke: bool = False
    >>> presets = {"paper": ("The paper's.", Job())}
    >>> settings_folder("tabular", "paper", Job(), presets).as_posix()
    'runs/tabular/paper'
    >>> settings_folder("tabular", "paper", Job(csv=Path("here/mine.csv"), smoke=True), presets).as_posix()
    'runs/tabular/paper-csv-mine-smoke'
    """
    usual = _fields(presets[preset][1])
    changes = [f"{name}-{_spelled(value)}" for name, value in _fields(job).items() if value != usual[name]]
    return folder_of(experiment, [preset, *changes], smoke=job.smoke)


def check_alphas(alphas: tuple[float, ...], least: int = 0) -> None:
    """Raise ValueError unless there are `least` alphas or more, different and positive.

    >>> check_alphas((0.1, 0.2))
    """
    positive = all(LEAST_ALPHA <= alpha <= LARGEST for alpha in alphas)
    if len(alphas) < least or len({*alphas}) < len(alphas) or not positive:
        raise ValueError(
            f"alphas must be different positive numbers, {LEAST_ALPHA:g} to {LARGEST:g} (ERM is always there), "
            f"got {alphas}."
        )


def check_counts(counts: Mapping[str, tuple[int | None, int]]) -> None:
    """Raise ValueError, naming the option, unless each number is from 1 to the most that beside it; None is left out.

    >>> check_counts({"seeds": (5, 10_000), "images": (None, 1000)})
    """
    for name, (value, most) in counts.items():
        if value is not None and not 1 <= value <= most:
            raise ValueError(f"{name} must be at least 1 and at most {most:,}, got {value}.")


def _fields(job: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name not in ELSEWHERE}


def _spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(_spelled, value))
    if isinstance(value, float):
        return f"{value:g}"
    return value.stem if isinstance(value, Path) else str(value)
