"""Buckets, gs://BUCKET/FOLDER: whether one can be used, the records of a run in it, and whole folders.

A run's folder lies on a disk: it needs locks, and files that are replaced at once. A run whose checkpoints are in a
bucket copies its records beside them, and a host that lacks them takes them from there.
"""

import contextlib
import importlib.util
import json
import logging
import os
import queue
import re
import tempfile
import threading
import uuid
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

from etils import epath

from mixup_jax.runtime.atomic import replacing
from mixup_jax.runtime.errors import CheckpointError, reason_of
from mixup_jax.runtime.run_folder import PREDICTIONS

WAIT = 60
"""Seconds within which a bucket must answer."""
LARGEST = 2**31
"""Bytes of a file that is taken from a bucket."""
METRICS = "metrics.jsonl"
RECORDS = (METRICS, f"{METRICS}.removed", PREDICTIONS, "config.json", "result.json")
"""Files of a run's folder beside its figures, in the order in which they are copied: the last means that it is done."""


def is_bucket(path: object) -> bool:
    """Return whether a path is none on this machine.

    >>> is_bucket("gs://bucket/runs"), is_bucket(Path("runs/a"))
    (True, False)
    """
    return "://" in str(path)


def check_name(option: str, path: object, *, bucket: bool = True) -> None:
    """Raise ValueError for an address that is no gs://BUCKET/..., or for any where a `bucket` will not do.

    >>> check_name("checkpoints", "gs://bucket/runs")
    """
    address = re.match(r"([a-z][a-z0-9+.-]+):/", str(path), re.IGNORECASE)  # a Path has one slash; C: is a drive
    if address and not bucket:
        raise ValueError(f"{option} must be a folder on this machine, got {path}; --checkpoints gs://... is a bucket.")
    if address and address[1] != "gs":
        raise ValueError(
            f"{option} must be a folder or gs://BUCKET/FOLDER, got {path}: Orbax (0.12), which writes checkpoints, "
            "knows no other buckets."
        )
    if address and not re.match("gs://[a-z0-9][a-z0-9._-]+(/|$)", str(path)):
        raise ValueError(f"{option} must be gs://BUCKET/FOLDER, got {path}.")


def choose_gcsfs(path: object) -> None:
    """Let etils reach a bucket through gcsfs, which logs nothing; raises ValueError where it is not installed."""
    if importlib.util.find_spec("gcsfs") is None:
        raise ValueError(f"{path} needs the package gcsfs: pip install gcsfs, or the extra [gcs].")
    os.environ.setdefault("EPATH_USE_TF", "false")  # else it takes TensorFlow where that is installed
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # a warning at each open, a traceback at each refusal


def open_bucket(path: str | epath.Path) -> epath.Path:
    """Return a folder in a bucket, after an object was written there, read and deleted, as checkpoints will be.

    Raises ValueError, in one line, where that fails or takes longer than `WAIT` seconds.
    """
    choose_gcsfs(path)
    folder, found = epath.Path(path), queue.SimpleQueue[BaseException | None]()

    def probe() -> None:
        try:
            _probe(folder)
        except BaseException as error:
            found.put(error)
        else:
            found.put(None)

    threading.Thread(target=probe, daemon=True).start()  # libraries try for many minutes
    try:
        error = found.get(timeout=WAIT)
    except queue.Empty:
        error = TimeoutError(f"no answer within {WAIT} s")
    if error is not None:
        reason = "there is no such bucket" if isinstance(error, FileNotFoundError) else reason_of(error).rstrip(".")
        raise ValueError(
            f"{folder} cannot be written: {reason}. It needs a bucket that is there, and "
            "credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS."
        ) from error
    return folder


