"""Whose a folder is: it belongs to one run, described in a file, from the first thing trained there on."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from etils import epath

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.folder_lock import sole_owner
from mixup_jax.runtime.identity import CODE, PARTS, Content, changed_parts, differing, flatten
from mixup_jax.runtime.json_files import Malformed, read_object
from mixup_jax.stored_config import read, upgraded

VERSION = 3
"""Of config.json: 1 had no version, no data and no settings of JAX; 1 and 2 held the options of all choices."""
ORIGIN = (*CODE, "device")
"""Parts in which a run may change when it goes on, after a warning: sums are rounded otherwise."""
C = TypeVar("C")


@contextlib.contextmanager
def claimed(
    path: Path,
    here: Content,
    *,
    defaults: Content,
    checkpoints: epath.Path | Path | None = None,
    done: Callable[[Content], bool],
) -> Iterator[Content]:
    """Lock the folder of `path` for the run described `here`, or check that it is its folder; yield the description.

    The description in the file `path` is that of the first start, with what a later start has recorded. `defaults` are
    those of fields that an older description lacks, `done` says of a description whether its run has ended. Where the
    body raises and nothing was trained, the folder belongs to nobody again.

    Raises ValueError when another process works there and, naming what differs, when another run was begun there.
    Warns where other code, or another kind or number of devices, goes on with it, and of `checkpoints` that have no
    description.
    """
    place, folders = str(path.parent), "that folder"
    if checkpoints is None:
        checkpoints = path.parent / "checkpoints"
    elif apart(path.parent, checkpoints):
        place, folders = f"{path.parent}, with its checkpoints in {checkpoints},", "both"

    def begun() -> bool:
        return (path.exists() and done(_read(path))) or _has_steps(path.parent, checkpoints)

    with sole_owner(
        path.parent, f"another process is training in {path.parent}; wait for it or choose another --workdir."
    ):
        if has_checkpoints(checkpoints) and not path.exists() and not done({}):
            warnings.warn(
                f"nothing says of what run the checkpoints in {checkpoints} are; taken to be of this one", stacklevel=4
            )
        first = _claim(path, {"version": VERSION} | here, defaults, begun(), done, (place, folders))
        try:
            yield first
        except BaseException:
            if not begun():
                path.unlink(missing_ok=True)
                _remove_empty(path.parent / "checkpoints")
            raise


def apart(workdir: Path, checkpoints: epath.Path | Path) -> bool:
    """Whether the checkpoints of a run are elsewhere than in its folder."""
    return str(checkpoints) != str(workdir.absolute() / "checkpoints")


def _claim(
    path: Path,
    here: Content,
    defaults: Content,
    begun: bool,
    done: Callable[[Content], bool],
    words: tuple[str, str],
) -> Content:
    if not path.exists():
        if done({}):
            raise ValueError(f"{path.parent} holds a result without {path.name}; choose another --workdir.")
        write_json(path, here)
        return here
    first = read_description(path)
    if found := changed_parts(first, here, defaults):
        if begun:
            place, folders = words
            raise ValueError(
                f"{place} holds a run {found}. Choose another --workdir, or delete {folders} to train again."
            )
        write_json(path, here)
        return here
    missing = {part: here[part] for part in ("data", "jax") if part in here and part not in first}
    if missing and begun:
        warnings.warn(
            f"{path} was written before {' and '.join(missing)} were part of it; taken to be those of now",
            stacklevel=4,
        )
    content = first | missing | {"version": VERSION}
    if begun and _other_origin(path.parent, first, here) and not done(first):
        again = {name: here[name] for name in (*ORIGIN, "command", "started")}
        content["continued"] = [*first.get("continued", []), again]
    if content != first:
        write_json(path, content)
    return content


def _other_origin(workdir: Path, first: Content, here: Content) -> bool:
    """Warn where code or devices are not those of the first start; return whether they are not those of the last."""
    names = [name for name in ORIGIN if name in first]
    last = first | [{}, *first.get("continued", [])][-1]
    begun, before, now = ({name: each.get(name) for name in names} for each in (first, last, here))
    if found := differing(flatten(begun), flatten(now), ("at its start", "now")):
        what = "with other devices" if begun | {"device": None} == now | {"device": None} else "with other code"
        warnings.warn(f"{workdir}: the run goes on {what}: {found}", stacklevel=5)
    return before != now


def read_description(path: Path) -> Content:
    """Read the description of a run; raises ValueError for a file that is none, and for one of later code."""
    first = _read(path)
    if first.get("version", 1) not in range(1, VERSION + 1):
        raise ValueError(
            f"{path} was written by a later version of this code (it is version {first['version']} of the file, "
            f"{VERSION} is known here); use that code, or choose another --workdir."
        )
    if first.get("version", 1) < 3 and "config" in first:
        try:
            return first | {"config": upgraded(first["config"])}
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path} is version {first.get('version', 1)} of the file and cannot be read here ({error!r}); "
                "choose another --workdir."
            ) from None
    return first


def _read(path: Path) -> Content:
    with contextlib.suppress(Malformed):
        first = read_object(path)
        continued = first.get("continued", [])
        if (
            first.keys() & {"config", "settings"}
            and all(isinstance(first[part], dict) for part in PARTS & first.keys())
            and isinstance(continued, list)
            and all(isinstance(each, dict) for each in continued)
        ):
            return first
    raise ValueError(f"{path} is not the description of a run; choose another --workdir.")


def _has_steps(workdir: Path, checkpoints: epath.Path | Path) -> bool:
    """Whether something was trained here: there is a checkpoint, or a line of metrics."""
    metrics = workdir / "metrics.jsonl"
    return (metrics.exists() and metrics.stat().st_size > 0) or has_checkpoints(checkpoints)


def has_checkpoints(folder: epath.Path | Path) -> bool:
    """Whether a folder holds a checkpoint, or folders of several networks that do."""
    return any(path.name.isdecimal() for pattern in ("*", "*/*") for path in folder.glob(pattern))


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, but nothing that holds a file."""
    for path in sorted((*folder.glob("**"), folder), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()


def read_config(workdir: Path) -> Config:
    """Read the configuration of a run; raises ValueError for a folder that holds none, or one of another version."""
    return configuration(workdir / "config.json", Config)


def configuration(path: Path, kind: type[C]) -> C:
    """Read the configuration in the description of a run; fields that it lacks have their defaults.

    Raises ValueError for a file that is none, for fields that are not known here and for values that do not fit.
    """
    try:
        return read(kind(), read_description(path)["config"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path.parent} is not the folder of a run that can be read here: {error}") from None


def read_identity(workdir: Path) -> DataIdentity | None:
    """Read what is stored of a run's data, None where it was trained before that was stored.

    Raises ValueError for a folder that holds no run, and for an identity that cannot be read.
    """
    path = workdir / "config.json"
    stored = read_description(path).get("data")
    try:
        return stored and DataIdentity(**{key: _frozen(value) for key, value in stored.items()})
    except TypeError as error:
        raise ValueError(f"{path}: what it says of the data cannot be read here: {error}") from None


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
