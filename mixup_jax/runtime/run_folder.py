"""The folder of a run: what was asked for, what happened, what came out (docs/design.md, "The files of a run")."""

import hashlib
import json
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.data.files.npz import read_npz
from mixup_jax.evaluation.predictions import Predictions
from mixup_jax.runtime.atomic import naming, replacing, write_text
from mixup_jax.runtime.json_files import read_object

PREDICTIONS = "predictions.npz"
"""What the networks of a finished run say of each test example."""
LARGEST_PREDICTIONS = 2**28
"""Bytes of a file that is read: ImageNet's 50,000 images and 400 seeds."""
MADE_BY = ("command", "commit", "device", "versions")
"""What a result says of how it was made."""


def finished(workdir: Path) -> dict[str, Any] | None:
    """Return the content of result.json where the run has ended; raises ValueError for a file that is no result."""
    path = workdir / "result.json"
    if not path.exists():
        return None
    result = read_object(path, seeds=list, test_error=dict, **dict.fromkeys(MADE_BY, object))
    errors = result["test_error"].values()
    if not errors or not all(isinstance(each, list) and len(each) == len(result["seeds"]) for each in errors):
        raise ValueError(f"{path}: test_error has no number for each seed; move it away, and the same command goes on.")
    return result


def read_metrics(workdir: Path, last_step: int, needs: Collection[str] = ()) -> list[dict[str, Any]]:
    """Read metrics.jsonl up to `last_step`, from which a run goes on, and leave these lines alone in it.

    No line is deleted: the others are moved to metrics.jsonl.removed. They are those after `last_step`, which the run
    will write again, what a process that died had begun to write, and lines that are damaged or lack one of the fields
    in `needs`; of these a warning gives the numbers.
    """
    path = workdir / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    records, kept, removed, damaged = [], b"", b"", []
    for number, line in enumerate(lines, start=1):
        record = _parse_line(line, needs)
        if record is not None and record["step"] <= last_step:
            records.append(record)
            kept += line + b"\n"
        elif line.strip():
            removed += line + b"\n"
            damaged += [number] if record is None and number < len(lines) else []  # the last line is not ended yet
    if damaged:
        warnings.warn(
            f"{path}: damaged lines are passed over and moved to {path.name}.removed: {damaged}", stacklevel=2
        )
    if removed:
        with naming(path), path.with_name(f"{path.name}.removed").open("ab") as file:
            file.write(removed)
        write_text(path, kept.decode())
    return records


def _parse_line(line: bytes, needs: Collection[str]) -> dict[str, Any] | None:
    """Return a line of metrics.jsonl; None where it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and isinstance(record.get("step"), int) and all(name in record for name in needs)
    return record if whole else None


def append_metrics(workdir: Path, record: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl."""
    path = workdir / "metrics.jsonl"
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def write_predictions(workdir: Path, predictions: Predictions) -> None:
    """Keep what the networks say of each test example; equal predictions give equal bytes."""
    path = workdir / PREDICTIONS
    with naming(path), replacing(path) as part, part.open("wb") as file:
        np.savez(file, **vars(predictions))


def read_predictions(workdir: Path, networks: int, classes: int) -> Predictions | None:
    """Return the predictions of so many networks for so many classes; None where a run has kept none.

    Raises ValueError, which names the file, for one that is damaged or does not fit.
    """
    path = workdir / PREDICTIONS
    if not path.exists():
        return None
    if path.stat().st_size > LARGEST_PREDICTIONS:
        raise ValueError(f"{path} is larger than {LARGEST_PREDICTIONS >> 20} MiB.")
    arrays = read_npz(path)
    dtypes = {"label": np.int32, "predicted": np.int32, "confidence": np.float32, "loss": np.float32}
    if {name: array.dtype for name, array in arrays.items()} != dtypes:
        raise ValueError(f"{path} must hold {', '.join(dtypes)}, of 32 bits, got {', '.join(arrays)}.")
    label = arrays["label"]
    shapes = dict.fromkeys(dtypes, (networks, label.size)) | {"label": (label.size,)}
    if not label.size or {name: array.shape for name, array in arrays.items()} != shapes:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{path} must hold a prediction of each of {networks} networks for each label, got {found}.")
    for name in ("label", "predicted"):
        if arrays[name].min() < 0 or arrays[name].max() >= classes:
            raise ValueError(f"{path}: {name} is not one of {classes} classes everywhere.")
    return Predictions(**arrays)


def digest(params: Any) -> str:
    """Return the SHA-256 of host parameters: names, shapes, dtypes and every bit, in the order of the names."""
    sha = hashlib.sha256()
    for path, leaf in sorted((jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(params)):
        leaf = np.asarray(leaf)
        sha.update(f"{path} {leaf.dtype} {leaf.shape}\n".encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()
