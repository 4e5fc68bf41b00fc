"""Put runs of different models on the same data beside each other."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mixup_jax.report.conditions import Condition
from mixup_jax.report.statistics import Summary, paired_difference, summarise


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
