"""Several seeds in one program against one seed as many times.

python -m benchmarks.seeds
"""

from dataclasses import replace

from benchmarks.harness.our_training import gigaflop, training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import aim
from benchmarks.harness.turns import QUICK, Effort, Steps, as_in_runs, digits
from benchmarks.limits import beside_product, percent, the_product
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN

PRESETS = {"quick start's perceptron": CLEAN, "small preset": SMALL}
QUICK_PRESETS = {"a perceptron of width 4": replace(CLEAN, model=replace(CLEAN.model, width=4))}


def measure(effort: Effort) -> list[Table]:
    """Measure the small presets."""
    quick, rows, ratios = effort == QUICK, [], {}
    for title, config in (QUICK_PRESETS if quick else PRESETS).items():
        numbers = (1, 2) if quick else (1, 3, 5)
        runs: dict[str, Steps] = {str(n): training(replace(config, seeds=n), devices=1) for n in numbers}
        timings, rates = beside_product(runs, as_in_runs(effort))
        for n in numbers:
            timing, name = timings[str(n)], f"{title}, {'one seed' if n == 1 else f'{n} seeds'}"
            rate = gigaflop(replace(config, seeds=n)) / timing.median
            over = "" if n == 1 else timing.over(timings["1"], n)
            rows.append((name, timing.ms(), over, digits(rate), percent(rate, rates)))
            if n > 1:
                ratios[name] = timing.ratios(timings["1"], n)
    text = (
        f"{aim(ratios, 1)} A step of all seeds in one program; on a CPU they run one after the other inside of it. "
        "Noise aside, below 1 is what one call in place of several saves; the loop itself adds little: once a call, "
        "the state of each seed is taken out of an array of all, and put back. "
        f"The limit is {the_product(effort)} by XLA, which took turns."
    )
    columns = ("", "ms a step", "over as many times one seed", "GFLOP/s", "% of the limit")
    return [Table("Seeds in one program", columns, rows, text)]


if __name__ == "__main__":
    alone(measure)
