"""Errors of a command line: one line and an exit status."""

import contextlib
import errno
import functools
import io
import logging
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import tyro

from experiments.commands.help import Wrapping, asks, without_all
from mixup_jax.runtime.console import write_any_character
from mixup_jax.runtime.devices.libtpu import answer_without_tpu
from mixup_jax.runtime.errors import SIGNALS, RunEnded, Stopped, did_you_mean, reason_of


def command(cli: Callable[..., Any], *args: Any, hint: str = "", **options: Any) -> Any:
    """Call a tyro command line; its error becomes one line, which ends with the hint."""
    stderr, stdout = io.StringIO(), sys.stdout
    if asks(options["args"]):
        stdout = Wrapping(stdout)
    try:
        with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(stdout):  # type: ignore
            return cli(*args, **options)
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        line = one_line(stderr.getvalue()).rstrip(".") + hint
        fail(f"{line}{'' if line.endswith('?') else ';'} --help-all lists the options")


def one_line(box: str) -> str:
    """Turn tyro's box into a sentence: its first section, and the names of similar options or values.

    >>> one_line("╭─ Unrecognized options ─╮\\n│ Unrecognized options: --alhpa │\\n╰──────╯")
    'Unrecognized options: --alhpa'
    >>> one_line("╭─ Required options ─╮\\n│ Missing from python -m x:  RUN  The run. (required) │\\n╰──────╯")
    'Missing: RUN The run'
    """
    sections = [" ".join(section.split()) for section in re.split("─+|-{3,}", re.sub("[│╭╮╰╯]", "", box))]
    message, *others = list(filter(None, sections))[1:] or [box]  # without the title
    message = re.sub(r"^Error parsing [\w.]+: |(?<=^Missing) from [^:]+|\.? \(required\)$", "", message)
    message = re.sub(r"\.? \(required\)", ";", message)
    wrong_count = r"Error parsing (--\S+): .*input length (\d+) did not match expected argument count (\d+).*"
    message = re.sub(wrong_count, r"\1 needs \3 values, got \2", message)
    if choice := re.search(r"invalid choice '(.*)' for argument '.*'\. Expected one of \((.*)\)", message):
        return message.rstrip(".") + did_you_mean(choice[1], re.findall(r"'([^']+)'", choice[2]))
    given = re.search(r"--[\w-]+", message)
    close = [
        name
        for part in others
        if part.startswith("Perhaps")
        for name in re.findall(r"^--[\w-]+|(?<=Perhaps you meant: )--[\w-]+", part)
    ]
    return message + (did_you_mean(given[0], close) if given else "")


def call(main: Callable[..., None], *, prog: str) -> None:
    """Parse the command line, then call a function with its options."""

    @functools.wraps(main)
    def bound(*args: Any, **options: Any) -> Callable[[], None]:
        return functools.partial(main, *args, **options)

    command(tyro.cli, bound, prog=prog, args=without_all(sys.argv[1:]))()


@contextlib.contextmanager
def data_told() -> Iterator[None]:
    """Print the log of data, what is skipped or converted, on stderr; of several processes one does."""
    handler = logging.StreamHandler()
    mesh = sys.modules.get("mixup_jax.runtime.devices.mesh")  # what trains has it
    handler.addFilter(lambda record: mesh is None or mesh.is_writer())
    logs = [logging.getLogger(name) for name in ("mixup_jax.data", "experiments.wafer")]
    before = [(log.level, log.propagate) for log in logs]
    for log in logs:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False  # libraries configure the root logger
    try:
        yield
    finally:
        for log, (level, propagate) in zip(logs, before, strict=True):
            log.removeHandler(handler)
            log.level, log.propagate = level, propagate


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM, SIGHUP outside of the training loop into one line; a second signal ends at once."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        asked.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, ask)
    try:
        yield
    except BaseException:  # libraries turn it into other errors
        if not asked:
            raise
        fail("nothing more was saved; start the same command again.", code=128 + asked[0], label="stopped", alone=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors that the user can correct into one line on stderr.

    Exit status: 2 for bad input and a loss that is not finite, 1 for other runs that failed, 128 + signal for one that
    was asked to stop. MIXUP_JAX_TRACEBACK=1 shows the traceback instead. Characters that the output's encoding lacks
    are spelled or escaped.
    """
    answer_without_tpu(os.environ)
    write_any_character()
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if os.environ.get("MIXUP_JAX_TRACEBACK"):
        with data_told():
            yield
            _leave_together()
        return
    try:
        with _interruptible(), data_told():
            yield
            _leave_together()
    except Stopped as stop:
        fail(str(stop), code=stop.exit_code, label="stopped")
    except RunEnded as error:
        fail(str(error), code=error.exit_code)
    except BrokenPipeError:  # the reader of the output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, TypeError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None
        where = "; make room where the results or the cache are, and start the same command again" if full else ""
        fail(f"{_named(error)}{where}")
    except Exception as error:
        if isinstance(error, RuntimeError | AssertionError) and devices_are_missing():
            print(f"error: {NO_DEVICES.format(os.environ.get('JAX_PLATFORMS', ''))}", file=sys.stderr, flush=True)
            os._exit(2)  # a normal exit would ask JAX for its devices again
        if together := _several_processes():  # the others wait, and a normal exit would wait for them
            traceback.print_exc()
            together.end_process(f"error: {reason_of(error)}", 1)
        raise


def _named(error: Exception) -> str:
    """Return the message of an error; of one of the system the file and what is wrong with it, without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _several_processes() -> Any:
    """Return the module of runs of several processes, None where this process is alone."""
    distributed = sys.modules.get("mixup_jax.runtime.devices.distributed")  # loaded by commands that train
    return distributed if distributed is not None and distributed.several() else None


def _leave_together() -> None:
    if together := _several_processes():
        together.leave_together()


NO_DEVICES = "JAX_PLATFORMS is {!r}, and JAX finds no such devices here: leave it out, or set it to cpu"


def devices_are_missing() -> bool:
    """Return whether JAX is loaded, was told which devices to use, and finds none."""
    if "jax" not in sys.modules or not os.environ.get("JAX_PLATFORMS"):
        return False
    try:
        sys.modules["jax"].devices()
    except (RuntimeError, AssertionError):  # the latter where it knows the kind, and sees that there is none
        return True
    return False


def fail(message: str, *, code: int = 2, label: str = "error", alone: bool | None = None) -> NoReturn:
    """Print one line and exit; a process that ends `alone`, as after an error, does not wait for others."""
    line = f"{label}: {' '.join(message.split())}"
    alone = label == "error" if alone is None else alone
    if alone and (together := _several_processes()):
        together.end_process(line, code)
    print(line, file=sys.stderr)
    sys.exit(code)