def _probe(folder: epath.Path) -> None:
    """Write, read and delete an object by both libraries: gcsfs for files, TensorStore for arrays."""
    import tensorstore  # Orbax has it

    name, content = f"probe-{uuid.uuid4().hex}", b"written by mixup_jax"
    (folder / name).write_bytes(content)
    store = tensorstore.KvStore.open(f"{folder.as_posix()}/").result()
    store.write(name, store.read(name).result().value + content).result()
    found = (folder / name).read_bytes()
    (folder / name).unlink()
    if found != 2 * content:
        raise OSError("what was written is not what is read: gcsfs and TensorStore look at different servers")


def records_folder(checkpoints: epath.Path) -> epath.Path:
    """Return where the records of a run are whose checkpoints are in a bucket: beside them.

    >>> records_folder(epath.Path("gs://bucket/runs/0123")).as_posix()
    'gs://bucket/runs/0123-records'
    """
    return checkpoints.parent / f"{checkpoints.name}-records"


def copy_metrics(workdir: Path, records: epath.Path) -> None:
    """Copy metrics.jsonl to the records in a bucket; where that fails, warn: the next copy has all lines."""
    try:
        (records / METRICS).write_bytes((workdir / METRICS).read_bytes())
    except Exception as error:  # whatever gcsfs raises
        warnings.warn(f"{records / METRICS} could not be written: {reason_of(error)}", stacklevel=2)


def copy_records(workdir: Path, records: epath.Path, names: Collection[str] = RECORDS) -> None:
    """Copy what a run has recorded, with its figures, to a bucket; raises CheckpointError where that fails."""
    if names is RECORDS:
        names = [*sorted(f"figures/{path.name}" for path in (workdir / "figures").glob("*.png")), *names]
    try:
        for name in names:
            if (workdir / name).is_file():
                (records / name).write_bytes((workdir / name).read_bytes())
    except Exception as error:
        raise CheckpointError(
            f"the records in {workdir} could not be copied to {records}: {reason_of(error)}; the same command does it."
        ) from error


def fetch_records(workdir: Path, records: epath.Path, names: Collection[str] = RECORDS) -> list[str]:
    """Take the records that this machine lacks, and metrics.jsonl where the bucket's goes further; return their names.

    Raises ValueError, which names the object, for one that cannot be read.
    """
    taken, figures = [], records / "figures"
    if names is RECORDS and figures.exists():
        names = [*(f"figures/{path.name}" for path in figures.iterdir() if path.suffix == ".png"), *names]
    for name in names:
        here, there = workdir / name, records / name
        try:
            if here.exists() and name != METRICS:
                continue
            if not there.exists():
                continue
            if there.stat().length > LARGEST:
                raise ValueError(f"larger than {LARGEST >> 30} GiB")
            content = there.read_bytes()
        except Exception as error:
            raise ValueError(f"{there} cannot be read: {reason_of(error)}") from error
        if not here.exists() or _last_step(content) > _last_step(here.read_bytes()):
            with replacing(here) as part:
                part.write_bytes(content)
            taken.append(name)
    return taken


def _last_step(lines: bytes) -> int:
    """Return the largest step that lines of metrics.jsonl name.

    >>> _last_step(b'{"step": 3}\\n{"step": 12}\\n{"st')
    12
    """
    found = [0]
    for line in lines.splitlines():
        with contextlib.suppress(ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            found.append(int(json.loads(line)["step"]))
    return max(found)


def send_folder(folder: Path, target: epath.Path, last: str) -> None:
    """Put the files of a folder in the place of those in a bucket; with `last`, which is written last, it is whole."""
    names = sorted(path.name for path in folder.iterdir())
    for path in target.iterdir() if target.exists() else ():
        if path.name == last or path.name not in names:
            path.unlink()
    for name in (*(name for name in names if name != last), last):
        (target / name).write_bytes((folder / name).read_bytes())


@contextlib.contextmanager
def fetched(folder: str, names: Collection[str]) -> Iterator[Path]:
    """Yield a folder on this machine with those of the named files that a folder in a bucket has."""
    choose_gcsfs(folder)
    with tempfile.TemporaryDirectory() as here:
        fetch_records(Path(here), epath.Path(folder), names)
        yield Path(here)
