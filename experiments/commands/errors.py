"""Errors of a command line: one line that a stranger understands, and an exit status."""

import contextlib
import functools
import glob
import importlib.util
import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NoReturn

import tyro

from mixup_jax.runtime.errors import RunEnded, Stopped


def command(cli: Callable[..., Any], *args: Any, hint: str = "", **options: Any) -> Any:
    """Call a tyro command line; what it refuses becomes one line, which ends with the hint."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return cli(*args, **options)
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        fail(one_line(stderr.getvalue()).rstrip(".") + hint + "; --help lists the options")


def one_line(box: str) -> str:
    """Turn tyro's box into a sentence.

    >>> one_line("╭─ Unrecognized options ─╮\\n│ Unrecognized options: --alhpa │\\n╰──────╯")
    'Unrecognized options: --alhpa'
    """
    text = " ".join(re.sub(r"[│╭╮╰╯─]+|-{3,}", " ", box).split())
    text = re.sub(r"^(Value error|Parsing error|Unrecognized options|Required options|Invalid choice) (?=\S)", "", text)
    text = re.sub(r"^Error parsing \w+: (.*?)\.?$", r"\1", text)
    wrong_count = r"Error parsing (--\S+): .*input length (\d+) did not match expected argument count (\d+).*"
    text = re.sub(wrong_count, r"\1 needs \3 values, got \2", text)
    text, _, options = re.sub(r" (Argument helptext|For full helptext).*", "", text).partition(" Perhaps you meant: ")
    close = list(dict.fromkeys(re.findall(r"--[a-z][a-z-]+", options)))
    return text + (f"; perhaps you meant {' or '.join(close)}" if close else "")


def call(main: Callable[..., None], *, prog: str) -> None:
    """Call a function with the options of the command line: parsed first, then called with nothing in between."""

    @functools.wraps(main)
    def bound(*args: Any, **options: Any) -> Callable[[], None]:
        return functools.partial(main, *args, **options)

    command(tyro.cli, bound, prog=prog)()


@contextlib.contextmanager
def data_told() -> Iterator[None]:
    """Print on stderr what is understood of data, passed over and converted; one process of several does."""
    handler = logging.StreamHandler()
    mesh = sys.modules.get("mixup_jax.runtime.mesh")  # what trains has it
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
    """Turn Ctrl-C, SIGTERM, SIGHUP into one line outside of the loop, which saves first; a second one ends at once."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        asked.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
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
    """Turn errors that the person at the keyboard can mend into one line on stderr.

    Exit status: 2 for bad input, 1 for a run that failed, 128 + signal for one that was asked to stop.
    MIXUP_JAX_TRACEBACK=1 shows the traceback instead. What the encoding of the output lacks is written as its number.
    """
    quiet_without_tpu(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test or a notebook has put something else
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if os.environ.get("MIXUP_JAX_TRACEBACK"):
        with data_told():
            yield
        return
    try:
        with _interruptible(), data_told():
            yield
    except Stopped as stop:
        fail(str(stop), code=stop.exit_code, label="stopped")
    except RunEnded as error:
        fail(str(error), code=error.exit_code)
    except BrokenPipeError:  # whoever read what is printed has seen enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, TypeError, OSError) as error:
        fail(str(error))
    except (RuntimeError, AssertionError):
        if not devices_are_missing():
            raise
        print(f"error: {NO_DEVICES.format(os.environ.get('JAX_PLATFORMS', ''))}", file=sys.stderr, flush=True)
        os._exit(2)  # whoever leaves in good order asks JAX for its devices again


NO_DEVICES = "JAX_PLATFORMS is {!r}, and JAX finds no such devices here: leave it out, or set it to cpu"
WITHOUT_CHIPS = {
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def devices_are_missing() -> bool:
    """Whether JAX has been loaded, was told which devices to use, and finds none."""
    if "jax" not in sys.modules or not os.environ.get("JAX_PLATFORMS"):
        return False
    try:
        sys.modules["jax"].devices()
    except (RuntimeError, AssertionError):  # the latter where it knows the kind, and sees that there is none
        return True
    return False


def quiet_without_tpu(environment: MutableMapping[str, str], devices: str = "/dev") -> None:
    """Tell libtpu what it would ask for and complain about where it is installed, for `plan`, beside no TPU."""
    chips = glob.glob(f"{devices}/accel[0-9]*") + glob.glob(f"{devices}/vfio/[0-9]*")
    if not chips and importlib.util.find_spec("libtpu"):
        for name, value in WITHOUT_CHIPS.items():
            environment.setdefault(name, value)


def fail(message: str, *, code: int = 2, label: str = "error", alone: bool | None = None) -> NoReturn:
    """Print one line and leave; a process that ends `alone`, as after an error, waits for no other."""
    line = f"{label}: {' '.join(message.split())}"
    distributed = sys.modules.get("mixup_jax.runtime.distributed")  # what trains has it; the report needs no JAX
    alone = label == "error" if alone is None else alone
    if distributed is not None and alone and distributed.several():
        distributed.end_process(line, code)
    print(line, file=sys.stderr)
    sys.exit(code)
