"""Find run folders and load them (docs/design.md, "The files of a run").

The files may come from anywhere: they are read as JSON only, and an unusable one is a one-line warning.
"""

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.config import Config
from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.evaluation.predictions import Predictions
from mixup_jax.report.fields import MANY, folders_with, integers, mapping, number, numbers
from mixup_jax.report.format import hardware, text
from mixup_jax.runtime.identity import flatten, plain
from mixup_jax.runtime.json_files import LARGEST, Malformed, parse_json, read_bytes, read_text
from mixup_jax.runtime.run_folder import PREDICTIONS, read_predictions
from mixup_jax.runtime.speed import QUANTILES, SPEEDS, in_words
from mixup_jax.stored_config import read, upgraded

BEST = ("best", "median_last_10")
CURVES = ("train_loss", "test_error", "valid_error")
Fields = dict[str, Any]
Values = dict[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """A run folder, or one alpha of it.

    `curves` maps the names of `CURVES` to arrays of shape (evaluations, seeds), `epochs` has shape (evaluations,).
    `alpha` and `planned_epochs` are NaN for an experiment whose config has none. The fields from `finished` on are
    read from result.json; without it the run is unfinished and they keep their defaults.
    """

    path: Path
    experiment: str
    preset: str
    method: str
    model: str
    dataset: str
    mark: str
    seeds: tuple[int, ...]
    config: Fields
    data: Fields
    """Digests of the training and test data by name; empty where a run did not store them."""
    classes: tuple[str, ...] = ()
    """Names of the classes; empty where a run did not store them."""
    jax: Fields = field(default_factory=dict)
    """Settings of JAX that change numbers; empty where a run did not store them."""
    code: str = ""
    """Digest of the code, the commit where a run did not store it."""
    alpha: float
    planned_epochs: float
    command: str
    commit: str
    device: str
    versions: str
    started: str
    epochs: np.ndarray
    curves: dict[str, np.ndarray]
    finished: bool = False
    values: Values = field(default_factory=dict)
    """For each of `METRICS` one number per seed, NaN where unknown; and the test errors of `BEST`."""
    reliability: dict[str, np.ndarray] | None = None
    """`count`, `confidence` and `accuracy` (shares, 0 to 1), each of shape (seeds, bins)."""
    wall_seconds: float = math.nan
    images_per_second: float = math.nan
    speed: str = ""
    """What the run told of its speed, in words."""
    params_digest: str = ""
    paper_error: float | None = None
    paper_source: str = ""
    predictions: Predictions | None = None
    """Of the test set; None where a run has kept none, or none that its result counts."""

    @cached_property
    def flat(self) -> Fields:
        """The configuration by dotted names."""
        return flatten(self.config)


def load_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Load every run below `paths` once; return the runs and a line for each unusable file."""
    runs, warnings = [], []
    for folder in folders_with("config.json", paths):
        try:
            runs += load_run(folder, warnings)
        except Malformed as error:
            warnings.append(f"{text(folder / 'config.json')}: {text(error)}; run skipped")
    return runs, warnings


def load_run(folder: Path, warnings: list[str]) -> list[Run]:
    """Load a run folder, one run for each alpha.

    A bad config.json raises `Malformed`, any other bad file is added to `warnings`.
    """
    start = parse_json(read_text(folder / "config.json"))
    config = _as_written_now(mapping(start, "config"), start.get("version", 1))
    if "experiment" not in start or not config:
        raise Malformed("no experiment and config in it")
    start = start | {"config": config}
    lines, path = _read_lines(folder / "metrics.jsonl", warnings), folder / "result.json"
    try:
        parts = split_by_alpha(start, lines, parse_json(read_text(path)) if path.exists() else {})
        results = [_read_result(final) if final else {} for _, _, final in parts]
    except Malformed as error:
        parts = split_by_alpha(start, lines, {})
        results = [{} for _ in parts]
        warnings.append(f"{text(path)}: {text(error)}; run shown as unfinished")
    runs = [_make_run(folder, *part, result, warnings) for part, result in zip(parts, results, strict=True)]
    return _with_predictions(folder, runs, warnings)


def _with_predictions(folder: Path, runs: list[Run], warnings: list[str]) -> list[Run]:
    """Add what the networks of a finished folder say of the test set: those of each alpha to its run."""
    ends = list(accumulate(len(run.seeds) for run in runs))
    if not all(run.finished and run.classes for run in runs):
        return runs
    try:
        found = read_predictions(folder, ends[-1], len(runs[0].classes))
        if found is None:
            return runs
        errors = [error for run in runs for error in run.values["test_error"]]
        one = 1.01 * 100 / len(found.label)  # another program may round an example that is on the fence otherwise
        if not np.allclose(found.errors(), errors, rtol=0, atol=one):
            raise Malformed(f"{folder / PREDICTIONS} is not of the networks that result.json counts")
    except (OSError, ValueError) as error:
        warnings.append(f"{text(error)}; predictions skipped")
        return runs
    starts = [0, *ends]
    return [
        replace(run, predictions=found.of(slice(start, end)))
        for run, start, end in zip(runs, starts, ends, strict=False)
    ]


def _make_run(
    folder: Path, start: Fields, lines: list[Fields], final: Fields, result: Fields, warnings: list[str]
) -> Run:
    config = mapping(start, "config")
    seeds = result.pop("seeds", None) or _planned_seeds(config)
    epochs, curves = _curves(lines, len(seeds), folder / "metrics.jsonl", warnings)
    both = start | {key: value for key, value in final.items() if value is not None}
    names = ("experiment", "preset", "mark", "command", "commit", "started", "versions")
    classes = mapping(start, "data").get("classes")
    return Run(
        path=folder,
        method=text(both.get("method")) or _method(config),
        model=text(both.get("model") or mapping(config, "model").get("name")),
        dataset=text(both.get("dataset") or mapping(config, "data").get("dataset")),
        device=hardware(both.get("device")),
        seeds=seeds,
        config=config,
        data=mapping(mapping(start, "data"), "digests"),
        classes=tuple(map(text, classes)) if isinstance(classes, list) else (),
        jax=mapping(start, "jax"),
        code=text(start.get("code") or both.get("commit")),
        alpha=_alpha(config),
        planned_epochs=number(config.get("epochs"), "config.epochs"),
        epochs=epochs,
        curves=curves,
        **{name: text(both.get(name)) for name in names},
        **result,
    )


def _read_result(final: Fields) -> Fields:
    """Validate the content of result.json; return fields of `Run`."""
    names = integers(final.get("seeds"), "seeds")
    errors, paper = mapping(final, "test_error"), mapping(final, "paper")
    if "last" not in errors:
        raise Malformed("no test_error.last in it")
    bins = _reliability(mapping(final, "reliability"), len(names))
    per_seed = final | {"test_error": errors["last"]} | {name: errors.get(name) for name in BEST}
    values = {name: numbers(per_seed.get(name), name, len(names)) for name in (*METRICS, *BEST)}
    return {
        "finished": True,
        "seeds": names,
        "values": values | ({} if bins is None else {"overconfidence": _overconfidence(bins)}),
        "reliability": bins,
        "wall_seconds": number(final.get("wall_seconds"), "wall_seconds"),
        "images_per_second": number(final.get("images_per_second"), "images_per_second"),
        "speed": _speed(mapping(final, "speed")),
        "params_digest": text(final.get("params_digest")),
        "paper_error": number(paper["test_error"], "paper.test_error") if "test_error" in paper else None,
        "paper_source": text(paper.get("source")),
    }


def _speed(stored: Fields) -> str:
    """Say in a line what of the speed is stored and can be."""
    seconds, speed = mapping(stored, "step_seconds"), dict[str, float]()
    both = stored | {name: seconds.get(name) for name in QUANTILES}
    for name in (*QUANTILES, *SPEEDS):
        value = number(both.get(name), f"speed.{name}")
        if 0 <= value < math.inf:
            speed[name] = value
    return in_words({"step_seconds": speed, **speed})


def _reliability(bins: Fields, seeds: int) -> dict[str, np.ndarray] | None:
    if not bins:
        return None
    table: dict[str, np.ndarray] = {}
    for name in ("count", "confidence", "accuracy"):
        rows = bins.get(name)
        if not isinstance(rows, list) or len(rows) != seeds or not all(isinstance(row, list) and row for row in rows):
            raise Malformed(f"reliability.{name} is not {seeds} lists of bins")
        values = [numbers(row, f"reliability.{name}", len(rows[0])) for row in rows]
        table[name] = np.nan_to_num(np.asarray(values))  # an empty bin may hold null, NaN or 0
    if len({values.shape for values in table.values()}) > 1:
        raise Malformed("reliability has lists of different lengths")
    for name in ("confidence", "accuracy"):
        if table[name].min() < 0 or table[name].max() > 1.01:  # a mean in float32 may pass 1 by a rounding error
            raise Malformed(f"reliability.{name} is not a share between 0 and 1")
    return table


def _overconfidence(bins: dict[str, np.ndarray]) -> tuple[float, ...]:
    """Compute mean confidence minus accuracy of each seed, in points."""
    gaps = (bins["count"] * (bins["confidence"] - bins["accuracy"])).sum(axis=1)
    return tuple((100 * gaps / np.maximum(bins["count"].sum(axis=1), 1)).tolist())


def split_by_alpha(start: Fields, lines: list[Fields], final: Fields) -> list[tuple[Fields, list[Fields], Fields]]:
    """Split the files of a run over several alphas: for each alpha the files that it would have left alone.

    The arguments are the content of config.json, the lines of metrics.jsonl, and the content of result.json (empty
    while there is none). Lists over networks hold all seeds of the first alpha, then those of the next. Raises
    `Malformed` for alphas that are not numbers, or an unusable number of seeds.

    >>> start = {"config": {"mixing": {"alpha": [1.0, 8.0]}, "seeds": 2}, "methods": ["mixup 1", "mixup 8"]}
    >>> [(files[0]["method"], files[2]["test_ece"]) for files in split_by_alpha(start, [], {"test_ece": [3, 4, 5, 6]})]
    [('mixup 1', [3, 4]), ('mixup 8', [5, 6])]
    """
    config = mapping(start, "config")
    mixing = mapping(config, "mixing")
    alphas = mixing.get("alpha")
    if not isinstance(alphas, list):
        return [(start, lines, final)]
    methods = start.get("methods")
    names = methods if isinstance(methods, list) and len(methods) == len(alphas) else [None] * len(alphas)
    seeds = config.get("seeds")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 0 < seeds <= MANY:
        raise Malformed("config.seeds is not usable")
    parts = []
    for place, (alpha, method) in enumerate(zip(alphas, names, strict=True)):
        own_mixing = {**mixing, "alpha": number(alpha, "config.mixing.alpha")} if alpha else {"name": "erm"}
        own_start = {**start, "config": {**config, "mixing": own_mixing}, "method": method}
        own = partial(_share, networks=len(alphas) * seeds, part=slice(place * seeds, (place + 1) * seeds))
        own_final = own(final) | ({"method": method} if final else {})
        parts.append((own_start, [own(line) for line in lines], own_final))
    return parts


def _share(values: Fields, networks: int, part: slice) -> Fields:
    """Cut the part of one alpha out of every list with one value per network."""
    cut = {}
    for key, value in values.items():
        if isinstance(value, dict):
            cut[key] = _share(value, networks, part)
        else:
            cut[key] = value[part] if isinstance(value, list) and len(value) == networks else value
    return cut


def _read_lines(path: Path, warnings: list[str]) -> list[Fields]:
    if not path.exists():
        return []
    try:
        # Bytes that are not UTF-8 spoil their line only: a run killed while it writes may leave half a character.
        lines = read_bytes(path, LARGEST).decode("utf-8", errors="replace").split("\n")
    except Malformed as error:
        warnings.append(f"{text(path)}: {text(error)}")
        return []
    rows: dict[float, Fields] = {}
    for index, line in enumerate(lines, start=1):
        try:
            row = parse_json(line) if line.strip() else None
            if row is not None:
                rows[number(row["step"], "step")] = row  # a resumed run may write an evaluation again: the last counts
        except (Malformed, KeyError) as error:
            if index < len(lines):  # without a line break at its end, the last line is still being written
                reason = "no step in it" if isinstance(error, KeyError) else text(error)
                warnings.append(f"{text(path)}: line {index}: {reason}; line skipped")
    return [rows[step] for step in sorted(rows)]


def _curves(lines: list[Fields], seeds: int, path: Path, warnings: list[str]) -> tuple[np.ndarray, dict]:
    epochs, table = [], {name: [] for name in CURVES}
    for line in lines:
        try:
            row = {name: numbers(line.get(name), name, seeds) for name in CURVES}
            epochs.append(number(line.get("epoch"), "epoch"))
        except Malformed as error:
            warnings.append(f"{text(path)}: step {text(line['step'])}: {text(error)}; line skipped")
            continue
        for name, values in row.items():
            table[name].append(values)
    return np.asarray(epochs), {name: np.asarray(rows).reshape(-1, seeds) for name, rows in table.items()}


def _planned_seeds(config: Fields) -> tuple[int, ...]:
    first, count = config.get("seed", 0), config.get("seeds", 1)
    if not isinstance(first, int) or not isinstance(count, int) or not 0 < count <= MANY:
        raise Malformed("config.seed and config.seeds are not usable")
    return tuple(range(first, first + count))


def _as_written_now(config: Fields, version: Any) -> Fields:
    """Return a configuration with all its fields as they are stored now; one that cannot be read, as it is."""
    if "mixing" not in config:
        return config
    with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError):
        return plain(read(Config(), upgraded(config) if version in (1, 2) else config))
    return config


def _alpha(config: Fields) -> float:
    mixing = mapping(config, "mixing")
    return 0.0 if mixing.get("name") == "erm" else number(mixing.get("alpha"), "config.mixing.alpha")


def _method(config: Fields) -> str:
    alpha = _alpha(config)
    name = text(mapping(config, "mixing").get("name") or "mixup").replace("_", " ")
    return "" if math.isnan(alpha) else "ERM" if alpha == 0 else f"{name}, alpha = {alpha:g}"
