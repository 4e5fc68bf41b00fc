"""Plan before you pay: the cost of a training step on chips that you do not have.

Compiles the step of a preset for GPUs or TPUs, ahead of time and on any machine, and prints for each device: memory
against the chip's, operations, bytes, what goes over the network, and from these the least time that a step can take.
GPUs (a100, h100, h200, b200; one node h100:8, two nodes h100:2x8) need the extra `plan-gpu` (JAX's plugin for CUDA),
TPUs (v5e, v5p, v6e) the extra `plan` (libtpu). Compiling takes minutes, but no chip and no driver.

    python -m experiments.plan imagenet resnet50-mixup --topology h100:8
    python -m experiments.plan imagenet resnet50-mixup --topology h100:4x8 --batch-size 8192
    python -m experiments.plan imagenet resnet50-mixup --topology v5e:4x4
    python -m experiments.plan imagenet resnet50-mixup --topology v5e:16x16 --batch-size 4096
    python -m experiments.plan cifar preact18-mixup --topology cpu:8        # virtual devices of this machine
"""

import sys
from dataclasses import dataclass

import jax
import tyro
from rich.console import Console

from experiments import cifar
from experiments.commands.command_line import given_options, parse
from experiments.commands.errors import one_line_errors
from experiments.commands.help import asks, print_about
from experiments.imagenet import presets as imagenet_presets
from experiments.plan.table import collectives_table, cost_table, notes
from mixup_jax.choices import OF_PHOTOGRAPHS
from mixup_jax.config import Config
from mixup_jax.planning.aot import asked_flops, compile_step, identity, state_on
from mixup_jax.planning.cost import cost_of
from mixup_jax.planning.topology import topology_of
from mixup_jax.runtime.console import Fitted, console
from mixup_jax.runtime.devices.mesh import make_mesh
from mixup_jax.runtime.errors import did_you_mean

PRESETS = {"imagenet": (imagenet_presets.PRESETS, "resnet50-mixup"), "cifar": (cifar.PRESETS, "preact18-mixup")}

WITHOUT = {
    "alpha",
    "alphas",
    "seed",
    "seeds",
    "eval_every",
    "label_noise",
    "repeats",
    "validation",
    "init",
    "normalize",
    *OF_PHOTOGRAPHS,
} - {"image_size"}
"""Options of a run that change nothing in the step of one network."""


@dataclass(frozen=True)
class Plan:
    """A run, and the chips that it is planned for."""

    config: Config
    topology: str = "v5e:4x4"
    """Chips and how they are joined: GPUs as h100:8 or, nodes times GPUs, h100:2x8 (a100, h100, h200, b200), TPUs as
    v5e:4x4 (v5e, v5p, v6e), or cpu:N for N virtual devices of this machine."""
    fsdp: tyro.conf.FlagCreatePairsOff[bool] = False
    """Each chip keeps a part of every large parameter and of its optimiser state (docs/launching.md)."""


def main(arguments: list[str]) -> None:
    """Read the arguments, compile, print."""
    if not arguments or asks(arguments[:1]):
        print_about(__doc__ or "", f"usage: python -m experiments.plan {{{','.join(PRESETS)}}} [PRESET] [options]")
        return
    if arguments[0] not in PRESETS:
        near = did_you_mean(arguments[0], PRESETS)
        raise ValueError(f"the first word is the experiment, one of {', '.join(PRESETS)}, got {arguments[0]!r}{near}")
    presets, default = PRESETS[arguments[0]]
    plans = {name: (text, Plan(config)) for name, (text, config) in presets.items()}
    for name in sorted(given_options(arguments[1:]).keys() & WITHOUT):
        raise ValueError(f"{name} does nothing here: it changes nothing in the step of one network; leave it out.")
    preset, plan = parse(f"plan {arguments[0]}", __doc__ or "", plans, default, arguments[1:])
    if plan.config.accumulate > 1:
        raise ValueError(
            "accumulate: the compiler counts one of its rounds; plan one without it, of --batch-size divided by it."
        )
    jax.config.update("jax_platforms", "cpu")  # nothing else computes here; libtpu would look for chips
    jax.config.update("jax_enable_compilation_cache", False)  # a program for devices that are not there cannot be read
    show(plan, f"{arguments[0]} {preset}", console())


def show(plan: Plan, title: str, screen: Console) -> None:
    """Compile the step and print what it costs."""
    config = plan.config
    data, topology = identity(config), topology_of(plan.topology)
    devices, kind = topology.devices, topology.devices[0].device_kind
    with screen.status(f"compiling for {len(devices)} x {kind}: minutes for a large network"):
        flops = asked_flops(config, len(devices)) if devices[0].platform == "gpu" or plan.fsdp else None
        state, _ = state_on(make_mesh(1, config.batch_size, devices), config, fsdp=plan.fsdp)
        cost = cost_of(compile_step(config, devices, fsdp=plan.fsdp), flops)
    title = f"{title} on {plan.topology} ({len(devices)} x {kind}), batch {config.batch_size:,}"
    screen.print(Fitted(cost_table(title, config, data, state, cost, topology)))
    screen.print(Fitted(collectives_table(cost)))
    for line in notes(cost, topology):
        screen.print(line)


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
