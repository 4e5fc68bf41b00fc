"""How the time of a step grows: with the batch, the width, the seeds and the number of virtual devices.

python -m benchmarks.growth
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from benchmarks.our_training import forward_flops, training
from benchmarks.page import Table, alone
from benchmarks.turns import QUICK, Effort, Timing, clocked, digits, take_turns
from experiments.quickstart import CLEAN
from mixup_jax.config import Config, Data, Model, Optimizer

BASE = Config(
    data=Data(pad_crop=0, flip=False),
    model=Model(width=16, blocks=(1, 1)),
    optimizer=Optimizer(schedule="constant"),
    batch_size=64,
)
QUICK_BASE = replace(CLEAN, model=replace(CLEAN.model, width=4), seeds=1)
GROWTH: dict[str, Callable[[Config, int], Config]] = {
    "batch": lambda base, n: replace(base, batch_size=n * base.batch_size),
    "width": lambda base, n: replace(base, model=replace(base.model, width=n * base.model.width)),
    "seeds": lambda base, n: replace(base, seeds=n),
}
FACTORS, DEVICES = (1, 2, 4), (1, 2, 4, 8)
WHY = """PreAct ResNet of two stages of one block, 32 x 32 x 3, width 16, batch 64, one seed, unless the row says
otherwise. The batch multiplies the images, the work for each stays: time is proportional, but for what a step costs
whatever its batch (random numbers, the optimiser). The width multiplies channels on both sides of a convolution:
arithmetic grows by 4 where the width doubles, memory traffic by 2; narrow layers are bound by memory, so time grows by
2 at first and by 4 once products are wide enough to be bound by arithmetic. Seeds run one after the other on a CPU:
proportional. Virtual devices share the same cores and the same batch: they add copies, a sum of gradients and
synchronisation, and gain nothing; on real devices each has its own cores."""


def measure(effort: Effort) -> list[Table]:
    """Measure each kind of growth."""
    quick, rows = effort == QUICK, []
    factors, counts, times = ((1, 2), (1, 2), 1) if quick else (FACTORS, DEVICES, 3)
    base = base_of(effort)
    first = training(base, devices=1)
    for name, grow in GROWTH.items():
        runs = {n: first if n == 1 else training(grow(base, n), devices=1) for n in factors}
        timings = take_turns({str(n): run for n, run in runs.items()}, effort)
        rows += grown(name, timings, [work(grow(base, n)) for n in factors])
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(times):
        for count in counts:
            seconds[count].append(on_devices(count, effort))
    timings = {str(count): Timing(each, each) for count, each in seconds.items()}
    rows += grown("virtual devices", timings, [work(base)] * len(counts))
    columns = ("", "times", "ms a step", "over the one before", "GFLOP/s")
    text = "The quick start's perceptron of width 4." if quick else WHY.replace("\n", " ")
    return [Table("Growth of a step", columns, rows, text)]


def base_of(effort: Effort) -> Config:
    """Return what grows."""
    return QUICK_BASE if effort == QUICK else BASE


def work(config: Config) -> float:
    """Return the floating-point operations of a step: three times those of the forward pass."""
    return 3 * config.batch_size * len(config.lanes) * forward_flops(config)


def grown(name: str, timings: dict[str, Timing], operations: list[float]) -> list[tuple[str, ...]]:
    """Make a row of each size."""
    rows, before = [], None
    for (size, timing), each in zip(timings.items(), operations, strict=True):
        ratio = timing.over(before) if before else ""
        rows.append(("" if before else name, size, timing.ms(), ratio, digits(1e-9 * each / timing.median)))
        before = timing
    return rows


def on_devices(count: int, effort: Effort) -> float:
    """Return seconds a step on virtual devices: their number is fixed when a process starts, so in one of its own."""
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    code = f"from benchmarks.growth import Effort, report; report({effort})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def report(effort: Effort) -> None:
    """Print seconds a step on all devices of this process."""
    run = training(base_of(effort))
    run(1)
    once, _ = clocked(run, 1)
    print(json.dumps(clocked(run, max(1, round(effort.seconds / once)))[0]))


if __name__ == "__main__":
    alone(measure)
