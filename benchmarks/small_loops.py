"""Loops of small networks: table 4's trainings and the GAN's iterations, ours in one program, PyTorch step by step.

python -m benchmarks.small_loops
"""

from collections.abc import Callable
from functools import partial

from benchmarks import torch_gan, torch_tabular
from benchmarks.limits import CORES
from benchmarks.page import Table, alone
from benchmarks.turns import QUICK, Effort, Steps, import_torch, spread, take_turns


def repeated(work: Callable[[], object]) -> Steps:
    """Return work that is done again and again."""

    def run(count: int) -> None:
        for _ in range(count):
            work()

    return run


def measure(effort: Effort) -> list[Table]:
    """Measure both; PyTorch on one thread, which is its fastest way with nets this small."""
    torch, quick = import_torch(), effort == QUICK
    seeds, steps = (2, 5) if quick else (20, 60)
    data = torch_tabular.rows(1000, 10)
    trainings = {"ours": (torch_tabular.ours(data, seeds, steps), seeds * len(torch_tabular.ALPHAS))}
    games = {"ours": (torch_gan.ours(128, 64, steps), steps)}
    if torch:
        torch.set_num_threads(1)
        trainings["PyTorch"] = partial(torch_tabular.pytorchs, data, steps), 1
        games["PyTorch"] = torch_gan.pytorchs(128, 64, steps), steps
    rows = rows_of("a network of table 4", trainings, effort) + rows_of("an iteration of the GAN", games, effort)
    if torch:
        torch.set_num_threads(CORES)
    text = (
        f"A network of table 4 is {steps} steps of a perceptron of 2 x 128, batch 16; ours trains {seeds} seeds and "
        "five alphas in one program. The GAN has 128 units a layer and 64 points a step. The aim is 5. PyTorch runs on "
        "one thread." + ("" if torch else " It is not installed.")
    )
    columns = ("", "", "ms", "its time over ours", "the same in processor time")
    return [Table("Loops of small networks", columns, rows, text)]


def rows_of(title: str, runs: dict[str, tuple[Callable[[], object], int]], effort: Effort) -> list[tuple[str, ...]]:
    """Time contestants, each with how many pieces it does at once, and make a row of each."""
    timings = take_turns({name: repeated(work) for name, (work, _) in runs.items()}, effort)
    rows = []
    for name, timing in timings.items():
        pieces, factor = runs[name][1], runs[name][1] / runs["ours"][1]
        processor = [a / (factor * b) for a, b in zip(timing.processor, timings["ours"].processor, strict=True)]
        ratios = ("", "") if name == "ours" else (timing.over(timings["ours"], factor), spread(processor))
        rows.append((title, name, spread([1000 * each / pieces for each in timing.seconds]), *ratios))
    return rows


if __name__ == "__main__":
    alone(measure)
