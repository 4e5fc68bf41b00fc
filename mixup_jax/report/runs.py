"""Find run folders and load them (docs/design.md, "The files of a run").

The files may come from anywhere: they are read as JSON only, and what does not fit is a one-line warning.
"""

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.config import Config, read, upgraded
from mixup_jax.report.fields import MANY, folders_below, mapping, number, numbers, text
from mixup_jax.report.results import Result, read_result, take_apart
from mixup_jax.report.wording import hardware
from mixup_jax.runtime.identity import plain
from mixup_jax.runtime.json_files import LARGEST, Malformed, parse_json, read_bytes, read_text

PER_SEED = ("train_loss", "train_accuracy", "train_subset_error", "test_error", "test_loss", "test_ece")


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder. Without `result` the run is unfinished and `curves` holds its progress so far.

    `curves` maps the names of `PER_SEED` to arrays of shape (evaluations, seeds), beside `epochs` (evaluations,);
    `alpha` and `planned_epochs` are NaN for an experiment whose config has none.
    """

    path: Path
    experiment: str
    preset: str
    method: str
    model: str
    dataset: str
    mark: str
    seeds: tuple[int, ...]
    config: dict[str, Any]
    data: dict[str, Any]
    """Digests of what was trained and tested on, by their names; empty where a run did not store them."""
    alpha: float
    planned_epochs: float
    command: str
    commit: str
    device: str
    versions: str
    started: str
    epochs: np.ndarray
    curves: dict[str, np.ndarray]
    result: Result | None


def find_runs(path: Path) -> list[Path]:
    """List the folders at or below `path` that hold a config.json, in order; nothing is looked for inside a run."""
    return [folder for folder, files in folders_below(path) if "config.json" in files]


def load_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Load every run below `paths` once; returns the runs and one line for each file that could not be used."""
    runs, warnings = [], []
    folders = {folder.resolve(): folder for path in paths for folder in find_runs(path)}
    for folder in folders.values():
        try:
            runs += load_run(folder, warnings)
        except Malformed as error:
            warnings.append(f"{text(folder / 'config.json')}: {text(error)}; run skipped")
    return runs, warnings


def load_run(folder: Path, warnings: list[str]) -> list[Run]:
    """Load a run folder, one run for each alpha that it was trained with.

    A bad config.json raises `Malformed`, any other bad file is added to `warnings`.
    """
    start = parse_json(read_text(folder / "config.json"))
    config = _as_written_now(mapping(start, "config"), start.get("version", 1))
    if "experiment" not in start or not config:
        raise Malformed("no experiment and config in it")
    start = start | {"config": config}
    lines = _read_lines(folder / "metrics.jsonl", warnings)
    final: dict[str, Any] = {}
    if (folder / "result.json").exists():
        try:
            final = parse_json(read_text(folder / "result.json"))
        except Malformed as error:
            warnings.append(f"{text(folder / 'result.json')}: {text(error)}; run shown as unfinished")
    return [_make_run(folder, *files, warnings) for files in take_apart(start, lines, final)]


def _make_run(
    folder: Path, start: dict[str, Any], lines: list[dict[str, Any]], final: dict[str, Any], warnings: list[str]
) -> Run:
    result, config = None, mapping(start, "config")
    try:
        result = read_result(final) if final else None
    except Malformed as error:
        final = {}
        warnings.append(f"{text(folder / 'result.json')}: {text(error)}; run shown as unfinished")
    seeds = result.seeds if result else _planned_seeds(config)
    epochs, curves = _curves(lines, len(seeds), folder / "metrics.jsonl", warnings)
    both = {**start, **{key: value for key, value in final.items() if value is not None}}
    known = {key: text(both.get(key)) for key in ("experiment", "preset", "mark", "command", "commit", "started")}
    return Run(
        path=folder,
        method=text(both.get("method")) or _method(config),
        model=text(both.get("model") or mapping(config, "model").get("name")),
        dataset=text(both.get("dataset") or mapping(config, "data").get("dataset")),
        device=hardware(both.get("device")),
        versions=text(both.get("versions")),
        seeds=seeds,
        config=config,
        data=mapping(mapping(start, "data"), "digests"),
        alpha=_alpha(config),
        planned_epochs=number(config.get("epochs"), "config.epochs"),
        epochs=epochs,
        curves=curves,
        result=result,
        **known,
    )


def _read_lines(path: Path, warnings: list[str]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        # Bytes that are not UTF-8 spoil their line only: a run killed while it writes may leave half a character.
        lines = read_bytes(path, LARGEST).decode("utf-8", errors="replace").split("\n")
    except Malformed as error:
        warnings.append(f"{text(path)}: {text(error)}")
        return []
    rows: dict[float, dict[str, Any]] = {}
    for index, line in enumerate(lines, start=1):
        try:
            row = parse_json(line) if line.strip() else None
            if row is not None:
                rows[number(row["step"], "step")] = row  # a resumed run may write an evaluation again: the last counts
        except (Malformed, KeyError) as error:
            if index < len(lines):  # without a line break behind it, the last line is still being written
                reason = "no step in it" if isinstance(error, KeyError) else text(error)
                warnings.append(f"{text(path)}: line {index}: {reason}; line skipped")
    return [rows[step] for step in sorted(rows)]


def _curves(lines: list[dict[str, Any]], seeds: int, path: Path, warnings: list[str]) -> tuple[np.ndarray, dict]:
    epochs, table = [], {name: [] for name in PER_SEED}
    for line in lines:
        try:
            row = {name: numbers(line.get(name), name, seeds) for name in PER_SEED}
            epochs.append(number(line.get("epoch"), "epoch"))
        except Malformed as error:
            warnings.append(f"{text(path)}: step {text(line['step'])}: {text(error)}; line skipped")
            continue
        for name, values in row.items():
            table[name].append(values)
    return np.asarray(epochs), {name: np.asarray(rows).reshape(-1, seeds) for name, rows in table.items()}


def _planned_seeds(config: dict[str, Any]) -> tuple[int, ...]:
    first, count = config.get("seed", 0), config.get("seeds", 1)
    if not isinstance(first, int) or not isinstance(count, int) or not 0 < count <= MANY:
        raise Malformed("config.seed and config.seeds are not usable")
    return tuple(range(first, first + count))


def _as_written_now(config: dict[str, Any], version: Any) -> dict[str, Any]:
    """Return a configuration with all its fields as they are stored now; one that cannot be read, as it is."""
    if "mixing" not in config:
        return config
    with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError):
        return plain(read(Config(), upgraded(config) if version in (1, 2) else config))
    return config


def _alpha(config: dict[str, Any]) -> float:
    mixing = mapping(config, "mixing")
    return 0.0 if mixing.get("name") == "erm" else number(mixing.get("alpha"), "config.mixing.alpha")


def _method(config: dict[str, Any]) -> str:
    alpha = _alpha(config)
    return "" if math.isnan(alpha) else "ERM" if alpha == 0 else f"mixup, alpha = {alpha:g}"
