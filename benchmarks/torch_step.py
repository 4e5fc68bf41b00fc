"""Time one mixup training step of PreAct ResNet-18, ours against PyTorch, on the CPU of this machine.

Both normalise uint8 images of 32x32, mix them (alpha 1), run forward and backward, and take a step of SGD with momentum
and coupled weight decay, in float32 and on all cores. They take turns in one process (A B C A B C ...), so that other
load hits all of them; a pause between turns lets the worker threads of the one before go to sleep.

    python -m benchmarks.torch_step                      # both cases
    python -m benchmarks.torch_step --cases 128x16       # batch 128, width 16
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Literal

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from mixup_jax.config import Data, Mixing, Model, Optimizer
from mixup_jax.models import build
from mixup_jax.optim import learning_rate, sgd
from mixup_jax.training.recipe import Recipe
from mixup_jax.training.state import init_state
from mixup_jax.training.step import train_step

HAS_TORCH = find_spec("torch") is not None
Steps = Callable[[int], None]
"""Takes that many training steps, and returns when they are done."""
CASES = {"32x64": (32, 64), "128x16": (128, 16)}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
SGD = Optimizer(lr=0.1, momentum=0.9, weight_decay=1e-4, schedule="constant")


def make_batch(size: int) -> dict[str, np.ndarray]:
    """Draw random images and class ids; the time of a step does not depend on them."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (size, 32, 32, 3), np.uint8)
    return {"image": image, "label": generator.integers(0, 10, size, np.int32)}


def ours(size: int, width: int) -> Steps:
    """Compile `train_step` and return it as a loop."""
    model, optimizer, batch = build(Model(width=width), 10), sgd(SGD), jax.device_put(make_batch(size))
    recipe = Recipe(model, optimizer, learning_rate(SGD, 1, 1), 10, MEAN, STD, Data(pad_crop=0, flip=False), Mixing())
    step = jax.jit(partial(train_step, recipe=recipe), donate_argnums=0)
    example = jax.numpy.zeros((1, 32, 32, 3))
    state = jax.jit(partial(init_state, model=model, optimizer=optimizer))(0, image=example)

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, _ = step(state, batch, 1.0)
        jax.block_until_ready(state)

    return run


def pytorchs(size: int, width: int, channels_last: bool) -> Steps:
    """Build the same network and step in PyTorch."""
    import torch

    from benchmarks import torch_preact_resnet

    torch.set_num_threads(os.cpu_count() or 1)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_preact_resnet.PreActResNet(10, width).to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.SGD(network.parameters(), SGD.lr, SGD.momentum, weight_decay=SGD.weight_decay)
    batch = make_batch(size)
    raw = torch.tensor(batch["image"]).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    labels = torch.nn.functional.one_hot(torch.tensor(batch["label"]).long(), 10).float()
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))

    def run(count: int) -> None:
        for _ in range(count):
            x = (raw.float() / 255 - mean) / std
            lam, partner = torch.rand(()), torch.randperm(size)  # Beta(1, 1) is uniform
            x, y = (lam * each + (1 - lam) * each[partner] for each in (x, labels))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()

    return run


def take_turns(runs: dict[str, Steps], rounds: int, steps: int) -> dict[str, list[float]]:
    """Return seconds a step, one for each round, after a first round that is not counted."""
    seconds = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            time.sleep(0.3)
            run(1)
            start = time.perf_counter()
            run(steps)
            if i > 0:
                seconds[name].append((time.perf_counter() - start) / steps)
    return seconds


def main(cases: tuple[Literal["32x64", "128x16"], ...] = ("32x64", "128x16"), rounds: int = 5, steps: int = 3) -> None:
    """Print a table for each case.

    Args:
        cases: Batch size x width of the first stage.
        rounds: Turns of each contestant.
        steps: Training steps a turn.
    """
    console = Console()
    if not HAS_TORCH:
        console.print("PyTorch is not installed: nothing to compare with, only our step is timed.")
    for case in cases:
        size, width = CASES[case]
        runs = {f"ours (JAX {jax.__version__}, {jax.default_backend()})": ours(size, width)}
        if HAS_TORCH:
            runs[f"PyTorch {version('torch')}, channels last"] = pytorchs(size, width, True)
            runs[f"PyTorch {version('torch')}, channels first"] = pytorchs(size, width, False)
        console.print(table(f"batch {size}, width {width}", size, take_turns(runs, rounds, steps)))


def table(title: str, size: int, seconds: dict[str, list[float]]) -> Table:
    """Lay out medians with minima and maxima; the ratio is of turns that followed each other."""
    result = Table("step", "ms, median (min-max)", "images/s", "its time / ours, median (min-max)", title=title)
    first = next(iter(seconds.values()))
    for name, each in seconds.items():
        ms = [1000 * value for value in each]
        ratios = [theirs / mine for theirs, mine in zip(each, first, strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if each is not first else ""
        spread = f"{statistics.median(ms):.0f} ({min(ms):.0f}-{max(ms):.0f})"
        result.add_row(name, spread, f"{size / statistics.median(each):.0f}", ratio)
    return result


if __name__ == "__main__":
    tyro.cli(main)
