"""Checkpoints of a run: asynchronous, atomic, the last few and the best, and never a damaged one restored."""

import contextlib
import errno
import functools
import gc
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp
from orbax.checkpoint._src.serialization import tensorstore_utils

from mixup_jax.runtime.devices.mesh import wait_for_all
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.folder_lock import has_locks

NO_ROOM = {
    errno.ENOSPC: "the disk is full (no space or no inodes left)",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}


class Checkpoints:
    """The checkpoints in a folder, by step; open with `open_checkpoints`."""

    def __init__(self, checkpointer: Any):
        self._checkpointer = checkpointer
        self._pending: Any = None  # the last save that was begun

    def save(self, tree: Any, step: int, error: float | None) -> None:
        """Start writing a pytree of arrays; returns before it is on disk, unless the save before is still under way.

        The best checkpoint is the one of the lowest `error`: that of the validation set, where there is one, else of
        the test set. Without an error it cannot be the best one.
        """
        with _named(self, step):
            metrics = None if error is None else {"error": error}  # on the validation set, where there is one
            # Orbax's default is to skip a save while another runs, and to refuse a step that is there.
            content = {"tree": _words(tree), "fingerprint": fingerprint(tree)}
            self._pending = self._checkpointer.save_async(step, content, force=True, overwrite=True, metrics=metrics)

    def steps(self) -> list[int]:
        """Return the steps of the whole checkpoints, newest first."""
        return [each.step for each in reversed(self._checkpointer.checkpoints)]

    def best(self) -> list[int]:
        """Return the step of the checkpoint with the lowest error; nothing where none has one."""
        rated = {each.step: _error_in(each.metrics) for each in self._checkpointer.checkpoints if each.metrics}
        return [min(rated, key=rated.__getitem__)] if rated else []

    def restore(self, like: Any, *, best: bool = False) -> Any | None:
        """Return the newest checkpoint that is whole, with the shapes and shardings of `like`; None if there is none.

        With `best` only the best one is looked at.

        A newer one that cannot be read, or whose content does not match its fingerprint, is moved aside with a warning.
        What lies beside the arrays (`_set_notes_aside`) decides nothing.
        Raises CheckpointError, and moves nothing, when there are checkpoints and none can be used: that may be a file
        system out of reach, or code that has changed.
        """
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding),
            {"tree": _words(like), "fingerprint": fingerprint(like)},
        )
        unusable = {}
        for step in self.best() if best else self.steps():
            with _quietly():
                tree, reason = self._read(step, target)
            if tree is not None:
                for newer, why in unusable.items():
                    warnings.warn(f"checkpoint {newer} is damaged and is skipped: {why}", stacklevel=2)
                    self._move_aside(newer)
                return jax.tree.map(_as_key, like, tree)
            unusable[step] = reason
        if unusable:
            folder, (step, reason) = self._checkpointer.directory, next(iter(unusable.items()))
            raise CheckpointError(
                f"none of the {len(unusable)} checkpoints in {folder} can be used, the newest (step {step}) because: "
                f"{reason}. To start anew, move the folder away."
            )
        return None

    def _read(self, step: int, target: Any) -> tuple[Any | None, str]:
        """Return a checkpoint's tree, or None and why it cannot be used."""
        content, reason = None, "another process could not read it"
        try:
            # Orbax would say it for every array that it had begun to read, a page each.
            if misfit := _misfit(self._checkpointer.metadata(step).metadata, target):
                raise ValueError(misfit)
            content = self._checkpointer.load(step, target)
        except Exception as error:  # whatever Orbax, TensorStore or the file system raise for a damaged file
            reason = _damage(self._checkpointer.directory / str(step), error.__cause__ or error)
        readable = multihost_utils.process_allgather(np.asarray(content is not None))  # by every process
        if content is None or not np.all(readable):
            return None, reason
        if int(fingerprint(content["tree"])) != int(content["fingerprint"]):
            return None, "its content does not match its fingerprint"
        return content["tree"], ""

    def _move_aside(self, step: int) -> None:
        folder = self._checkpointer.directory
        if jax.process_index() == 0:
            _move_beside(folder, str(step))
        wait_for_all(f"checkpoint {step} moved")
        self._checkpointer.reload()

    def wait(self) -> None:
        """Wait until the last save is on disk."""
        with _named(self, None):
            if self._pending:
                self._pending.result()  # or its thread would complain of a failed save once Orbax's log is back
            self._checkpointer.wait()


