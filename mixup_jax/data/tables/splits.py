"""Stratified splits of a table, and scikit-learn's preprocessing, fitted on the training rows only."""

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from mixup_jax.data.tables.preprocessing import ARRAYS, Preprocessing, fitted, unit_rows
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


def make_splits(data: TabularData, seeds: range, test_share: float = 0.2) -> Split:
    """Split a table once for each seed, and preprocess each split; the seeds are the first axis.

    Missing numbers become the median, then numbers are scaled to mean 0 and standard deviation 1. Each category of the
    table, "missing" included, becomes a column of 0 and 1. Columns that are constant in the table are left out; columns
    that are constant in the training rows get the same value in the test rows. Medians, means and deviations are those
    of the training rows.

    Raises ValueError for a share or a table that leaves a part without rows.

    >>> from mixup_jax.data.tables.uci import load_tabular
    >>> from pathlib import Path
    >>> split = make_splits(load_tabular("iris", Path("nowhere")), range(3))
    >>> split.train_x.shape, split.test_x.shape, np.bincount(split.test_label[2]).tolist()
    ((3, 120, 4), (3, 30, 4), [10, 10, 10])
    """
    return prepared_splits(data, seeds, test_share)[0]


def prepared_splits(
    data: TabularData, seeds: range, test_share: float = 0.2, scaling: Scaling = "standard"
) -> tuple[Split, Preprocessing]:
    """Return what `make_splits` does, and how its features are made of further rows; raises the same."""
    prepare, parts, numbers = _preprocessing(data), [], []
    for seed in seeds:
        train, test = split_rows(data.label, seed, test_share)
        prepare.fit(data.features.iloc[train])
        _rescale(prepare, data.features.iloc[train], scaling)
        x = [np.asarray(prepare.transform(data.features.iloc[rows]), np.float32) for rows in (train, test)]
        # A column that is constant in the training rows has no scale, and its weights learn nothing.
        constant = np.ptp(x[0], axis=0) == 0
        x[1][:, constant] = x[0][:1, constant]
        numbers.append(fitted(prepare, x[0]))
        x = [unit_rows(each) for each in x] if scaling == "unit" else x
        parts.append(Split(x[0], data.label[train], x[1], data.label[test]))
    split = Split(*(np.stack(arrays) for arrays in zip(*parts, strict=True)))
    if not (np.isfinite(split.train_x).all() and np.isfinite(split.test_x).all()):
        raise ValueError(f"{data.name}: NaN or infinity among the features after preprocessing; are they in range?")
    (_, _, numeric), (_, one_hot, words) = prepare.transformers
    known = one_hot.steps[1][1].categories
    categories = {name: tuple(map(str, found)) for name, found in zip(words, known, strict=True)}
    arrays = {name: np.stack([each[name] for each in numbers]) for name in ARRAYS}
    return split, Preprocessing(tuple(numeric), categories, **arrays, unit=scaling == "unit")


def _rescale(prepare: Any, train: Any, scaling: Scaling) -> None:
    """Put another shift and scale into the fitted transformer of `_preprocessing`."""
    name, numbers, columns = prepare.transformers_[0]
    if scaling == "standard" or name != "numbers" or not len(columns):
        return
    imputer, scaler = numbers[0], numbers[1]
    known = imputer.transform(train[list(columns)])
    low, width = known.min(axis=0), np.ptp(known, axis=0)
    scaler.mean_ = low if scaling == "minmax" else np.zeros_like(low)
    scaler.scale_ = np.where(width == 0, 1.0, width) if scaling == "minmax" else np.ones_like(low)


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


def _preprocessing(data: TabularData):
    """Return scikit-learn's transformer of the columns that are not constant."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values = dict(data.features.nunique(dropna=False))
    numeric, words = ([name for name in names if values[name] > 1] for names in (data.numeric, data.categorical))
    if not numeric and not words:
        raise ValueError(f"{data.name}: all rows are alike in every column.")
    # The median of a column without any value in the training rows is 0.
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    known: Any = [sorted(data.features[name].fillna("missing").unique()) for name in words]
    one_hot = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(categories=known, sparse_output=False)
    )
    return ColumnTransformer([("numbers", numbers, numeric), ("words", one_hot, words)])
