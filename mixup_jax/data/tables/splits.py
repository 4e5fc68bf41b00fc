"""Stratified splits of a table, and their preprocessing, fitted on the training rows only."""

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from mixup_jax.data.tables.preprocessing import ARRAYS, MISSING, Preprocessing
from mixup_jax.data.tables.table import TabularData

Scaling = Literal["standard", "minmax", "none", "unit"]
"""Numbers get mean 0 and deviation 1, or go from 0 to 1, in the training rows; or they stay as they are. With "unit"
they stay as they are, and the features of each row are then divided by their Euclidean norm."""


class Split(NamedTuple):
    """Training and test rows as arrays."""

    train_x: Float32[np.ndarray, "*seeds train features"]
    train_label: Int32[np.ndarray, "*seeds train"]
    test_x: Float32[np.ndarray, "*seeds test features"]
    test_label: Int32[np.ndarray, "*seeds test"]


def prepared_splits(
    data: TabularData, seeds: range, test_share: float = 0.2, scaling: Scaling = "standard"
) -> tuple[Split, Preprocessing]:
    """Split a table once for each seed, and preprocess each split; the seeds are the first axis.

    Missing numbers become the median, then numbers are scaled to mean 0 and standard deviation 1, or by another
    `scaling`. Each category of the table, "missing" included, becomes a column of 0 and 1. Columns that are constant in
    the table are left out; columns that are constant in the training rows get the same value in the test rows. Medians,
    means and deviations are those of the training rows. The preprocessing makes the same features of further rows.

    Raises ValueError for a share or a table that leaves a part without rows.

    >>> from mixup_jax.data.tables.uci import load_tabular
    >>> from pathlib import Path
    >>> split, _ = prepared_splits(load_tabular("iris", Path("nowhere")), range(3))
    >>> split.train_x.shape, split.test_x.shape, np.bincount(split.test_label[2]).tolist()
    ((3, 120, 4), (3, 30, 4), [10, 10, 10])
    """
    values = dict(data.features.nunique(dropna=False))
    numbers, words = ([name for name in names if values[name] > 1] for names in (data.numeric, data.categorical))
    if not numbers and not words:
        raise ValueError(f"{data.name}: all rows are alike in every column.")
    categories = {name: tuple(sorted(data.features[name].fillna(MISSING).unique())) for name in words}
    unknown = np.full((1, len(numbers) + sum(map(len, categories.values()))), np.nan, np.float32)
    parts, prepared = [], []
    for seed in seeds:
        train, test = split_rows(data.label, seed, test_share)
        rows, others = data.features.iloc[train], data.features.iloc[test]
        each = Preprocessing(tuple(numbers), categories, *_fit(rows[numbers], scaling), constant=unknown)
        # A column that is constant in the training rows has no scale, and its weights learn nothing.
        x = each.apply(rows)[0]
        constant = np.where(np.ptp(x, axis=0) == 0, x[0], np.nan)[None]
        each = replace(each, constant=constant, unit=scaling == "unit")
        parts.append(Split(each.apply(rows)[0], data.label[train], each.apply(others)[0], data.label[test]))
        prepared.append(each)
    split = Split(*(np.stack(arrays) for arrays in zip(*parts, strict=True)))
    if not (np.isfinite(split.train_x).all() and np.isfinite(split.test_x).all()):
        raise ValueError(f"{data.name}: NaN or infinity among the features after preprocessing; are they in range?")
    arrays = {name: np.concatenate([getattr(each, name) for each in prepared]) for name in ARRAYS}
    return split, replace(prepared[0], **arrays)


def _fit(rows: Any, scaling: Scaling) -> np.ndarray:
    """Return median, shift and scale of the numbers of training rows, float64 (3, 1, numbers)."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    if not len(rows.columns):
        return np.zeros((3, 1, 0))
    # The median of a column without any value in the training rows is 0.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    known: Any = imputer.fit_transform(rows)
    if scaling == "standard":
        scaler: Any = StandardScaler().fit(known)
        dtype = np.result_type(known, np.float32)
        shift, scale = scaler.mean_.astype(dtype), scaler.scale_.astype(dtype)  # numbers of float32 are scaled as such
    elif scaling == "minmax":
        width = np.ptp(known, axis=0)
        shift, scale = known.min(axis=0), np.where(width == 0, 1.0, width)
    else:
        shift, scale = np.zeros(known.shape[1]), np.ones(known.shape[1])
    return np.array([[imputer.statistics_], [shift], [scale]], np.float64)


def split_rows(label: np.ndarray, seed: int, test_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training and of the test rows; classes have the same shares in both, up to one row.

    Classes with fewer than five rows, too few to be in both parts, are drawn from as if they were one class.

    >>> train, test = split_rows(np.array([0] * 10 + [1] * 10), seed=0, test_share=0.2)
    >>> len(train), sorted(np.array([0] * 10 + [1] * 10)[test].tolist())
    (16, [0, 0, 1, 1])
    """
    from sklearn.model_selection import train_test_split  # here: it takes a second

    if not 0 < test_share < 1:
        raise ValueError(f"test_share must be between 0 and 1, got {test_share}.")
    counts = np.bincount(label)
    strata = np.where(counts[label] < 5, len(counts), label)
    values, sizes = np.unique(strata, return_counts=True)
    if sizes.min() < 2:  # a single rare row joins the largest class
        strata = np.where(strata == values[np.argmin(sizes)], values[np.argmax(sizes)], strata)
    test_rows = round(test_share * len(label))
    if not len(np.unique(strata)) <= min(test_rows, len(label) - test_rows):
        raise ValueError(
            f"{len(label)} rows of {np.count_nonzero(counts)} classes are too few to test on {test_rows} of them: some "
            "class would be missing."
        )
    train, test = train_test_split(np.arange(len(label)), test_size=test_rows, stratify=strata, random_state=seed)
    return np.asarray(train), np.asarray(test)
