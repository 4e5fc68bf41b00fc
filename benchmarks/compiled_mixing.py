"""What mixup adds to the compiled training step: operations and bytes, against the same step without a line of mixing.

Counted by the compiler; nothing is run, and the chips need not be there (libtpu, see `experiments.plan`). Mixing costs
the same whatever the network, so that it weighs most in the smallest. `--models none` counts it alone, in seconds.

    python -m benchmarks.compiled_mixing --topology v5e:4x4
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.harness.our_training import nothing_mixed
from experiments.imagenet.presets import PRESETS
from experiments.plan.table import size
from mixup_jax.config import Config
from mixup_jax.planning.aot import abstract_batch, compile_step, devices_of, step_recipe
from mixup_jax.planning.cost import cost_of
from mixup_jax.runtime.mesh import make_mesh, shard
from mixup_jax.steps.mixed_batch import mixed_batch

KEY = jax.eval_shape(lambda: jax.random.key(0)).dtype


def main(topology: str = "v5e:4x4", models: tuple[str, ...] = ("resnet18", "resnet50"), batch_size: int = 1024) -> None:
    """Compile the preparation of the batch and each step twice, with and without mixing, and print the table.

    Args:
        topology: Chips and how they are laid out, or cpu:N.
        models: Networks, on images of 224 x 224 x 3, otherwise with the recipe of table 1; `none` for the batch alone.
        batch_size: Images a step, over all devices.
    """
    jax.config.update("jax_platforms", "cpu")  # libtpu would look for chips
    devices = devices_of(topology)
    title = f"{topology}, batch {batch_size:,}, of each device"
    table = Table("", "operations", "ratio", "memory traffic", "ratio", "peak memory", title=title)
    base = replace(PRESETS["resnet50-mixup"][1], batch_size=batch_size)
    add_rows(table, "the batch alone", partial(compile_batch, base, devices))
    for name in () if models == ("none",) else models:
        config = replace(base, model=replace(base.model, model=name))
        add_rows(table, name, partial(compile_step, config, devices))
    Console().print(table)


def add_rows(table: Table, name: str, compiled: Callable[[], Any]) -> None:
    """Compile without mixing and with it, and add what both cost."""
    with nothing_mixed():
        erm = cost_of(compiled())
    mixup = cost_of(compiled())
    table.add_row(f"{name}, no mixing", size(erm.flops, "FLOP"), "", size(erm.accessed), "", size(erm.peak))
    ratios = f"{mixup.flops / erm.flops:.5f}", f"{mixup.accessed / erm.accessed:.5f}"
    counted = size(mixup.flops, "FLOP"), size(mixup.accessed), size(mixup.peak)
    table.add_row(f"{name}, mixup", counted[0], ratios[0], counted[1], ratios[1], counted[2])


def compile_batch(config: Config, devices: Sequence[Any]) -> Any:
    """Compile what comes before the network: normalised images and labels of a batch, in bfloat16."""
    recipe, mesh = step_recipe(config), make_mesh(1, config.batch_size, devices)
    everywhere, split = shard(mesh), shard(mesh, "data")

    def prepare(rng: Any, batch: Any, alpha: Any) -> Any:
        image, label, _ = mixed_batch(rng, batch, alpha, 0, recipe)
        return image.astype(jnp.bfloat16), label

    rng, alpha = (jax.ShapeDtypeStruct((), dtype, sharding=everywhere) for dtype in (KEY, jnp.float32))
    return jax.jit(prepare, out_shardings=split).lower(rng, abstract_batch(config, split), alpha).compile()


if __name__ == "__main__":
    tyro.cli(main)
