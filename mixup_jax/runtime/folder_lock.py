"""One process at a time in a folder."""

import contextlib
import errno
import fcntl
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def has_locks(folder: Path) -> bool:
    """Whether files of a folder, which must be there, can be locked."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in WITHOUT_LOCKS
    return True


@contextlib.contextmanager
def sole_owner(folder: Path, refusal: str) -> Iterator[None]:
    """Keep others out of a folder, made if absent; raises ValueError(refusal) where another process is in it.

    On a file system without locks, as some clusters have, a warning takes their place. A lock ends with its process,
    however that ends: a file that only says that somebody is there would keep out whoever comes after a kill.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(
                f"{path} is a symbolic link, and the lock must be a file in the folder: delete it."
            ) from None
        raise
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ValueError(refusal) from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            os.close(file)
            raise
        warnings.warn(f"{folder} cannot be locked ({error.strerror}): let no other process work in it", stacklevel=3)
    try:
        yield
    finally:
        os.close(file)
