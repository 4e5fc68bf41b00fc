"""Whole loops that take turns, PyTorch's on one thread: on the clock, and of the processor, which load disturbs less.

`benchmarks.small_loops` puts both of them on the page; here sizes can be chosen.
"""

from collections.abc import Callable, Mapping

from benchmarks.harness.page import Table, show
from benchmarks.harness.turns import NO_TORCH, Effort, digits, import_torch, take_turns


def compare(runs: Mapping[str, tuple[Callable[[], object], int]], rounds: int, unit: str) -> None:
    """Print medians and the ratio to the first, whose turns are paired with the others'.

    `runs` maps a name to what is timed and how many units, such as trainings, it does; each turn does it twice, the
    first time off the clock.
    """
    if torch := import_torch():
        torch.set_num_threads(1)
    whole = take_turns({name: lambda _, work=work: work() for name, (work, _) in runs.items()}, Effort(rounds, 0))
    timings = {name: timing.of_a_piece(runs[name][1]) for name, timing in whole.items()}
    first, *_ = timings.values()
    rows = []
    for name, timing in timings.items():
        over = ("", "") if timing is first else (timing.over(first), timing.processor_over(first))
        rows.append((name, timing.ms(), digits(1 / timing.median), *over))
    columns = ("", f"{unit}, ms", f"{unit}s/s", "its time over ours", "the same in processor time")
    show(Table("", columns, rows, "" if torch else NO_TORCH))
