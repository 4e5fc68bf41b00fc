"""Time loops that take turns in one process: on the clock, and of the processor, which other load disturbs less."""

import statistics
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from benchmarks.turns import NO_TORCH, clocked, import_torch

HAS_TORCH = find_spec("torch") is not None


def compare(runs: Mapping[str, tuple[Callable[[], object], int]], rounds: int, unit: str) -> None:
    """Print medians and the ratio to the first, whose turns are paired with the others'.

    `runs` maps a name to what is timed and how many units, such as trainings, it does; the first turn is not counted.
    """
    console = Console()
    torch = import_torch()
    if torch is None:
        console.print(NO_TORCH)
    else:
        torch.set_num_threads(1)
    clock: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, (run, units) in runs.items():
            seconds, processor_seconds = clocked(lambda _, run=run: run(), units)
            if turn:
                clock[name].append(1000 * seconds)
                processor[name].append(1000 * processor_seconds)
    names = (f"ms a {unit}, clock", f"{unit}s/s", "times ours", f"ms a {unit}, processor", "times ours")
    table = Table("", *names, box=None)
    first = next(iter(runs))
    for name in runs:
        cells = [name]
        for times in (clock, processor):
            median = statistics.median(times[name])
            ratios = [theirs / mine for theirs, mine in zip(times[name], times[first], strict=True)]
            cells.append(f"{median:.3g}")
            if times is clock:
                cells.append(f"{1000 / median:.3g}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        table.add_row(*cells)
    console.print(table)
