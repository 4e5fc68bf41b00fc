"""What this machine can do at most: memory bandwidth by a copy, arithmetic by a matrix product, one core and all.

python -m benchmarks.limits
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness.page import Table, alone
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, Steps, Timing, digits, import_torch, spread, take_turns

CORES = os.cpu_count() or 1
LIMIT = "matrix product by XLA"
"""The contestant that stands for what a machine can do."""


def copy(size: int, cores: int) -> Steps:
    """Return a copy of `size` bytes by NumPy, cut into a piece for each core."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    pieces = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)

    def run(count: int) -> None:
        for _ in range(count):
            list(pool.map(lambda piece: np.copyto(*piece), pieces))

    return run


def product(size: int, cores: int) -> Steps:
    """Return a product of square float32 matrices by NumPy's BLAS."""
    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    result = np.empty_like(a)

    def run(count: int) -> None:
        with threadpool_limits(cores, user_api="blas"):
            for _ in range(count):
                np.matmul(a, a, out=result)

    return run


def product_in_jax(size: int) -> Steps:
    """Return the same product by XLA, on all cores."""
    a = jax.random.normal(jax.random.key(0), (size, size))
    multiply = jax.jit(jnp.matmul)

    def run(count: int) -> None:
        for _ in range(count):
            multiply(a, a).block_until_ready()

    return run


def product_in_torch(torch, size: int) -> Steps:
    """Return the same product by PyTorch, on all cores."""
    a = torch.randn(size, size)

    def run(count: int) -> None:
        for _ in range(count):
            torch.mm(a, a)

    return run


def product_rate(timing: Timing, size: int) -> list[float]:
    """Return GFLOP/s of square products."""
    return [2e-9 * size**3 / each for each in timing.seconds]


def side_of(effort: Effort) -> int:
    """Return the rows and columns of the matrices that are multiplied."""
    return 512 if effort == QUICK else 2048


def the_product(effort: Effort) -> str:
    """Return in words what is multiplied."""
    return f"a product of {side_of(effort)} x {side_of(effort)} matrices"


def percent(rate: float, limits: Sequence[float]) -> str:
    """Return a rate as per cent of the median of what is possible.

    >>> percent(30.0, [100.0, 120.0, 150.0])
    '25'
    """
    return f"{100 * rate / median(limits):.3g}"


def beside_product(
    runs: Mapping[str, Steps], effort: Effort, *, pause: float = 0.05
) -> tuple[dict[str, Timing], list[float]]:
    """Let contestants take turns with a product by XLA; return their timings, and the GFLOP/s of the product."""
    timings = take_turns({**runs, LIMIT: product_in_jax(side_of(effort))}, effort, pause=pause)
    return timings, product_rate(timings.pop(LIMIT), side_of(effort))


def measure(effort: Effort) -> list[Table]:
    """Measure copies and products."""
    size, side, torch = (2**24 if effort == QUICK else 2**28), side_of(effort), import_torch()
    copies = {f"copy by NumPy, {name}": copy(size, n) for name, n in cores().items()}
    products = {f"product by NumPy, {name}": product(side, n) for name, n in cores().items()}
    products["product by XLA, all cores"] = product_in_jax(side)
    if torch:
        products["product by PyTorch, all cores"] = product_in_torch(torch, side)
    timings = take_turns(copies | products, effort, pause=0.1)
    bandwidth = {name: [2e-9 * size / each for each in timings[name].seconds] for name in copies}
    rates = {name: product_rate(timings[name], side) for name in products}
    rows = [(name, spread(each), "") for name, each in bandwidth.items()]
    rows += [(name, "", spread(each)) for name, each in rates.items()]
    text = (
        f"This machine copies {digits(most(bandwidth))} GB/s and multiplies at {digits(most(rates))} GFLOP/s, medians "
        "of the fastest ways below: what follows is measured against such copies and products. "
        f"A copy of {size / 2**20:.0f} MiB reads and writes each byte once, and both are counted; a product is of two "
        f"float32 matrices of {side} x {side}. The shares of a limit further down are of copies and products that took "
        "turns with what they limit, where the section says nothing else." + ("" if torch else f" {NO_TORCH}")
    )
    return [Table("What the machine can do", ("", "GB/s", "GFLOP/s"), rows, text)]


def most(rates: Mapping[str, Sequence[float]]) -> float:
    """Return the highest median."""
    return max(map(median, rates.values()))


def cores() -> dict[str, int]:
    """Return the numbers of cores to try, by name."""
    return {"one core": 1} | ({"all cores": CORES} if CORES > 1 else {})


if __name__ == "__main__":
    alone(measure)
