"""A progress bar on stderr for decoding and downloading."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, track

T = TypeVar("T")


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while a bar shows how many are done; the bar goes when it is full, and needs a terminal.

    >>> list(progress([1, 2], "counting"))
    [1, 2]
    """
    console = Console(stderr=True, markup=False)
    yield from track(
        items, escape(description), total, console=console, transient=True, disable=not console.is_terminal
    )


class DownloadBar:
    """Show a download's progress; pooch sets `total` (bytes) and calls the methods, as it would tqdm's."""

    def __init__(self, description: str):
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self.total = 0
        console = Console(stderr=True, markup=False)
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
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
