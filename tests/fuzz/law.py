"""The law of a damaged file: the parser returns, or raises ValueError or OSError with a message that names the file.

Never another exception, never longer than `SECONDS` of processor time, never more than `MEMORY` beyond what the process
has, never a write outside the case's folder, never a program started or a name looked up for a pickle.
"""

import contextlib
import faulthandler
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SECONDS = 10
BLOCKED = 120
"""Seconds after which a case that waits, or is stuck where Python cannot stop it, ends the process."""
MEMORY = 2 * 2**30
LONGEST = 2000
"""Characters of a message."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
RUNNING = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect"}
RUNNING |= {"pickle.find_class", "code.__new__", "ctypes.dlopen"}


@dataclass(frozen=True)
class Target:
    """A file that a parser reads: `parse` is given the folder that holds `file`, and what `prepare` has put there."""

    name: str
    file: str
    corpus: Callable[[], list[bytes]]
    parse: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None
    words: tuple[bytes, ...] = ()
    """What the parser looks for."""
    good: int = 1
    """How many of the corpus, the first ones, are whole: the parser must read them."""
    names_file: bool = True
    """Whether messages name it; a parser of bytes does not know it."""


class Hang(BaseException):
    """No `except Exception` stops it."""


class Broken(BaseException):
    """A parser did what no file may make it do."""


class Watch:
    """See what a parser opens to write, moves, deletes and runs; a hook of Python's auditing cannot be taken away."""

    def __init__(self):
        self.folder: str | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in RUNNING:
            raise Broken(f"{event} {str(arguments)[:200]}")
        if (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING) or event in PATHS:
            self._inside(event, arguments[0])

    def _inside(self, event: str, path: Any) -> None:
        if isinstance(path, str | bytes) and self.folder is not None:
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith((self.folder + os.sep, os.devnull)) and place != self.folder:
                raise Broken(f"{event} {place}, outside of its folder")


WATCH = Watch()


def fault(
    target: Target, data: bytes, *, good: bool = False, memory: int = MEMORY, seconds: float = SECONDS
) -> str | None:
    """Let a target's parser read `data`; say in what it breaks the law, with the place, if it does.

    A `good` file may not be refused.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "case"
        folder.mkdir()
        target.prepare(folder)
        path = folder / target.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        try:
            with _own_folder(folder), _limits(memory, seconds):
                target.parse(folder)
        except (ValueError, OSError) as error:
            if good:
                return f"a good file is refused: {error}"
            return _complaint(error, path if target.names_file else None)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            return f"{type(error).__name__}: {str(error)[:200]} at {_place(error)}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return None


def _complaint(error: Exception, path: Path | None) -> str | None:
    message = str(error)
    if path and path.name not in message and str(path.parent) not in message:
        return f"{type(error).__name__} does not name the file: {message[:200]!r} at {_place(error)}"
    if len(message) > LONGEST:
        return f"{type(error).__name__} of {len(message)} characters at {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    """Return the innermost line of this project that an exception came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    ours = [frame for frame in frames if "mixup_jax" in frame.filename or "experiments" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    """Keep caches in the folder, and see what is written elsewhere."""
    before, bytecode = os.environ.get("XDG_CACHE_HOME"), sys.dont_write_bytecode
    os.environ["XDG_CACHE_HOME"], sys.dont_write_bytecode = str(folder / "cache"), True
    WATCH.folder = str(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        WATCH.folder, sys.dont_write_bytecode = None, bytecode
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


@contextlib.contextmanager
def _limits(memory: int, seconds: float) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise Hang(f"more than {seconds:g} seconds")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, late)
    faulthandler.dump_traceback_later(BLOCKED, exit=True)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)
