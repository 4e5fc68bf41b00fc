"""Group runs into conditions, make tables of them, pair ERM with mixup, and put models beside each other."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.report.format import MISSING, decimal, short_commit, text
from mixup_jax.report.runs import BEST, Run
from mixup_jax.report.statistics import Summary, holm, paired_difference, summarise
from mixup_jax.report.tables import Row, Table

SEED_FIELDS = ("seed", "seeds")
COLUMNS = (*METRICS, *BEST, "wall_seconds", "images_per_second")
"""Columns of the tables of runs; the last two have one value per run."""
ORIGIN = {"code": "code", "versions": "versions of packages", "jax": "settings of JAX", "device": "devices"}
"""Fields of `Run` that the comparison of two conditions names where they differ."""


@dataclass(frozen=True, eq=False)
class Condition:
    """Runs of one configuration at one commit, with the same versions and settings of JAX, over disjoint seeds."""

    runs: tuple[Run, ...]
    label: str
    """The method, made unique among the conditions of the same setting."""

    @property
    def setting(self) -> tuple[str, str, str]:
        """Data, model and mark, which are equal for rows that may be compared."""
        return self.runs[0].dataset, self.runs[0].model, self.runs[0].mark

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return all(run.finished for run in self.runs)

    def error(self) -> dict[int, float]:
        """Return the last test error in per cent of each seed."""
        pairs = (zip(run.seeds, run.values["test_error"], strict=True) for run in self.runs if run.finished)
        return {seed: value for pair in pairs for seed, value in pair}

    @property
    def paper_error(self) -> float | None:
        """The paper's test error, where the run's model and data are the paper's."""
        error = self.runs[0].paper_error
        return error if error is not None and math.isfinite(error) else None

    @property
    def last_error(self) -> float:
        """The mean of the last test error over seeds, infinite where there is none."""
        values = list(self.error().values()) if self.finished else self.curve("test_error")[1][-1:].ravel().tolist()
        mean = sum(values) / len(values) if values else math.inf
        return mean if math.isfinite(mean) else math.inf

    def bins(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return of each bin the mean count over seeds, and accuracy and confidence with all seeds' examples pooled."""
        tables = [run.reliability for run in self.runs if run.reliability]
        names = ("count", "accuracy", "confidence")
        counts, *shares = (np.concatenate([each[name] for each in tables]) for name in names)
        total = counts.sum(axis=0)
        accuracy, confidence = ((counts * each).sum(axis=0) / np.where(total > 0, total, 1) for each in shares)
        return total / len(counts), accuracy, confidence

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the epochs that all seeds have reached, and the values there (epochs x seeds)."""
        shared = sorted(set.intersection(*(set(run.epochs[np.isfinite(run.epochs)].tolist()) for run in self.runs)))
        columns = [run.curves[name][[run.epochs.tolist().index(epoch) for epoch in shared]] for run in self.runs]
        values = np.concatenate(columns, axis=1)
        known = np.isfinite(values).any(axis=1)
        return np.asarray(shared, dtype=float)[known], values[known]


def group(runs: Sequence[Run]) -> list[Condition]:
    """Merge runs that differ in their seeds only into one condition; order by setting, then by alpha.

    Seeds trained in separate runs thus give the same row as seeds trained in one run. Runs that share a seed are not
    merged, but networks that are equal bit by bit, because two experiments trained the same pair, are shown once. An
    unfinished run is a condition of its own.
    """
    groups: list[list[Run]] = []
    alike: dict[Any, list[list[Run]]] = defaultdict(list)
    different = {_networks(run): run for run in sorted(runs, key=_order, reverse=True)}  # the first of equal ones
    for run in sorted(different.values(), key=_order):
        near = alike[_but_for_seeds(run)]
        same = next((members for members in near if _mergeable(members, run)), None)
        if same is None:
            groups.append(same := [])
            near.append(same)
        same.append(run)
    names = Counter(name for members in groups for name in _names(members[0]))
    return [Condition(tuple(members), _label(members[0], names)) for members in groups]


def lowest(conditions: Sequence[Condition], most: int) -> list[Condition]:
    """Return at most so many conditions, in their order: those that have the lowest last error in their settings."""
    if len(conditions) <= most:
        return list(conditions)
    ranks = Counter[tuple[str, str, str]]()
    ranked = []
    for condition in sorted(conditions, key=lambda each: each.last_error):
        ranked.append((ranks[condition.setting], condition))
        ranks[condition.setting] += 1
    kept = {id(condition) for _, condition in sorted(ranked, key=lambda each: each[0])[:most]}
    return [condition for condition in conditions if id(condition) in kept]


def result_tables(conditions: Sequence[Condition]) -> list[Table]:
    """Make a table for each setting, with a row for each condition."""
    tables = []
    for (dataset, model, mark), members in groupby(conditions, key=lambda condition: condition.setting):
        rows = tuple(_row(condition) for condition in members)
        tables.append(Table("", "Results", "", mark, dataset, model, COLUMNS, rows, seeds=()))
    return tables


def _row(condition: Condition) -> Row:
    runs, first = condition.runs, condition.runs[0]
    device, commit = ("; ".join(dict.fromkeys(getattr(run, name) for run in runs)) for name in ("device", "commit"))
    values = {name: sum((run.values.get(name, ()) for run in runs), ()) for name in COLUMNS}
    values |= {name: tuple(getattr(run, name) for run in runs) for name in COLUMNS[-2:]}
    progress = None
    if not condition.finished:
        _, errors = condition.curve("test_error")
        values["test_error"] = tuple(errors[-1].tolist()) if len(errors) else (math.nan,) * len(first.seeds)
        reached = float(first.epochs[-1]) if len(first.epochs) and math.isfinite(first.epochs[-1]) else 0.0
        progress = reached, first.planned_epochs
    return Row(
        label=condition.label,
        values=tuple(values.values()),
        paper=tuple(condition.paper_error if name == "test_error" else None for name in COLUMNS),
        note=first.paper_source if condition.paper_error is not None else "",
        device=device or MISSING,
        commit=short_commit(commit),
        progress=progress,
    )


@dataclass(frozen=True)
class Comparison:
    """ERM and a method that mixes, otherwise of one configuration; `change` is its test error minus ERM's, in points.

    `p` is that of the paired t-test with Holm's correction over the `of` comparisons beside it; None for one seed, and
    where the error of a seed is not finite.
    """

    erm: Condition
    mixup: Condition
    change: Summary
    p: float | None
    of: int

    @property
    def paper(self) -> float | None:
        """The change that the paper reports, where both rows have its number."""
        erm, mixup = self.erm.paper_error, self.mixup.paper_error
        return None if erm is None or mixup is None else mixup - erm

    @property
    def alike(self) -> bool:
        """Whether all seeds changed by the same, as a few seeds on a small test set do by chance: the t-test fails."""
        return abs(self.change.sd or 0.0) < 1e-6 * abs(self.change.mean) and self.change.n > 1

    @property
    def apart(self) -> list[str]:
        """What the two differ in beside the mixing, where both say it."""
        names = []
        for name, words in ORIGIN.items():
            one, other = ({_hashable(getattr(run, name)) for run in each.runs} for each in (self.erm, self.mixup))
            if one != other and all(one) and all(other):
                names.append(words)
        return names

    def sentence(self) -> str:
        """Return the change, its interval and the conclusion that it allows."""
        dataset, model, _ = self.mixup.setting
        points = f"{'+' if self.change.mean > 0 else ''}{decimal(self.change.mean)}"
        words = f"{self.mixup.label} against {self.erm.label} ({dataset}, {model}): test error {points} points"
        if self.p is None:
            words += f" ({'one seed' if self.change.n == 1 else 'the error of a seed is not finite'}: no interval)."
        elif self.alike:
            words += f" (the same for each of {self.change.n} seeds: no spread, and so no interval)."
        else:
            corrected = f" with Holm's correction over {self.of} comparisons" if self.of > 1 else ""
            interval = f"95 % interval {self.change.interval}, paired over {self.change.n} seeds"
            words += f" ({interval}; p = {self.p:.2g}{corrected})."
            if self.p >= 0.05:
                words += " These seeds do not tell the two apart."
        words += f" The two differ in {' and '.join(self.apart)} as well." if self.apart else ""
        return words if self.paper is None else f"{words} The paper reports {decimal(self.paper, 1)} points."


def compare(conditions: Sequence[Condition]) -> list[Comparison]:
    """Pair each finished condition that mixed with the ERM conditions that differ in mixing only and share a seed.

    p-values are corrected over all pairs of several seeds.
    """
    finished = [condition for condition in conditions if condition.finished]
    mixed: dict[Any, list[Condition]] = defaultdict(list)
    for condition in finished:
        if _mixed(condition.runs[0]):
            mixed[_but_for_mixing(condition)].append(condition)
    found = [
        (erm, mixup, paired_difference(erm.error(), mixup.error()))
        for erm in finished
        if not _mixed(erm.runs[0])
        for mixup in mixed[_but_for_mixing(erm)]
        if _same_data(erm.runs[0], mixup.runs[0])
    ]
    pairs = [(erm, mixup, change) for erm, mixup, change in found if change is not None]
    tested = [change.p for *_, change in pairs if change.p is not None]
    corrected = iter(holm(tested))
    return [
        Comparison(erm, mixup, change, None if change.p is None else next(corrected), len(tested))
        for erm, mixup, change in pairs
    ]


@dataclass(frozen=True)
class Rival:
    """A condition, its test error, and how far it is behind the lowest, seed by seed (None without a shared seed)."""

    condition: Condition
    error: Summary
    behind: Summary | None


def across_models(conditions: Sequence[Condition]) -> list[tuple[str, list[Rival]]]:
    """Return for all data with two or more models its name and the finished conditions, the lowest error first.

    Errors are compared on the same test labels: of one data set there are as many tables as there are test sets.
    """
    alike: dict[tuple[str, str, str], list[Condition]] = defaultdict(list)
    for condition in conditions:
        if condition.finished and all(map(math.isfinite, condition.error().values())):
            dataset, _, mark = condition.setting
            alike[dataset, mark, str(condition.runs[0].data.get("test_label", ""))].append(condition)
    tables = []
    for (dataset, mark, _), members in alike.items():
        if len({condition.setting[1] for condition in members}) > 1:
            errors = {id(each): summarise(list(each.error().values())) for each in members}
            members.sort(key=lambda each: errors[id(each)].mean)
            best = members[0].error()
            behind = [None, *(paired_difference(best, each.error()) for each in members[1:])]
            rivals = [Rival(each, errors[id(each)], far) for each, far in zip(members, behind, strict=True)]
            tables.append((" · ".join(filter(None, (dataset, mark))), rivals))
    return tables


def _but_for_mixing(condition: Condition) -> Any:
    """Return a key that conditions share if they may differ in mixing and seeds only."""
    return condition.setting, _hashable(_config(condition.runs[0], mixing=False))


def _mixed(run: Run) -> bool:
    """Return whether the run mixed; alpha counts for method mixup only."""
    config = run.flat
    return config.get("mixing.name", config.get("mixing.method")) in ("cutmix", "switch") or run.alpha != 0


def _config(run: Run, *, mixing: bool = True) -> dict[str, Any]:
    """Return the configuration without seeds by dotted names."""
    kept = (name for name in run.flat if mixing or not name.startswith("mixing."))
    return {name: run.flat[name] for name in kept if name not in SEED_FIELDS}


def _hashable(value: Any) -> Any:
    """Return a JSON value as a key of a dictionary: equal values give equal keys, 20 and 20.0 too."""
    if isinstance(value, dict):
        return frozenset((name, _hashable(each)) for name, each in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _same_data(one: Run, other: Run) -> bool:
    """Return whether the data had the same content; true where a run did not store it."""
    return not (one.data and other.data) or one.data == other.data


def _networks(run: Run) -> Any:
    """Return a key that runs share if their networks are equal bit by bit."""
    if not run.finished or not run.params_digest:
        return run.path
    errors = [run.values[name] for name in ("test_error", *BEST)]
    return run.params_digest, repr((*_order(run)[:-1], _config(run), errors))


def _but_for_seeds(run: Run) -> Any:
    """Return a key that runs share if they may differ in their seeds only; an unfinished run shares it with none."""
    names = (run.experiment, run.method, run.model, run.dataset, run.mark, run.commit, run.versions)
    return (*names, _hashable(_config(run)), _hashable(run.jax)) if run.finished else run.path


def _mergeable(members: list[Run], run: Run) -> bool:
    seeds = {seed for member in members for seed in member.seeds}
    return run.finished and _same_data(members[0], run) and not seeds & set(run.seeds)


def _order(run: Run) -> tuple[Any, ...]:
    return run.dataset, run.model, run.mark, math.isnan(run.alpha), run.alpha, run.method, run.seeds, str(run.path)


def _names(run: Run) -> tuple[Any, ...]:
    """Return what a label may say of a run, from its method to its folder and the one above, within its setting."""
    method = run.dataset, run.model, run.method
    return method, (*method, "preset", run.preset), (*method, "folder", run.path.name)


def _label(run: Run, names: Counter[Any]) -> str:
    """Name a run by its method; of several with one, by the preset or the folder too, whichever tells them apart."""
    method, preset, folder = _names(run)
    if names[method] == 1:
        return run.method or run.preset or text(run.path.name)
    if run.preset and names[preset] == 1:
        return f"{run.method} · {run.preset}"
    return f"{run.method} · {text(run.path.name if names[folder] == 1 else '/'.join(run.path.parts[-2:]))}"
