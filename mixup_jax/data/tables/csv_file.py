"""Read a CSV file as a table; cells decide whether a column holds numbers or categories, and the log reports it."""

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixup_jax.data.files.archives import expand
from mixup_jax.data.files.folders import name_variants
from mixup_jax.data.tables.csv_columns import describe, suspicious
from mixup_jax.data.tables.table import TabularData, make_table
from mixup_jax.runtime.errors import did_you_mean, reason_of

log = logging.getLogger(__name__)

MISSING = (
    *("", "?", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"),
    *("#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Markers of missing values: those of pandas, and a question mark."""
ALMOST = re.compile(r"[-+$€£¥ ]{0,2}\d[\d.,' ]*( ?[%€$£¥])?")
"""Cells that are meant as numbers but not written as numbers: 12%, 1,234 and 3,5."""
LISTED = 40
"""Columns that are described in the log."""
FEW = 5
"""Mean rows a value of a numeric target: with fewer it is a quantity, not classes."""
LARGEST = 2**53
"""The first whole number that float64, in which numbers are read, does not tell from the next."""
QUANTITIES = 10
"""Values of a numeric target that is not whole: with more it is a quantity."""


class Column(NamedTuple):
    """A column as numbers (float64) or words, NaN where a value is missing, and the markers of missing values."""

    values: Any
    missing: dict[str, int]


def read_csv(path: Path, target: str) -> TabularData:
    """Read a CSV file with a line of names; `target` is the column of the classes. The log describes the columns.

    Raises FileNotFoundError for a missing file; ValueError, which names the column and the cell, for a file that is no
    table, columns without a name or with the same name, cells that are no numbers in a column of numbers, a copy of the
    target, classes that differ in capital letters or Unicode's form only, and a target that is a quantity or has a
    class with one row.
    """
    path = expand(path, "csv")
    cells = _read_cells(path)
    _check_names(path, list(cells.columns), target)
    columns = {name: _column(path, name, cells[name]) for name in cells.columns}
    classes = columns.pop(target)
    _check_target(path, target, classes)
    copies = [name for name in columns if cells[name].equals(cells[target])]
    if copies:
        raise ValueError(f"{path}: the column {copies[0]!r} is a copy of the target {target!r}; leave it out.")
    features: Any = pd.DataFrame({name: column.values for name, column in columns.items()})
    label = classes.values.astype(int) if _whole(classes.values) else classes.values
    try:
        table = make_table(path.stem, "REAL", features, label)
    except ValueError as error:  # it knows the table's name, not its file
        raise ValueError(f"{path}: {error}") from None
    for line in describe(table, {name: column.missing for name, column in columns.items()})[:LISTED]:
        log.info("%s: %s", table.name, line)
    if len(columns) > LISTED:
        log.info("%s: and %d columns more", table.name, len(columns) - LISTED)
    for line in suspicious(table):
        log.warning("%s: %s", table.name, line)
    return table


def _read_cells(path: Path) -> Any:
    """Read all cells as text without surrounding blanks; a row that ends early has empty cells."""
    try:
        cells: Any = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig"
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist.") from None
    except Exception as error:  # of pandas, or of any compression
        raise ValueError(f"{path} is not a CSV file with a line of names: {reason_of(error)}") from error
    cells = cells.astype(object)
    stripped = cells.map(str.strip)
    changed = (cells != stripped).to_numpy()[1:]
    if changed.any():
        row, place = np.argwhere(changed)[0]
        first = f"row {row + 1}, column {stripped.iat[0, place]!r}, {cells.iat[row + 1, place]!r}"
        log.warning("%s: blanks at the end of %d cells are taken away (the first: %s)", path.stem, changed.sum(), first)
    cells = stripped.iloc[1:].reset_index(drop=True)
    cells.columns = list(stripped.iloc[0])
    if cells.empty:
        raise ValueError(f"{path} has a line of names and no rows.")
    return cells


def _check_names(path: Path, names: list[str], target: str) -> None:
    """Raise ValueError for columns without a name or with the same name, and for a target that is no column."""
    if "" in names:
        raise ValueError(
            f"{path}: column {names.index('') + 1} has no name; if it counts the rows (pandas' to_csv writes such a "
            "column: index=False), leave it out, else give it a name."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: {names.count(twice[0])} columns have the name {twice[0]!r}; keep one, or rename.")
    if target not in names:
        hint = did_you_mean(target, names, repr)
        if len(names) == 1 and re.search("[;\t|]", names[0]):
            hint = "; fields must be separated by commas."
        raise ValueError(f"{path} has no column {target!r}; it has {', '.join(names)}{hint}")
    if len(names) == 1:
        raise ValueError(f"{path} has no column beside the target.")


def _column(path: Path, name: str, cells: Any) -> Column:
    """Read a column as numbers or as words; raise ValueError for words in a column that is meant as numbers."""
    missing = cells.isin(MISSING)
    there = cells[~missing]
    markers = {str(marker) or "empty": int(count) for marker, count in cells[missing].value_counts().items()}
    number: Any = pd.notna(pd.to_numeric(there, errors="coerce"))
    almost = number | there.map(lambda cell: ALMOST.fullmatch(cell) is not None).astype(bool)
    few = there[~number].nunique() * QUANTITIES < there[number].nunique()  # such as a mark for what is missing
    if not number.all() and (almost.sum() * 2 > len(there) or few):
        row, count = number.index[~number][0], int((~number).sum())
        raise ValueError(
            f"{path}: row {row + 1}, column {name!r} holds {there[row]!r}, which is no number, in a column of numbers: "
            f"{count:,} of {len(there):,} cells are not written as such. Write 1234.5 or 1e3, leave a missing value "
            "empty; where they are categories, write each as a word."
        )
    if not len(there) or not number.all():
        return Column(cells.where(~missing, np.nan), markers)
    values = pd.Series(np.nan, cells.index, float, name=name)
    values[~missing] = there.astype(float)
    return Column(values, markers)


def _check_target(path: Path, name: str, column: Column) -> None:
    """Raise ValueError for a target without classes, or with a class that has two spellings or one row."""
    if column.missing:
        found = ", ".join(f"{count} {marker}" for marker, count in column.missing.items())
        raise ValueError(
            f"{path}: {sum(column.missing.values())} rows have no value in the target {name} ({found}); leave them out."
        )
    counts = column.values.value_counts()
    if column.values.dtype == float:
        if not np.isfinite(column.values).all():
            raise ValueError(f"{path}: the target {name} has inf among its numbers: no class; leave these rows out.")
        if (most := column.values.abs().max()) >= LARGEST:
            raise ValueError(
                f"{path}: the target {name} has numbers that are not told apart, up to {most:.0f}; where they name "
                "classes, write each as a word, with a letter in front of the digits."
            )
        some = not _whole(column.values) and len(counts) > QUANTITIES
        if len(counts) > 2 and (len(counts) * FEW > len(column.values) or some):
            raise ValueError(
                f"{path}: the target {name} has {len(counts)} values in {len(column.values)} rows, numbers from "
                f"{column.values.min():g} to {column.values.max():g}: a quantity, not classes; put it into a few "
                "ranges and give each a name."
            )
        if len(counts) > QUANTITIES:
            log.warning(
                "%s: the target %s has %d numbers, %g to %g, as classes; if it is a quantity, put it into ranges",
                *(path.stem, name, len(counts), column.values.min(), column.values.max()),
            )
    else:
        nameless = [each for each in counts.index if not any(map(str.isalnum, each))]
        if nameless:
            raise ValueError(
                f"{path}: {counts[nameless[0]]} rows have {nameless[0]!r} in the target {name}: no name of a class; if "
                "it means missing, leave these rows out."
            )
        variants = [each for each in name_variants(map(str, counts.index)) if len(each) > len("'a' and 'A'")]
        if variants:
            raise ValueError(f"{path}: the target {name} has {variants[0]} as different classes; write them alike.")
    single = sorted(map(str, counts.index[counts == 1]))
    if single:
        raise ValueError(
            f"{path}: {len(single)} of {len(counts)} classes of the target {name} have one row (the first: {single[0]}"
            "); a class needs rows to train on and to test on: add some, or leave it out."
        )


def _whole(values: Any) -> bool:
    """Return whether all values are whole numbers."""
    return values.dtype == float and bool((np.isfinite(values) & (values == np.floor(values))).all())
