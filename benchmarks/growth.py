"""How the time of a step grows: with the batch, the width, the seeds, the number of virtual devices."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.harness.our_training import Training, gigaflop
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Timing, as_in_runs, digits, python, take_turns
from experiments.quickstart import CLEAN
from mixup_jax.choices import Constant, Data
from mixup_jax.choices.networks import PreActResNet
from mixup_jax.config import Config

BASE = Config(
    data=Data(pad_crop=0, flip=False),
    model=PreActResNet(width=16, blocks=(1, 1)),
    schedule=Constant(),
    batch_size=64,
)
QUICK_BASE = replace(CLEAN, model=replace(CLEAN.model, width=4), seeds=1)
GROWTH: dict[str, Callable[[Config, int], Config]] = {
    "batch": lambda base, n: replace(base, batch_size=n * base.batch_size),
    "width": lambda base, n: replace(base, model=replace(base.model, width=n * (base.model.width or 1))),
    "seeds": lambda base, n: replace(base, seeds=n),
}
WHY = """PreAct ResNet of two stages of one block, 32 x 32 x 3, width 16, batch 64, one seed, unless the row says
otherwise. Why: the batch multiplies the images, and the arithmetic for each stays: time grows with it, by less where a
step's fixed costs (random numbers, the optimiser) count, by more where what a layer passes on (4 MiB at batch 64)
leaves a cache and where memory is fresh: a call gets its memory from the system page by page, pieces of more than 32
MiB anew at each step. The width multiplies channels on both sides of a convolution: where it doubles, arithmetic grows
by nearly 4, what layers read and write by 2. Where time grows by less than arithmetic: with few channels convolutions
are slow for their arithmetic (docs/log/cpu-convolutions.md), and with 128, the second stage's at four times the width,
Winograd's algorithm multiplies less than is counted. Seeds run one after the other on a CPU: time should double with
them, as arithmetic does. Virtual devices share the same cores and the same batch: arithmetic stays. Up to one a core
they may gain, as what XLA does on one core only is then done on each at once; more add copies, a sum of gradients and
waiting for each other. On real devices each has its own cores. Devices are timed in processes of their own, three each,
which take turns."""


def measure(effort: Effort) -> list[Table]:
    """Measure each kind of growth."""
    quick, rows, base = effort == QUICK, [], base_of(effort)
    factors, counts = ((1, 2), (1, 2)) if quick else ((1, 2, 4), (1, 2, 4, 8))
    first = Training(base, devices=1)
    for name, grow in GROWTH.items():
        configs = {n: grow(base, n) for n in factors}
        runs = {str(n): first if n == 1 else Training(config, devices=1) for n, config in configs.items()}
        timings = take_turns(runs, as_in_runs(effort), pause=0.05)
        rows += grown(name, timings, [gigaflop(config) for config in configs.values()])
    seconds: dict[str, list[float]] = {str(count): [] for count in counts}
    for _ in range(1 if quick else 3):
        for count, found in seconds.items():
            found.append(on_devices(count, effort))
    timings = {count: Timing(found, found) for count, found in seconds.items()}
    rows += grown("virtual devices", timings, [gigaflop(base)] * len(counts))
    columns = ("", "times", "ms a step", "over the one before", "arithmetic over the one before")
    text = "The quick start's perceptron of width 4." if quick else WHY.replace("\n", " ")
    return [Table("Growth of a step", columns, rows, text)]


def base_of(effort: Effort) -> Config:
    """Return what grows."""
    return QUICK_BASE if effort == QUICK else BASE


def grown(name: str, timings: dict[str, Timing], operations: list[float]) -> list[tuple[str, ...]]:
    """Make a row of each size."""
    rows, before, work = [], None, 0.0
    for (size, timing), each in zip(timings.items(), operations, strict=True):
        ratios = (timing.over(before), digits(each / work)) if before else ("", "")
        rows.append(("" if before else name, size, timing.ms(), *ratios))
        before, work = timing, each
    return rows


def on_devices(count: str, effort: Effort) -> float:
    """Return seconds a step on virtual devices: their number is fixed when a process starts, so in one of its own."""
    code = f"from benchmarks.growth import Effort, report; report({effort})"
    flags = f"--xla_force_host_platform_device_count={count}"
    return float(python("-c", code, XLA_FLAGS=flags, JAX_PLATFORMS="cpu").splitlines()[-1])


def report(effort: Effort) -> None:
    """Print seconds a step on all devices of this process."""
    once = replace(as_in_runs(effort), rounds=1)
    print(take_turns({"step": Training(base_of(effort))}, once)["step"].median)
