"""What mixup adds to the compiled training step: operations and bytes, against the same step without a line of mixing.

Counted by the compiler; nothing is run, and the chips need not be there (libtpu, see `experiments.plan`). Mixing costs
the same whatever the network, so that it weighs most in the smallest.

    python -m benchmarks.compiled_mixing --topology v5e:4x4
"""

from dataclasses import replace

import jax
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.our_training import nothing_mixed
from experiments.imagenet_presets import PRESETS
from experiments.plan_table import size
from mixup_jax.training.ahead import compile_step, devices_of
from mixup_jax.training.compiled import cost_of


def main(topology: str = "v5e:4x4", models: tuple[str, ...] = ("resnet18", "resnet50"), batch_size: int = 1024) -> None:
    """Compile each step twice and print the table.

    Args:
        topology: Chips and how they are laid out, or cpu:N.
        models: Networks, on images of 224 x 224 x 3, otherwise with the recipe of table 1.
        batch_size: Images a step, over all devices.
    """
    jax.config.update("jax_platforms", "cpu")  # libtpu would look for chips
    devices = devices_of(topology)
    title = f"{topology}, batch {batch_size:,}, of each device"
    table = Table("", "operations", "ratio", "memory traffic", "ratio", "peak memory", title=title)
    base = PRESETS["resnet50-mixup"][1]
    for name in models:
        config = replace(base, model=replace(base.model, model=name), batch_size=batch_size)
        mixup = cost_of(compile_step(config, devices))
        with nothing_mixed():
            erm = cost_of(compile_step(config, devices))
        table.add_row(f"{name}, no mixing", size(erm.flops, "FLOP"), "", size(erm.accessed), "", size(erm.peak))
        ratios = mixup.flops / erm.flops, mixup.accessed / erm.accessed
        counted = size(mixup.flops, "FLOP"), size(mixup.accessed), size(mixup.peak)
        table.add_row(f"{name}, mixup", counted[0], f"{ratios[0]:.4f}", counted[1], f"{ratios[1]:.4f}", counted[2])
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
