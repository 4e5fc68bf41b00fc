"""One process at a time in a folder."""

import contextlib
import errno
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def has_locks(folder: Path) -> bool:
    """Whether files of a folder, which must be there, can be locked."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            return error.errno not in WITHOUT_LOCKS
    return True


def _lock(file: int) -> None:
    """Lock an open file for this process; raises BlockingIOError where another process has it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    except PermissionError as error:
        raise BlockingIOError(error.errno, "locked") from None


@contextlib.contextmanager
def sole_owner(folder: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out of a folder, made if absent; raises ValueError(refusal) if one is in it.

    On a file system without locks, as on some clusters, a warning takes their place. The system ends a lock with its
    process, also after a kill. A folder made here is removed again if the body raises and has left nothing in it.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    if path.is_symlink():
        raise ValueError(f"{path} is a symbolic link, and the lock must be a file in the folder: delete it.")
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        try:
            _lock(file)
        except BlockingIOError:
            raise ValueError(refusal) from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): let no other process work in it", stacklevel=3
            )
        if os.fstat(file).st_nlink == 0:  # its owner has removed the folder in this moment
            raise ValueError(refusal)
        try:
            yield
        except BaseException:
            if made and [each.name for each in folder.iterdir()] == [path.name]:
                with contextlib.suppress(OSError):
                    path.unlink()
                    folder.rmdir()
            raise
    finally:
        os.close(file)
