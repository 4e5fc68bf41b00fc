"""Time training steps of PreAct ResNet-18 on the CPU with XLA's own convolution gradients, with ours, and in PyTorch.

Forward, backward and SGD with momentum, float32, all cores; "in a loop" is one program that runs many steps, as
training does. The contestants take turns in one process and medians are compared. Seconds of processor time are told
too: on a machine that does other work they are the steadier measure (threads that wait by spinning inflate them).

    python -m benchmarks.convolution                     # both cases
    python -m benchmarks.convolution --cases 128x16      # batch 128, width 16
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any, Literal
from unittest import mock

import jax
import optax
import tyro
from jax import lax
from jax import numpy as jnp
from rich.console import Console
from rich.table import Table

from mixup_jax.models import PreActResNet, preact_resnet

CASES = {"32x64": (32, 64), "128x16": (128, 16)}
HAS_TORCH = find_spec("torch") is not None
LR, MOMENTUM = 0.01, 0.9
Steps = Callable[[int], None]
"""Takes that many training steps, and returns when they are done."""


def batch_of(size: int) -> tuple[jax.Array, jax.Array]:
    """Draw images and class ids; the time of a step does not depend on them."""
    return jax.random.normal(jax.random.key(0), (size, 32, 32, 3)), jnp.arange(size) % 10


def in_jax(size: int, width: int, *, native: bool, loop: bool) -> Steps:
    """Compile the step with the native convolution or ours, alone or as a loop in one program."""
    model, optimizer = PreActResNet(classes=10, width=width), optax.sgd(LR, MOMENTUM)
    x, y = batch_of(size)

    def step(state: tuple, x: jax.Array, y: jax.Array) -> tuple:
        params, batch_stats, opt_state = state

        def loss_fn(params: Any) -> tuple[jax.Array, Any]:
            variables = {"params": params, "batch_stats": batch_stats}
            logits, updated = model.apply(variables, x, train=True, mutable=["batch_stats"])
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), updated["batch_stats"]

        grads, new_stats = jax.grad(loss_fn, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), new_stats, opt_state

    def many(state: tuple, count: jax.Array, x: jax.Array, y: jax.Array) -> tuple:
        return lax.fori_loop(0, count, lambda _, state: step(state, x, y), state)

    variables = jax.jit(lambda: model.init(jax.random.key(0), x[:1], train=False))()
    state = (variables["params"], variables["batch_stats"], optimizer.init(variables["params"]))
    convolve = lax.conv_general_dilated if native else preact_resnet.conv_general_dilated
    with mock.patch.object(preact_resnet, "conv_general_dilated", convolve):
        lowered = jax.jit(many).lower(state, 1, x, y) if loop else jax.jit(step).lower(state, x, y)
    program: Any = lowered.compile()

    def run(count: int) -> None:
        nonlocal state
        for _ in range(1 if loop else count):
            state = program(state, count, x, y) if loop else program(state, x, y)
        jax.block_until_ready(state)

    return run


def in_torch(size: int, width: int, *, channels_last: bool) -> Steps:
    """Build the same network and step in PyTorch."""
    import torch

    from benchmarks import torch_preact_resnet

    torch.set_num_threads(os.cpu_count() or 1)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_preact_resnet.PreActResNet(10, width).to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.SGD(network.parameters(), LR, MOMENTUM)
    x, y = torch.randn(size, 3, 32, 32).contiguous(memory_format=layout), torch.arange(size) % 10

    def run(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()

    return run


def contestants(size: int, width: int, native_loop: bool) -> dict[str, Steps]:
    """Build everything that takes part."""
    runs = {}
    if HAS_TORCH:
        runs["PyTorch, channels last"] = in_torch(size, width, channels_last=True)
        runs["PyTorch, channels first"] = in_torch(size, width, channels_last=False)
    runs["JAX, native gradients"] = in_jax(size, width, native=True, loop=False)
    if native_loop:
        runs["JAX, native gradients, in a loop"] = in_jax(size, width, native=True, loop=True)
    runs["JAX, our gradients"] = in_jax(size, width, native=False, loop=False)
    runs["JAX, our gradients, in a loop"] = in_jax(size, width, native=False, loop=True)
    return runs


def measure(runs: dict[str, Steps], rounds: int, steps: int) -> dict[str, list[tuple[float, float]]]:
    """Let the contestants take turns; return seconds and processor seconds a step, one pair for each round."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for index in range(rounds + 1):
        for name, run in runs.items():
            time.sleep(0.3)  # The threads of the contestant before go to sleep.
            start, start_processor = time.perf_counter(), time.process_time()
            run(steps)
            if index > 0:  # The first round warms up.
                pair = time.perf_counter() - start, time.process_time() - start_processor
                seconds[name].append((pair[0] / steps, pair[1] / steps))
    return seconds


def main(
    cases: tuple[Literal["32x64", "128x16"], ...] = ("128x16", "32x64"),
    rounds: int = 5,
    steps: int = 2,
    native_loop: bool = False,
) -> None:
    """Print one table.

    Args:
        cases: Batch size x width of the first stage.
        rounds: Turns of each contestant.
        steps: Training steps a turn.
        native_loop: Time the native gradients in a loop too; a step takes minutes at width 64.
    """
    console = Console(width=120)
    if not HAS_TORCH:
        console.print("PyTorch is not installed: no rows for it.")
    title = f"PreAct ResNet-18, a training step (batch x width); JAX {jax.__version__}, {os.cpu_count()} cores"
    table = Table(title=title, caption="ratio: speed relative to the first row of the case, by clock and by cpu time")
    for column in ("case", "contestant", "images/s", "best", "ratio", "cpu ms/image", "ratio"):
        table.add_column(column, justify="left" if column == "contestant" else "right", no_wrap=True)
    for case in cases:
        size, width = CASES[case]
        rows = measure(contestants(size, width, native_loop), rounds, steps)
        medians = {name: [median(column) for column in zip(*pairs, strict=True)] for name, pairs in rows.items()}
        first_wall, first_processor = next(iter(medians.values()))
        for name, (wall, processor) in medians.items():
            best = size / min(wall for wall, _ in rows[name])
            row = [f"{size / wall:.1f}", f"{best:.1f}", f"{first_wall / wall:.2f}"]
            table.add_row(case, name, *row, f"{1e3 * processor / size:.1f}", f"{first_processor / processor:.2f}")
        table.add_section()
    console.print(table)


if __name__ == "__main__":
    tyro.cli(main)
