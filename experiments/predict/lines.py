"""Predictions as lines of a CSV file, which is there when it is complete."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.runtime.atomic import naming, replacing


def write_csv(output: Path, names: list[str], lines: Iterable[list[str]]) -> tuple[int, int]:
    """Write lines whose last cell is empty or an error; return their number and that of the errors.

    The file is there when it is complete. Names of files that are no UTF-8 keep their bytes.
    """
    written = bad = 0
    with (
        naming(output),
        replacing(output) as part,
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(names)
        for cells in lines:
            writer.writerow(cells)
            written, bad = written + 1, bad + bool(cells[-1])
    return written, bad


def tell(output: Path, written: int, bad: int, what: str) -> None:
    """Print how many lines were written; raises ValueError where all of them are errors: nothing was predicted."""
    if bad and bad == written:
        raise ValueError(f"{output}: all of {written:,} {what} are bad: see the column error.")
    print(f"{output}: {written:,} {what}" + (f", {bad:,} of them bad: see the column error" if bad else ""))


def check_output(output: Path) -> None:
    """Raise ValueError for a file to write that is a folder, before anything is computed."""
    if output.is_dir():
        raise ValueError(f"output must be a file, got the folder {output}.")


def header(top: int) -> list[str]:
    """Return the names of the columns.

    >>> header(2)
    ['file', 'prediction', 'probability', 'prediction_2', 'probability_2', 'error']
    """
    further = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("prediction", "probability")]
    return ["file", "prediction", "probability", *further, "error"]


def line(path: Any, probability: np.ndarray | None, reason: str, classes: tuple[str, ...], top: int) -> list[str]:
    """Return the cells of a line; of equal probabilities the class that comes first is named first.

    >>> line(Path("a.png"), np.array([0.25, 0.75], np.float32), "", ("no", "yes"), 5)
    ['a.png', 'yes', '0.750000', 'no', '0.250000', '']
    """
    top = min(top, len(classes))
    if probability is None:
        return [os.fspath(path), *[""] * (2 * top), reason]
    best = np.argsort(-probability, kind="stable")[:top]
    cells = [cell for index in best for cell in (classes[index], f"{probability[index]:.6f}")]
    return [os.fspath(path), *cells, ""]