def _words(tree: Any) -> Any:
    """Replace keys by their words: as keys they would be nothing without a file that says so."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _as_key(like: Array, words: Array) -> Array:
    """Make a key of its words where `like` is one."""
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(like)) if _is_key(like) else words


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _misfit(stored: Any, target: Any) -> str:
    """Name an array that is of another shape in a checkpoint than it should be; nothing where none is."""
    there, here = (
        {
            jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
            for path, leaf in jax.tree.leaves_with_path(tree)
            if hasattr(leaf, "shape")
        }
        for tree in (stored, target)
    )
    wrong = [name for name in here if name in there and here[name] != there[name]]
    return f"{wrong[0]} has the shape {there[wrong[0]]} there and {here[wrong[0]]} here" if wrong else ""


def _damage(folder: epath.Path, error: BaseException) -> str:
    """Say in one line, with the file, why the checkpoint in `folder` cannot be read."""
    description = folder / "state" / "_METADATA"  # of the arrays; Orbax does not name it
    try:
        json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        return f"{description} cannot be read ({_first_line(reason)})"
    return f"{folder}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text; of a long one, beginning and end, where TensorStore names the file."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 400 else f"{line[:150]} ... {line[-250:]}"


def _move_beside(folder: epath.Path, name: str) -> epath.Path:
    """Move `folder`/`name` to `folder`-damaged-..., beside the folder: object stores have no empty folder to put it in.

    Within the folder Orbax would delete it: what is damaged may look like a save that was never ended.
    """
    aside = folder.parent / f"{folder.name}-damaged-{name.replace('/', '-')}-{time.time_ns()}"
    (folder / name).rename(aside)
    return aside


def _set_notes_aside(folder: epath.Path) -> None:
    """Move aside what Orbax has to read of every checkpoint when it opens the folder, where it cannot be read.

    These are its error and the time of its writing. Orbax takes them for unknown where they are absent.
    """
    for step in sorted(path.name for path in folder.iterdir() if path.name.isdigit()) if folder.exists() else ():
        for name, file, read in NOTES:
            path = folder / step / name
            try:
                if path.exists():
                    read(json.loads((path / file).read_text(encoding="utf-8")))
            except Exception as error:  # whatever json, the file system or a field of another type raise
                aside = _move_beside(folder, f"{step}/{name}")
                warnings.warn(
                    f"{path} is damaged ({_first_line(error)}) and moved to {aside}; checkpoint {step} goes without it",
                    stacklevel=2,
                )


def _read_time(note: dict[str, Any]) -> None:
    for name in ("init_timestamp_nsecs", "commit_timestamp_nsecs"):
        datetime.fromtimestamp(note[name] / 1e9, tz=UTC)


def _error_in(note: Any) -> float:
    """Return the error in the note of a checkpoint; older ones call it test_error, whichever it was."""
    return float(note["error"] if "error" in note else note["test_error"])


NOTES = (("metrics", "metrics", _error_in), ("_CHECKPOINT_METADATA", "", _read_time))
"""What lies in a checkpoint beside its arrays: name, the file in it, and what must be possible with its content."""


@contextlib.contextmanager
def open_checkpoints(folder: epath.Path | Path, keep: int) -> Iterator[Checkpoints]:
    """Open the checkpoints in `folder`, made if absent; the newest `keep` and the best by error are preserved.

    A path on this machine may be relative to the working directory. On leaving, the last save is waited
    for. Meanwhile Orbax logs nothing.
    """
    if "://" not in str(folder):
        folder = Path(folder).absolute()  # Orbax takes no relative one
    with _without_orbax_log(), _open(epath.Path(folder), keep) as checkpoints:
        yield checkpoints


@contextlib.contextmanager
def _open(folder: epath.Path, keep: int) -> Iterator[Checkpoints]:
    if jax.process_index() == 0:
        _set_notes_aside(folder)
    wait_for_all(f"notes of {folder} read")
    _lock_no_files_without_locks(folder)
    policies = ocp.training.preservation_policies
    best = policies.BestN(get_metric_fn=_error_in, reverse=True, n=1, keep_checkpoints_without_metrics=False)
    context = ocp.Context()  # without the files that nothing needs: they could only be damaged
    context.array.saving.array_metadata_store = None
    context.array.saving.enable_write_sharding_file = False
    checkpointer = ocp.training.Checkpointer(  # its annotations do not accept its own policies, nor epath
        folder,  # pyright: ignore[reportArgumentType]
        context=context,
        save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),  # pyright: ignore[reportArgumentType]
        preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), best]),  # pyright: ignore[reportArgumentType]
        cleanup_tmp_directories=True,
    )
    checkpoints = Checkpoints(checkpointer)
    try:
        yield checkpoints
        checkpoints.wait()
    finally:
        for end in (checkpoints.wait, checkpointer.close):
            with contextlib.suppress(Exception):  # an error of the last save was raised, or another is on its way
                end()


@contextlib.contextmanager
def _without_orbax_log() -> Iterator[None]:
    """Silence Orbax, which logs each phase of a save and, in each thread, the error that it raises in the end."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]  # asyncio: every read of a damaged file
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _lock_no_files_without_locks(folder: epath.Path) -> None:
    """Let TensorStore lock no files where the file system has no locks: each file of a checkpoint has one writer."""
    if "://" in str(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK) and not has_locks(Path(folder)):
        # Orbax (0.12) has no option for it; without these names its own error says that it cannot lock.
        for name in ("_BASE_TS_CONTEXT", "_DEFAULT_OCDBT_TS_CONTEXT"):
            getattr(tensorstore_utils, name, {})["file_io_locking"] = {"mode": "none"}


