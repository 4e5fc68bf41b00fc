"""Predict the rows of a table: a part of the file at a time, each row becomes a line of a CSV."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro

from experiments.predict.lines import check_output, header, line, tell, write_csv
from experiments.tabular.networks import TableNetworks, read_networks
from mixup_jax.data.files.archives import expand
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.tables.csv_file import MISSING
from mixup_jax.data.tables.preprocessing import Preprocessing
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

ROWS = 4096
"""Rows that are read at a time."""


def predict_table(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("predictions.csv"),
    top: int = 5,
    alpha: float | None = None,
) -> None:
    """Write a CSV with a line for each row of a table: its number, prediction, probability, the next likely, error.

    Args:
        run: Folder of a run of experiments.tabular with --csv.
        table: A CSV file with a line of names, among them those of the columns that the network has learned from.
        output: The CSV to write; an existing one is replaced when the new one is complete.
        top: Classes to name, with their probabilities.
        alpha: Which of the run's networks; 0 is ERM, the first alpha of mixup if left out. The mean over all splits.
    """
    if not 1 <= top <= 10**6:
        raise ValueError(f"top must be from 1 to 1,000,000, got {top}.")
    check_output(output)
    networks = read_networks(run)
    alpha = networks.alphas[min(1, len(networks.alphas) - 1)] if alpha is None else alpha
    seeds = len(networks.of_alpha(alpha)["head"]["bias"])
    known = ", ".join(f"{each:g}" for each in networks.alphas)
    print(f"mean over the networks of {seeds} splits, alpha = {alpha:g} of {known} (0 is ERM)")
    unknown = Tally()
    lines = _lines(networks, expand(table, "table"), alpha, top, unknown)
    names = ["row", *header(min(top, len(networks.classes)))[1:]]
    written, bad = write_csv(output, names, progress(lines, "predicting"))
    for note in unknown.notes(f"cells of {written:,} rows"):
        print(note)
    tell(output, written, bad, "rows")


def _lines(networks: TableNetworks, path: Path, alpha: float, top: int, unknown: Tally) -> Iterator[list[str]]:
    first = 1
    for cells in read_parts(path, networks.preprocessing.columns):
        rows, errors = as_rows(cells, networks.preprocessing)
        for name, found in networks.preprocessing.unknown(rows).items():
            for index, word in found.items():
                unknown.add(f"a category that {name!r} did not have in training", f"{word!r}, row {first + index}")
        mean = networks.probabilities(rows, alpha).mean(axis=0)
        for index, (probability, error) in enumerate(zip(mean, errors, strict=True)):
            yield line(str(first + index), None if error else probability, error, networks.classes, top)
        first += len(rows)


def read_parts(path: Path, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Yield parts of a CSV file, cells as text without surrounding blanks: the columns that are needed.

    An empty line is passed over; in a file of one column it is a row whose value is missing.

    Raises FileNotFoundError for a missing file, ValueError for a file that is no table, has two columns of one name, or
    lacks columns, which are named; says in the log which columns are not used.
    """
    names: list[str] = []
    try:
        options: Any = {"header": None, "dtype": str, "keep_default_na": False, "skipinitialspace": True}
        options |= {"encoding": "utf-8-sig"}
        # An empty line is a row where there is one cell; a pipe can be read once only.
        alone = path.is_file() and pd.read_csv(path, nrows=1, **options).shape[1] == 1
        reader: Any = pd.read_csv(path, chunksize=ROWS, skip_blank_lines=not alone, **options)
        with reader as parts:
            for part in parts:
                cells = part.astype(object).fillna("").map(str.strip)
                if not names:
                    names = [str(each) for each in cells.iloc[0]]
                    _check_columns(path, names, columns)
                    cells = cells.iloc[1:]
                cells.columns = names
                yield cells[list(columns)].reset_index(drop=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, IsADirectoryError, EOFError) as error:
        raise ValueError(f"{path} is not a CSV file with a line of names: {reason_of(error)}") from error


def _check_columns(path: Path, names: list[str], columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in names]
    there = ", ".join(names)
    if missing:
        raise ValueError(f"{path} lacks columns that the network needs: {', '.join(missing)}; it has {there}.")
    twice = sorted({name for name in columns if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: {names.count(twice[0])} columns have the name {twice[0]!r}; keep one.")
    if others := [name for name in names if name not in columns]:
        print(f"{path.name}: not used: {', '.join(others)}")


def as_rows(cells: pd.DataFrame, preprocessing: Preprocessing) -> tuple[pd.DataFrame, list[str]]:
    """Return numbers and words of text, NaN where a value is missing, and for each row what is wrong with it, or "".

    >>> import numpy as np
    >>> empty = np.zeros((1, 1))
    >>> one = Preprocessing(("size",), {}, empty, empty, empty, np.zeros((1, 1), np.float32))
    >>> as_rows(pd.DataFrame({"size": ["1.5", "?", "big"]}), one)[1]
    ['', '', "size is 'big', no finite number"]
    """
    missing, errors = cells.isin(MISSING), [""] * len(cells)
    rows = cells.where(~missing, np.nan)
    for name in preprocessing.numbers:
        numbers: Any = pd.Series(pd.to_numeric(rows[name], errors="coerce"), dtype=float)
        wrong = ~missing[name].to_numpy() & ~np.isfinite(numbers.to_numpy())
        for index in np.flatnonzero(wrong):
            errors[index] = errors[index] or f"{name} is {cells[name].iat[index]!r}, no finite number"
        rows[name] = numbers.where(~wrong, np.nan)
    return rows, errors
