"""Time a training step with mixup against the same step without a line of mixing, paired in one process.

`alpha` is traced: ERM as we run it (alpha 0) is the same program as mixup. Here ERM is compiled without drawing a
plan and without mixing: what somebody would have who never heard of mixup.

    python -m benchmarks.mixup_cost
"""

from functools import partial
from unittest.mock import patch

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console

from benchmarks.torch_step import MEAN, SGD, STD, Steps, make_batch, table, take_turns
from mixup_jax.config import Data, Mixing, Model
from mixup_jax.mixing import Mix
from mixup_jax.models import build
from mixup_jax.optim import learning_rate, sgd
from mixup_jax.training.recipe import Recipe
from mixup_jax.training.state import init_state
from mixup_jax.training.step import train_step

CASES = {
    "PreAct ResNet-18, width 64, batch 32": (Model(), 32),
    "small preset: 3 blocks, width 24, stem of stride 2, batch 128": (
        Model(width=24, blocks=(1, 1, 1), stem_stride=2),
        128,
    ),
}


def step_of(model: Model, size: int, mixing: bool) -> Steps:
    """Compile the step, with mixup or with mixing cut out of it."""
    network, optimizer, batch = build(model, 10), sgd(SGD), jax.device_put(make_batch(size))
    recipe = Recipe(network, optimizer, learning_rate(SGD, 1, 1), 10, MEAN, STD, Data(), Mixing())
    state = init_state(0, network, optimizer, jnp.zeros((1, 32, 32, 3)))
    step = jax.jit(partial(train_step, recipe=recipe), donate_argnums=0)
    if not mixing:
        nothing = Mix(jnp.ones(size), jnp.arange(size))
        with (
            patch("mixup_jax.training.step.draw", lambda *args, **options: nothing),
            patch("mixup_jax.training.step.mix", lambda plan, tree: tree),
        ):
            step = step.lower(state, batch, 1.0).compile()

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, _ = step(state, batch, 1.0)
        jax.block_until_ready(state)

    return run


def main(rounds: int = 15, steps: int = 4) -> None:
    """Print a table for each case; the ratio is ERM's time over mixup's.

    Args:
        rounds: Turns of each contestant.
        steps: Training steps a turn.
    """
    for title, (model, size) in CASES.items():
        runs = {"mixup, alpha = 1": step_of(model, size, True), "no mixing at all": step_of(model, size, False)}
        Console().print(table(title, size, take_turns(runs, rounds, steps)))


if __name__ == "__main__":
    tyro.cli(main)