@contextlib.contextmanager
def _named(checkpoints: Checkpoints, step: int | None) -> Iterator[None]:
    """Turn what a failed write raises, in this save or the one before, into one sentence."""
    try:
        yield
    except Exception as error:
        text = str(error)
        known = (words for code, words in NO_ROOM.items() if os.strerror(code) in text or errno.errorcode[code] in text)
        reason = next(known, _first_line(error))
        whole = checkpoints.steps()
        left = f"the checkpoint of step {whole[0]} is whole" if whole else "there is no earlier checkpoint"
        which = "the last checkpoint" if step is None else f"the checkpoint at or before step {step}"
        raise CheckpointError(f"{which} could not be written: {reason}; {left}.") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the reads that Orbax abandons where one of them fails: they complain when they end or are collected."""
    _ignore_closed_loops()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        gc.collect()


@functools.cache
def _ignore_closed_loops() -> None:
    """Let a read that ends after its event loop, in a thread of its own, end in silence; for good, it may take long."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda caught: None if "Event loop is closed" in str(caught.exc_value) else hook(caught)


@jax.jit
def fingerprint(tree: Any) -> Array:
    """Return a uint32 that depends on every bit of every leaf, whatever devices hold it.

    A sum of bit patterns weighted by position: integer arithmetic, so no order of summation changes it.
    """
    total = jnp.zeros((), jnp.uint32)
    for index, leaf in enumerate(jax.tree.leaves(tree)):
        if _is_key(leaf):
            leaf = jax.random.key_data(leaf)
        width = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}[leaf.dtype.itemsize]
        bits = jax.lax.bitcast_convert_type(leaf, width).astype(jnp.uint32)
        place = jnp.zeros(bits.shape, jnp.uint32)  # in the flat array: flattening would gather what devices share
        for axis, length in enumerate(bits.shape):
            place = place * jnp.uint32(length) + jax.lax.broadcasted_iota(jnp.uint32, bits.shape, axis)
        weight = place * jnp.uint32(2654435761) + jnp.uint32(2 * index + 1)
        total += jnp.sum(bits * (weight | jnp.uint32(1)), dtype=jnp.uint32)
    return total
