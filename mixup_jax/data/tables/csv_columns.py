"""Describe the columns of a table, and warn of suspicious ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object

from mixup_jax.data.files.folders import name_variants
from mixup_jax.data.tables.table import TabularData


def describe(table: TabularData, missing: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a line for each column: number or category, values, and missing values (marker: count).

    >>> from mixup_jax.data.tables.table import make_table
    >>> features = pd.DataFrame({"size": [1.0, 2.0, 3.0], "colour": ["red", "red", np.nan]})
    >>> boxes = make_table("boxes", "REAL", features, pd.Series(["open", "shut", "open"]))
    >>> print(*describe(boxes, {"colour": {"?": 1}}), sep="; ")
    size: number, 1 to 3; colour: category, 1 value: red; 1 missing (1 ?)
    """
    lines = []
    for name in table.features.columns:
        column: Any = table.features[name].dropna()
        alike = column.nunique() < 2 and len(column) == len(table.label)
        what = "left out, all rows agree" if alike else _kind(table, name, column)
        found = missing.get(name, {})
        markers = ", ".join(f"{count} {marker}" for marker, count in found.items())
        lines.append(f"{name}: {what}" + (f"; {sum(found.values())} missing ({markers})" if found else ""))
    return lines


def _kind(table: TabularData, name: str, column: Any) -> str:
    if name in table.numeric:
        return f"number, {column.min():g} to {column.max():g}"
    values = sorted(column.unique())
    named = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
    return f"category, {len(values)} value{'s' * (len(values) > 1)}: {named}"


def suspicious(table: TabularData) -> list[str]:
    """Return warnings: columns that determine the class or count the rows, copies of columns, and copies of rows.

    >>> from mixup_jax.data.tables.table import make_table
    >>> features = pd.DataFrame({"id": [1.0, 2.0, 3.0, 4.0], "sort": ["a", "b", "a", "b"]})
    >>> print(*suspicious(make_table("t", "REAL", features, pd.Series(["x", "y", "x", "y"]))), sep="; ")
    id counts the rows; leave it out, ...; sort tells the class: ...
    """
    return [*_columns(table), *_pairs(table), *_rows(table)]


def _columns(table: TabularData) -> list[str]:
    label: Any = pd.Series(table.label)
    lines = []
    for name in table.features.columns:
        column: Any = table.features[name].reset_index(drop=True)
        count = column.nunique()
        if name in table.numeric and count == len(column) and _counts_rows(column.to_numpy(float)):
            lines.append(f"{name} counts the rows; leave it out, unless the order of the rows means something")
        if 1 < count <= len(column) / 2 and (label.groupby(column).nunique() == 1).all():
            lines.append(
                f"{name} tells the class: each of its {count} values has one class; is it a copy of the target?"
            )
        if name in table.categorical:
            lines += [f"{name} has {each} as different categories" for each in name_variants(column.dropna())]
    return lines


def _counts_rows(values: np.ndarray) -> bool:
    """Return whether numbers count rows: without gaps in any order, or whole and rising or falling."""
    steps = np.diff(values)
    ordered = bool((steps > 0).all() or (steps < 0).all()) and bool((values == np.floor(values)).all())
    return ordered or bool(np.array_equal(np.sort(values), np.arange(len(values)) + values.min()))


def _pairs(table: TabularData) -> list[str]:
    """Return warnings of columns that are copies."""
    first: dict[int, str] = {}
    lines = []
    for name in table.features.columns:
        key = int(hash_pandas_object(table.features[name], index=False).sum())  # pyright: ignore[reportCallIssue]
        if key in first and table.features[name].equals(table.features[first[key]]):
            lines.append(f"{name} holds the same as {first[key]}")
        first.setdefault(key, name)
    return lines


def _rows(table: TabularData) -> list[str]:
    rows: Any = table.features.assign(**{"": table.label})
    copies, alike = int(rows.duplicated().sum()), int(table.features.duplicated().sum())
    lines = [f"{copies:,} of {len(rows):,} rows are copies of others: trained and tested on"] * (copies > 0)
    if alike > copies:
        lines.append(f"{alike - copies:,} rows have the features of others and another class")
    return lines
