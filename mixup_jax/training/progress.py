"""What a person sees while a run is under way: one line with a bar, speed, loss, error and the time that is left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """The progress of one run in steps."""

    def __init__(self, progress: Progress, title: str, total: int, done: int, plain: Console | None):
        self._progress, self._plain = progress, plain
        self._task = progress.add_task(title, total=total, completed=done, speed="compiling", metrics="")

    def started(self, seconds: float) -> None:
        """Say how long the first step took to come: starting up, data, compiling."""
        (self._plain or self._progress.console).print(f"first step after {seconds:.1f} s", highlight=False)

    def update(self, step: int, images_per_second: float) -> None:
        """Move the bar to `step`."""
        self._progress.update(self._task, completed=step, speed=f"{images_per_second:,.0f} images/s")

    def evaluated(self, epoch: float, train_loss: float, test_error: float) -> None:
        """Show the means over seeds of the last evaluation."""
        text = f"epoch {epoch:g}: train loss {train_loss:.3f}, test error {test_error:.2f} %"
        self._progress.update(self._task, metrics=text)
        if self._plain:
            self._plain.print(text, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, total: int, done: int, *, show: bool) -> Iterator[Bar]:
    """Open the bar on stderr; where that is no terminal, evaluations are lines on stdout; unless `show` is false."""
    console = Console(stderr=True, markup=False)
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),  # square brackets in a name are no markup
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[metrics]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        yield Bar(progress, title, total, done, Console(markup=False) if show and not console.is_terminal else None)
