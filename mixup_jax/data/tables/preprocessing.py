"""Preprocessing of a table as plain numbers: kept beside a network without pickles, applied to new rows.

It is fitted in `splits`, for each split: one function makes the features of the training, of the test and of new rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

ARRAYS = ("median", "mean", "scale", "constant")
MISSING = "missing"
"""The category of an empty cell."""


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of the columns of a table: numbers are scaled, categories become columns of 0 and 1.

    `median`, `mean` and `scale` are float64 (seeds, numbers). `constant`, float32 (seeds, features), holds the value of
    features that are constant in the training rows of a split, and NaN for all others. With `unit` each row of features
    is divided by its Euclidean norm.
    """

    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    median: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray
    unit: bool = False

    def __post_init__(self) -> None:
        seeds, numbers = len(self.median), len(self.numbers)
        features = numbers + sum(map(len, self.categories.values()))
        for name in ARRAYS:
            array, shape = getattr(self, name), (seeds, features if name == "constant" else numbers)
            if array.shape != shape or array.dtype != (np.float32 if name == "constant" else np.float64):
                raise ValueError(f"{name} of the preprocessing is {array.dtype} {array.shape}; it must be {shape}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that rows must have."""
        return (*self.numbers, *self.categories)

    def apply(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the features of each seed's network, float32 (seeds, n, features).

        `rows` holds the `columns`: numbers, NaN where one is missing, and categories as text, NaN where one is missing.
        A category that is not known is none: all of its columns are 0. Numbers that are all float32 are scaled as such.
        """
        given: Any = rows[list(self.numbers)]
        dtype = np.float32 if {*given.dtypes} == {np.dtype(np.float32)} else np.float64
        numbers = given.to_numpy(dtype)
        filled: Any = rows[list(self.categories)].fillna(MISSING)
        words = [
            (pd.Index(known).get_indexer(filled[name])[:, None] == np.arange(len(known))).astype(dtype)
            for name, known in self.categories.items()
        ]
        parts = []
        for median, mean, scale, constant in zip(self.median, self.mean, self.scale, self.constant, strict=True):
            scaled = (np.where(np.isnan(numbers), median, numbers) - mean).astype(dtype) / scale
            x = np.concatenate([scaled, *words], axis=1).astype(np.float32)
            x = np.where(np.isnan(constant), x, constant)
            parts.append(unit_rows(x) if self.unit else x)
        return np.stack(parts)

    def unknown(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return the cells with categories that are not known, by their columns; a missing one may be such."""
        cells = {name: rows[name].fillna(MISSING) for name in self.categories}
        return {name: cells[name][~cells[name].isin(known)] for name, known in self.categories.items()}


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Return rows float32 (n, features) divided by their Euclidean norms; a row of zeros stays.

    >>> unit_rows(np.array([[3, 4], [0, 0]], np.float32)).round(1)
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    norm = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    return (x / np.where(norm == 0, 1.0, norm)).astype(np.float32)


def from_arrays(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Preprocessing:
    """Make it of what was stored: names as JSON has them, and arrays.

    Raises ValueError, KeyError or TypeError for what does not fit together.
    """
    categories = {str(name): tuple(map(str, known)) for name, known in content["categories"]}
    unit = content.get("unit", False)  # older files have none
    if not isinstance(unit, bool):
        raise TypeError(f"unit is {unit!r}")
    return Preprocessing(tuple(map(str, content["numbers"])), categories, *(arrays[name] for name in ARRAYS), unit=unit)
