"""How the time of a step grows: with the batch, the width, the seeds, the number of virtual devices, two processes.

python -m benchmarks.growth
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.harness.our_training import gigaflop, training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.turns import QUICK, Effort, Steps, Timing, as_in_runs, digits, printed, take_turns
from benchmarks.limits import beside_product, percent, the_product
from experiments.cifar import SMALL
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
DIGITS = Data(dataset="digits", pad_crop=0, flip=False)
FACTORS, DEVICES = (1, 2, 4), (1, 2, 4, 8)
DEVICES_ROW, PROCESSES_ROW = "virtual devices", "processes, of two devices in all"
RUN = ("experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=None", "--seeds=1")
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
which take turns, without a product beside them. So are processes: whole runs of the small preset on digits, batch 128,
the median step of each; two processes send their sums of gradients through Gloo, over the loopback of the machine."""


def measure(effort: Effort) -> list[Table]:
    """Measure each kind of growth."""
    quick, rows = effort == QUICK, []
    factors, counts, times = ((1, 2), (1, 2), 1) if quick else (FACTORS, DEVICES, 3)
    base = base_of(effort)
    first, rates, sentences = training(base, devices=1), [], []
    found: list[tuple[str, dict[str, Timing], list[float]]] = []
    for name, grow in GROWTH.items():
        runs: dict[str, Steps] = {str(n): first if n == 1 else training(grow(base, n), devices=1) for n in factors}
        timings, beside = beside_product(runs, as_in_runs(effort))
        rates += beside
        found.append((name, timings, [gigaflop(grow(base, n)) for n in factors]))
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(times):
        for count in counts:
            seconds[count].append(on_devices(count, effort))
    timings = {str(count): Timing(each, each) for count, each in seconds.items()}
    found.append((DEVICES_ROW, timings, [gigaflop(base)] * len(counts)))
    seconds = {1: [], 2: []}
    for _ in range(times):
        for count in seconds:
            seconds[count].append(in_processes(count, epochs=2 if quick else 30))
    timings = {str(count): Timing(each, each) for count, each in seconds.items()}
    found.append((PROCESSES_ROW, timings, [gigaflop(replace(SMALL, data=DIGITS, seeds=1))] * 2))
    for name, timings, operations in found:
        rows += grown(name, timings, operations, rates)
        sentences.append(from_first_to_last(name, timings, operations))
    columns = ("", "times", "ms a step", "over the one before", "GFLOP/s", "% of the limit")
    why = "The quick start's perceptron of width 4." if quick else WHY.replace("\n", " ")
    text = f"{' '.join(sentences)} {why} The limit is {the_product(effort)} by XLA, in turns with steps."
    return [Table("Growth of a step", columns, rows, text)]


def base_of(effort: Effort) -> Config:
    """Return what grows."""
    return QUICK_BASE if effort == QUICK else BASE


def from_first_to_last(name: str, timings: dict[str, Timing], operations: list[float]) -> str:
    """Say by how much time and arithmetic grew over all sizes."""
    first, *_, last = timings
    time, more = median(timings[last].ratios(timings[first])), operations[-1] / operations[0]
    counted = name in (DEVICES_ROW, PROCESSES_ROW)
    what = f"{last} {name} in place of {first}" if counted else f"{last} times the {name}"
    return f"{what}: {digits(time)} times the time, {digits(more)} times the arithmetic."


def grown(name: str, timings: dict[str, Timing], operations: list[float], limits: list[float]) -> list[tuple[str, ...]]:
    """Make a row of each size; operations are 1e9, the limits 1e9 a second."""
    rows, before = [], None
    for (size, timing), each in zip(timings.items(), operations, strict=True):
        ratio = timing.over(before) if before else ""
        rate = each / timing.median
        rows.append(("" if before else name, size, timing.ms(), ratio, digits(rate), percent(rate, limits)))
        before = timing
    return rows


def on_devices(count: int, effort: Effort) -> float:
    """Return seconds a step on virtual devices: their number is fixed when a process starts, so in one of its own."""
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    code = f"from benchmarks.growth import Effort, report; report({effort})"
    return printed(code, environment)


def in_processes(count: int, *, epochs: int) -> float:
    """Return the median seconds of a step of a run on two devices, in one process or one for each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = f"--xla_force_host_platform_device_count={2 // count}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *RUN, f"--epochs={epochs}", f"--workdir={folder}/run"]
        joined = ["--processes=2", f"--coordinator=127.0.0.1:{port}"] if count == 2 else []
        started = [
            subprocess.Popen(
                [*command, *joined, *([f"--process-id={number}"] if joined else [])],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]
        complaints = [process.communicate()[1] for process in started]
        if any(process.returncode for process in started):
            raise RuntimeError(f"{' '.join(command)} in {count} processes: {''.join(complaints)}")
        result = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
    return result["speed"]["step_seconds"]["median"]


def report(effort: Effort) -> None:
    """Print seconds a step on all devices of this process."""
    once = replace(as_in_runs(effort), rounds=1)
    print(json.dumps(take_turns({"step": training(base_of(effort))}, once)["step"].median))


if __name__ == "__main__":
    alone(measure)
