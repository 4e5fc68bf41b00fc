"""Time training steps of PreAct ResNet-18 on the CPU with XLA's own convolutions, with ours, and in PyTorch.

Forward, backward and SGD with momentum, float32, all cores (PyTorch mixes besides, which takes next to nothing); "in a
loop" is one program that runs many steps, as training does. Processor time is told too: on a machine that does other
work it is the steadier measure.

    python -m benchmarks.convolution                     # both cases
    python -m benchmarks.convolution --cases 128x16      # batch 128, width 16
"""

from dataclasses import replace
from typing import Any, Literal
from unittest import mock

import jax
import optax
import tyro
from jax import lax
from jax import numpy as jnp

from benchmarks.harness.page import Table, show
from benchmarks.harness.turns import Effort, Steps, spread, take_turns
from benchmarks.training_step import STEP, in_torch
from mixup_jax import networks
from mixup_jax.models import PreActResNet, preact_resnet
from mixup_jax.models.layers.convolution import compiler_options

CASES = {"32x64": (32, 64), "128x16": (128, 16)}
LR, MOMENTUM = 0.01, 0.9


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
    program: Any = lowered.compile(None if native else compiler_options())

    def run(count: int) -> None:
        nonlocal state
        for _ in range(1 if loop else count):
            state = program(state, count, x, y) if loop else program(state, x, y)
        jax.block_until_ready(state)

    return run


def contestants(size: int, width: int, native_loop: bool) -> dict[str, Steps]:
    """Build everything that takes part."""
    runs = in_torch(replace(STEP, model=networks.PreActResNet(width=width), batch_size=size))
    runs["JAX, XLA's convolutions"] = in_jax(size, width, native=True, loop=False)
    if native_loop:
        runs["JAX, XLA's convolutions, in a loop"] = in_jax(size, width, native=True, loop=True)
    runs["JAX, ours"] = in_jax(size, width, native=False, loop=False)
    runs["JAX, ours, in a loop"] = in_jax(size, width, native=False, loop=True)
    return runs


def main(
    cases: tuple[Literal["32x64", "128x16"], ...] = ("128x16", "32x64"), rounds: int = 5, native_loop: bool = False
) -> None:
    """Print a table for each case.

    Args:
        cases: Batch size x width of the first stage.
        rounds: Turns of each contestant.
        native_loop: Time the native gradients in a loop too; a step takes minutes at width 64.
    """
    for case in cases:
        size, width = CASES[case]
        timings = take_turns(contestants(size, width, native_loop), Effort(rounds, 0.5), pause=0.3)
        first = next(iter(timings.values()))
        rows = []
        for name, timing in timings.items():
            each = [size / seconds for seconds in timing.seconds], [1000 * s / size for s in timing.processor]
            rows.append((name, spread(each[0]), spread(first.ratios(timing)), spread(each[1])))
        columns = ("", "images/s", "speed relative to the first row", "processor ms an image")
        show(Table(f"PreAct ResNet-18, a training step: batch {size}, width {width}", columns, rows))


if __name__ == "__main__":
    tyro.cli(main)
