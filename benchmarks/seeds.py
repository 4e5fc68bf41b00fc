"""Several seeds in one program against one seed as many times.

python -m benchmarks.seeds
"""

from dataclasses import replace

from benchmarks.our_training import training
from benchmarks.page import Table, alone
from benchmarks.turns import QUICK, Effort, take_turns
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN

PRESETS = {"quick start's perceptron": CLEAN, "small preset": SMALL}
QUICK_PRESETS = {"a perceptron of width 4": replace(CLEAN, model=replace(CLEAN.model, width=4))}


def measure(effort: Effort) -> list[Table]:
    """Measure the small presets."""
    rows = []
    for title, config in (QUICK_PRESETS if effort == QUICK else PRESETS).items():
        numbers = (1, 2) if effort == QUICK else (1, 3, 5)
        runs = {str(n): training(replace(config, seeds=n), devices=1) for n in numbers}
        timings = take_turns(runs, effort)
        for n in numbers[1:]:
            rows.append((f"{title}, {n} seeds", timings[str(n)].ms(), timings[str(n)].over(timings["1"], n)))
        rows.append((f"{title}, one seed", timings["1"].ms(), ""))
    text = (
        "A step of all seeds in one program; on a CPU they run one after the other inside of it. At most 1 is the aim: "
        "less where calling the program costs more than what it computes."
    )
    return [Table("Seeds in one program", ("", "ms a step", "over as many times one seed"), rows, text)]


if __name__ == "__main__":
    alone(measure)
