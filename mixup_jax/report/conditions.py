"""Group runs into conditions, the rows of every table, and pair ERM with mixup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixup_jax.report.runs import Run
from mixup_jax.report.statistics import Summary, decimal, paired_difference, summarise
from mixup_jax.runtime.identity import flatten

SEED_FIELDS = ("seed", "seeds")


@dataclass(frozen=True, eq=False)
class Condition:
    """Runs of one configuration at one commit over disjoint seeds."""

    runs: tuple[Run, ...]
    label: str
    """The method, made unique among the conditions of the same setting."""

    @property
    def setting(self) -> tuple[str, str, str]:
        """Data, model and mark: what must be equal for two numbers to stand side by side."""
        return self.runs[0].dataset, self.runs[0].model, self.runs[0].mark

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return all(run.result is not None for run in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, in the order of the runs."""
        return tuple(seed for run in self.runs for seed in run.seeds)

    def error(self, which: str = "last") -> dict[int, float]:
        """Test error in per cent of each seed: ``last``, ``best`` or ``median_last_10``."""
        return {
            seed: value
            for run in self.runs
            if run.result
            for seed, value in zip(run.seeds, run.result.test_error[which], strict=True)
        }

    def summary(self, name: str) -> Summary:
        """Summarise a per-seed field of the result (``test_ece``, ``train_subset_error``) over all seeds."""
        return summarise([value for run in self.runs if run.result for value in getattr(run.result, name)])

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the epochs that all seeds have reached, and the values there (epochs x seeds)."""
        shared = sorted(set.intersection(*(set(run.epochs[np.isfinite(run.epochs)].tolist()) for run in self.runs)))
        columns = [run.curves[name][[run.epochs.tolist().index(epoch) for epoch in shared]] for run in self.runs]
        values = np.concatenate(columns, axis=1)
        known = np.isfinite(values).any(axis=1)
        return np.asarray(shared, dtype=float)[known], values[known]


def group(runs: Sequence[Run]) -> list[Condition]:
    """Put runs that differ in nothing but disjoint seeds into one condition; order by setting, then by alpha.

    Seeds trained one by one on a cluster thus give the same row as seeds trained together. Two runs that share a seed
    stay apart: which of them counts is not ours to choose; but networks that came out equal to the last bit, because
    two experiments trained the same pair, are shown once. An unfinished run is a condition of its own.
    """
    groups: list[list[Run]] = []
    different = {_networks(run): run for run in sorted(runs, key=_order, reverse=True)}  # of equal ones the first
    for run in sorted(different.values(), key=_order):
        same = [members for members in groups if _mergeable(members, run)]
        (same[0] if same else groups.append([]) or groups[-1]).append(run)
    return [Condition(tuple(members), _label(members[0], [other[0] for other in groups])) for members in groups]


@dataclass(frozen=True)
class Comparison:
    """ERM and a method that mixes, with nothing else different; `change` is its test error minus ERM's, in points."""

    erm: Condition
    mixup: Condition
    change: Summary

    @property
    def paper(self) -> float | None:
        """The change that the paper reports, where both rows carry a number of it."""
        ours = [condition.runs[0].result for condition in (self.erm, self.mixup)]
        errors = [result.paper_error for result in ours if result and result.paper_error is not None]
        return errors[1] - errors[0] if len(errors) == 2 else None

    def sentence(self) -> str:
        """Say it in words, with the interval and what it allows to conclude."""
        dataset, model, _ = self.mixup.setting
        points = f"{'+' if self.change.mean > 0 else ''}{decimal(self.change.mean)}"
        words = f"{self.mixup.label} against {self.erm.label} ({dataset}, {model}): test error {points} points"
        if self.change.low is None or self.change.high is None:
            words += " (one seed: no interval)."
        else:
            words += f" (95 % interval {self.change.interval}, paired over {self.change.n} seeds)."
            if self.change.low <= 0 <= self.change.high:
                words += " The interval includes 0: these seeds do not tell the two apart."
        return words if self.paper is None else f"{words} The paper reports {decimal(self.paper, 1)} points."


def compare(conditions: Sequence[Condition]) -> list[Comparison]:
    """Pair each finished condition that mixed with those of ERM that differ in nothing else and share a seed."""
    finished = [condition for condition in conditions if condition.finished]
    found = []
    for erm in finished:
        for mixed in finished:
            if not _mixed(erm.runs[0]) and _mixed(mixed.runs[0]) and _differ_by_mixing_only(erm, mixed):
                change = paired_difference(erm.error(), mixed.error())
                if change is not None:
                    found.append(Comparison(erm, mixed, change))
    return found


def _mixed(run: Run) -> bool:
    """Return whether the run mixed: what trained counts, whatever alpha stands beside another method."""
    config = flatten(run.config)
    return config.get("mixing.name", config.get("mixing.method")) in ("cutmix", "switch") or run.alpha != 0


def _differ_by_mixing_only(erm: Condition, mixed: Condition) -> bool:
    same = erm.setting == mixed.setting and _same_data(erm.runs[0], mixed.runs[0])
    return same and _beside_mixing(erm.runs[0]) == _beside_mixing(mixed.runs[0])


def _beside_mixing(run: Run) -> dict[str, Any]:
    config = _without_seeds(run)
    return {name: config[name] for name in config if not name.startswith("mixing.")}


def _without_seeds(run: Run) -> dict[str, Any]:
    return {name: value for name, value in flatten(run.config).items() if name not in SEED_FIELDS}


def _same_data(one: Run, other: Run) -> bool:
    """Whether two runs on data of one name had the same content, as far as it was stored."""
    return not (one.data and other.data) or one.data == other.data


def _networks(run: Run) -> Any:
    """Return what is equal for runs whose networks are equal bit by bit."""
    if run.result is None or not run.result.params_digest:
        return run.path
    return run.result.params_digest, repr((*_order(run)[:-1], flatten(run.config), run.result.test_error))


def _mergeable(members: list[Run], run: Run) -> bool:
    first = members[0]
    names = ("experiment", "method", "model", "dataset", "mark", "commit")
    return (
        all(member.result is not None for member in (*members, run))
        and all(getattr(first, name) == getattr(run, name) for name in names)
        and _without_seeds(first) == _without_seeds(run)
        and _same_data(first, run)
        and not any(set(member.seeds) & set(run.seeds) for member in members)
    )


def _order(run: Run) -> tuple[Any, ...]:
    return run.dataset, run.model, run.mark, math.isnan(run.alpha), run.alpha, run.method, run.seeds, str(run.path)


def _beside(run: Run) -> tuple[str, str, str]:
    return run.dataset, run.model, run.method


def _label(run: Run, others: list[Run]) -> str:
    same = [other for other in others if other is not run and _beside(other) == _beside(run)]
    if not same:
        return run.method or run.preset or run.path.name
    if run.preset and all(other.preset != run.preset for other in same):
        return f"{run.method} · {run.preset}"
    return f"{run.method} · {run.path.name}"
