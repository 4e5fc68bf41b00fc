"""What a person sees while a run is under way: a bar with speed and the time that is left, a line an evaluation."""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

from mixup_jax.runtime.console import console


def leave_lost_terminals(*streams: TextIO) -> None:
    """Give what is printed from now on to nobody, where the terminal that it went to is gone: each write would fail."""
    for stream in streams or (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream without a file
            number = stream.fileno()
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


@contextmanager
def _terminal_may_go() -> Iterator[None]:
    """Let a training go on to its next question when its terminal is lost before the signal that says so is heard."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        leave_lost_terminals()


class Bar:
    """The progress of one run in steps."""

    def __init__(self, progress: Progress, title: str, total: int, done: int, unit: str, lines: Console | None):
        self._progress, self._unit, self._lines = progress, unit, lines
        self._task = progress.add_task(title, total=total, completed=done, speed="compiling")

    def started(self, seconds: float) -> None:
        """Say how long the first step took to come: starting up, data, compiling."""
        self.evaluated(f"first step after {seconds:.1f} s")

    def update(self, step: int, examples_per_second: float) -> None:
        """Move the bar to `step`."""
        with _terminal_may_go():
            self._progress.update(self._task, completed=step, speed=f"{examples_per_second:,.0f} {self._unit}/s")

    def evaluated(self, text: str) -> None:
        """Print the result of an evaluation, if there is one to print, above the bar: in it, it would hide all else."""
        with _terminal_may_go():
            if text and self._lines:
                self._lines.print(text, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, total: int, done: int, unit: str, *, show: bool) -> Iterator[Bar]:
    """Open the bar on stderr; where that is no terminal, there are only lines, on stdout; unless `show` is false."""
    screen = console(stderr=True)
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),  # square brackets in a name are no markup
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not (show and screen.is_terminal)) as progress:
        lines = screen if screen.is_terminal else console()
        yield Bar(progress, title, total, done, unit, lines if show else None)


T = TypeVar("T")


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while a bar shows how many are done; the bar goes when it is full, and needs a terminal.

    >>> list(progress([1, 2], "counting"))
    [1, 2]
    """
    screen = console(stderr=True)
    yield from track(items, escape(description), total, console=screen, transient=True, disable=not screen.is_terminal)


class DownloadBar:
    """Show a download's progress; pooch sets `total` (bytes) and calls the methods, as it would tqdm's."""

    def __init__(self, description: str):
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self.total = 0
        screen = console(stderr=True)
        self._progress = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._task = self._progress.add_task(description, total=None)

    def update(self, count: int) -> None:
        """Add `count` bytes."""
        self._progress.start()
        self._progress.update(self._task, advance=count, total=self.total or None)

    def reset(self) -> None:
        """Start from zero again."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()
