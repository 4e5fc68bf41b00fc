"""Several seeds in one program against one seed as many times.

python -m benchmarks.seeds
"""

from dataclasses import replace
from statistics import median

from benchmarks.limits import PRODUCT, product_in_jax, product_rate
from benchmarks.our_training import forward_flops, training
from benchmarks.page import Table, alone
from benchmarks.sentences import aim
from benchmarks.turns import QUICK, Effort, Steps, digits, take_turns
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN

LIMIT = "matrix product by XLA"
PRESETS = {"quick start's perceptron": CLEAN, "small preset": SMALL}
QUICK_PRESETS = {"a perceptron of width 4": replace(CLEAN, model=replace(CLEAN.model, width=4))}


def measure(effort: Effort) -> list[Table]:
    """Measure the small presets."""
    quick, rows, ratios = effort == QUICK, [], {}
    side = 512 if quick else PRODUCT
    for title, config in (QUICK_PRESETS if quick else PRESETS).items():
        numbers = (1, 2) if quick else (1, 3, 5)
        runs: dict[str, Steps] = {str(n): training(replace(config, seeds=n), devices=1) for n in numbers}
        timings = take_turns(runs | {LIMIT: product_in_jax(side)}, effort, pause=0.05)
        limit = median(product_rate(timings[LIMIT], side))
        for n in numbers:
            timing, name = timings[str(n)], f"{title}, {'one seed' if n == 1 else f'{n} seeds'}"
            rate = 3e-9 * n * config.batch_size * forward_flops(config) / timing.median
            over = "" if n == 1 else timing.over(timings["1"], n)
            rows.append((name, timing.ms(), over, digits(rate), f"{100 * rate / limit:.3g}"))
            if n > 1:
                ratios[name] = timing.ratios(timings["1"], n)
    text = (
        f"{aim(ratios, 1)} A step of all seeds in one program; on a CPU they run one after the other inside of it, so "
        "that below 1 is what calling the program once in place of several times saves. The limit is a product of "
        f"{side} x {side} matrices by XLA, which took turns."
    )
    columns = ("", "ms a step", "over as many times one seed", "GFLOP/s", "% of the limit")
    return [Table("Seeds in one program", columns, rows, text)]


if __name__ == "__main__":
    alone(measure)
