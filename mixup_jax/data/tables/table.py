"""A table of features with a class for each row."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixup_jax.data.dataset import MARKS

CATEGORIES = 1000
"""The most categories of a column: each becomes a column."""


@dataclass(frozen=True)
class TabularData:
    """Features, and a class for each row; columns hold numbers or categories, NaN is a missing value.

    `features` is a `pandas.DataFrame`, `label` int32 (n,), indices into `classes`.

    Raises ValueError, which names the table and the column, for a single class, a column without values, infinite
    numbers, and a column of words in which no word occurs twice or more than a thousand differ.
    """

    name: str
    mark: str
    features: Any
    label: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"{self.name}: mark must be one of {', '.join(MARKS)}, got {self.mark!r}.")
        if len(np.unique(self.label)) < 2:
            raise ValueError(f"{self.name} has the one class {', '.join(self.classes)}; at least two are needed.")
        if len(self.label) != len(self.features):
            raise ValueError(f"{self.name} has {len(self.features)} rows and {len(self.label)} labels.")
        if not len(self.features.columns):
            raise ValueError(f"{self.name} has no column beside the target.")
        self._check_columns()

    def _check_columns(self) -> None:
        empty = list(self.features.columns[self.features.isna().to_numpy().all(axis=0)])
        if empty:
            raise ValueError(f"{self.name}: no value at all in {', '.join(empty)}; leave such columns out.")
        infinite = [name for name in self.numeric if np.isinf(self.features[name].to_numpy(float)).any()]
        if infinite:
            raise ValueError(f"{self.name}: infinite numbers in {', '.join(infinite)}; mend or leave them empty.")
        words = {name: self.features[name].nunique() for name in self.categorical}
        unlike = [name for name, count in words.items() if count == len(self.features) > 2 or count > CATEGORIES]
        if unlike:
            raise ValueError(
                f"{self.name}: every row, or more than {CATEGORIES:,}, have another word in {', '.join(unlike)}: "
                "neither numbers nor categories; leave such columns out."
            )

    @cached_property
    def numeric(self) -> list[str]:
        """Return the names of the columns of numbers."""
        return list(self.features.select_dtypes("number").columns)

    @cached_property
    def categorical(self) -> list[str]:
        """Return the names of all other columns."""
        return [name for name in self.features.columns if name not in self.numeric]

    @property
    def missing(self) -> int:
        """Return how many values are missing."""
        return int(self.features.isna().to_numpy().sum())


def make_table(name: str, mark: str, features: pd.DataFrame, target: Any) -> TabularData:
    """Make a table; the classes are the sorted values of the target, a `pandas.Series`.

    Raises ValueError if the target is missing in a row, or has a different value in most rows.

    >>> features = pd.DataFrame({"size": [1.0, 2.0, 3.0], "colour": ["red", "red", "blue"]})
    >>> table = make_table("boxes", "REAL", features, pd.Series(["open", "shut", "open"]))
    >>> table.classes, table.label.tolist(), table.numeric, table.categorical
    (('open', 'shut'), [0, 1, 0], ['size'], ['colour'])
    """
    without = int(target.isna().sum())
    if without:
        raise ValueError(f"{name}: {without} rows have no value in the target {target.name}; leave them out.")
    values, label = np.unique(target.to_numpy(), return_inverse=True)
    if len(values) > max(2, len(target) / 2):
        raise ValueError(
            f"{name}: the target {target.name} has {len(values)} values in {len(target)} rows; it must name classes."
        )
    features = features.rename(columns=str)
    for column in features.columns.difference(features.select_dtypes("number").columns):
        features[column] = features[column].map(str, na_action="ignore").astype(object)
    return TabularData(name, mark, features, label.astype(np.int32), tuple(str(value) for value in values))
