"""What this machine can do at most: memory bandwidth by a copy, arithmetic by a matrix product."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, Timing, digits, repeated, spread, take_turns

CORES = os.cpu_count() or 1
PRODUCT = "matrix product by XLA"


def copy(size: int, cores: int) -> Steps:
    """Return a copy of `size` bytes by NumPy, cut into a piece for each core."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    pieces = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)

    def run(count: int) -> None:
        for _ in range(count):
            list(pool.map(lambda piece: np.copyto(*piece), pieces))

    return run


def side_of(effort: Effort) -> int:
    """Return the rows and columns of the matrices that are multiplied."""
    return 512 if effort == QUICK else 2048


def beside_product(
    runs: Mapping[str, Steps], effort: Effort, *, pause: float = 0.05
) -> tuple[dict[str, Timing], list[float]]:
    """Let contestants take turns with a product of float32 matrices by XLA; return timings, and GFLOP/s of it."""
    side, multiply = side_of(effort), jax.jit(jnp.matmul)
    a = jax.random.normal(jax.random.key(0), (side, side))
    product = repeated(lambda: multiply(a, a).block_until_ready())
    timings = take_turns({**runs, PRODUCT: product}, effort, pause=pause)
    return timings, [2e-9 * side**3 / each for each in timings.pop(PRODUCT).seconds]


def measure(effort: Effort) -> list[Table]:
    """Measure copies and products."""
    size = 2**24 if effort == QUICK else 2**28
    copies = {f"copy by NumPy, cores: {count}": copy(size, count) for count in sorted({1, CORES})}
    timings, products = beside_product(copies, effort, pause=0.1)
    bandwidth = {name: [2e-9 * size / each for each in timing.seconds] for name, timing in timings.items()}
    rows = [(name, spread(each), "") for name, each in bandwidth.items()] + [(PRODUCT, "", spread(products))]
    most = digits(max(map(median, bandwidth.values())))
    text = (
        f"This machine copies {most} GB/s and multiplies at {digits(median(products))} GFLOP/s. A copy of "
        f"{size / 2**20:.0f} MiB reads and writes each byte once, and both are counted; a product is of two float32 "
        f"matrices of {side_of(effort)} x {side_of(effort)}, on all cores. The shares of a limit in the sections on "
        "training steps are of such products that took turns with the steps."
    )
    return [Table("What the machine can do", ("", "GB/s", "GFLOP/s"), rows, text)]
