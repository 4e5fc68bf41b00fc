"""Loops of small networks: table 4's trainings and the GAN's iterations, ours in one program, PyTorch step by step.

python -m benchmarks.small_loops
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import aim
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, Steps, digits, import_torch
from benchmarks.limits import CORES, beside_product, percent
from benchmarks.peers import torch_gan, torch_tabular

WIDTH, POINTS, ROWS, COLUMNS = 128, 64, 1000, 10
OURS = "ours"


@dataclass(frozen=True)
class Loop:
    """A loop of each contestant, what it calls and how many pieces a call does, and the arithmetic of a piece."""

    runs: dict[str, tuple[Callable[[], object], int]]
    operations: float


def repeated(work: Callable[[], object], torch: Any, threads: int) -> Steps:
    """Return work that is done again and again, in PyTorch on so many threads."""

    def run(count: int) -> None:
        if torch:
            torch.set_num_threads(threads)
        for _ in range(count):
            work()

    return run


def measure(effort: Effort) -> list[Table]:
    """Measure both loops."""
    torch, quick = import_torch(), effort == QUICK
    seeds, steps = (2, 5) if quick else (20, 60)
    rows, ratios = [], {}
    for title, loop in (("a network of table 4", tabular(seeds, steps)), ("an iteration of the GAN", gan(steps))):
        found, fastest = rows_of(title, loop, effort)
        rows += found
        ratios |= {title: fastest} if fastest else {}
    if torch:
        torch.set_num_threads(CORES)
    text = (
        (f"{aim(ratios, 5, least=True)} That is of PyTorch's faster way. " if ratios else f"{NO_TORCH} ")
        + f"A network of table 4 is {steps} steps of a perceptron of 2 x {WIDTH}, batch {torch_tabular.BATCH}; ours "
        f"trains {seeds} seeds and {len(torch_tabular.ALPHAS)} alphas in one program, PyTorch one network after "
        "the other. "
        f"The GAN has {WIDTH} units a layer and {POINTS} points a step. Ours is a loop inside of a compiled program, "
        "PyTorch's an eager loop. GFLOP/s counts the layers' products; the limit is a large product by XLA, in turns."
    )
    columns = ("", "", "ms", "its time over ours", "the same in processor time", "GFLOP/s", "% of the limit")
    return [Table("Loops of small networks", columns, rows, text)]


def products(*sizes: int) -> int:
    """Return the operations of a perceptron's forward pass on one example.

    >>> products(2, 128, 1)
    768
    """
    return 2 * sum(a * b for a, b in pairwise(sizes))


def tabular(seeds: int, steps: int) -> Loop:
    """Return the trainings of table 4; a piece is a network."""
    data = torch_tabular.rows(ROWS, COLUMNS)
    runs = {OURS: (torch_tabular.ours(data, seeds, steps), seeds * len(torch_tabular.ALPHAS))}
    if import_torch():
        runs["PyTorch"] = partial(torch_tabular.pytorchs, data, steps), 1
    forward = products(COLUMNS, WIDTH, WIDTH, torch_tabular.CLASSES)
    return Loop(runs, 3.0 * steps * torch_tabular.BATCH * forward)


def gan(steps: int) -> Loop:
    """Return the game; a piece is an iteration: 5 steps of the discriminator, one of the generator."""
    runs = {OURS: (torch_gan.ours(WIDTH, POINTS, steps), steps)}
    if import_torch():
        runs["PyTorch"] = torch_gan.pytorchs(WIDTH, POINTS, steps), steps
    generator, discriminator = (products(2, WIDTH, WIDTH, WIDTH, outputs) for outputs in (2, 1))
    each = POINTS * (generator + 2 * 3 * discriminator), POINTS * 3 * (generator + 2 * discriminator)
    return Loop(runs, float(torch_gan.STEPS * each[0] + each[1]))


def rows_of(title: str, loop: Loop, effort: Effort) -> tuple[list[tuple[str, ...]], list[float]]:
    """Time contestants, PyTorch on one thread and on all; return rows, and the ratios of its faster way to ours."""
    torch, pieces, runs = import_torch(), {}, {}
    for name, (work, each) in loop.runs.items():
        for threads in (CORES,) if name == OURS else sorted({1, CORES}):
            full = name if name == OURS else f"{name}, {threads} thread{'s' * (threads > 1)}"
            runs[full], pieces[full] = repeated(work, torch, threads), each
    whole, limits = beside_product(runs, effort)
    timings = {name: timing.of_a_piece(pieces[name]) for name, timing in whole.items()}
    ours = timings[OURS]
    rows, ratios = [], {}
    for name, timing in timings.items():
        rate = 1e-9 * loop.operations / timing.median
        if name != OURS:
            ratios[name] = timing.ratios(ours)
        over = ("", "") if name == OURS else (timing.over(ours), timing.processor_over(ours))
        rows.append((title, name, timing.ms(), *over, digits(rate), percent(rate, limits)))
    return rows, min(ratios.values(), key=median, default=[])


if __name__ == "__main__":
    alone(measure)
