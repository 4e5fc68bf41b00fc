"""What the options of a job set: checked, for its record, and for the name of its folder."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.running import folder_of

ELSEWHERE = ("workdir", "data_dir", "smoke")
"""Options that say where and not what; what `smoke` changes are other fields."""


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
    positive = all(0 < alpha < float("inf") for alpha in alphas)
    if len(alphas) < least or len({*alphas}) < len(alphas) or not positive:
        raise ValueError(f"alphas must be different positive numbers (ERM is always there), got {alphas}.")


def check_counts(job: Any, names: Iterable[str]) -> None:
    """Raise ValueError, naming the option, unless these options of a job are at least 1."""
    for name in names:
        if getattr(job, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(job, name)}.")


def _fields(job: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name not in ELSEWHERE}


def _spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(_spelled, value))
    if isinstance(value, float):
        return f"{value:g}"
    return value.stem if isinstance(value, Path) else str(value)
