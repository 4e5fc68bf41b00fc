"""The tables of `experiments.plan`: the cost of a step for each device, and the communication of devices."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
from rich.table import Table

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.planning.collectives import EXAMPLES
from mixup_jax.planning.cost import Cost
from mixup_jax.planning.gpus import NOT_PLANNED, TAKEN
from mixup_jax.planning.roofline import latency_of, roofline
from mixup_jax.planning.topology import Topology
from mixup_jax.runtime.devices.chips import Chip
from mixup_jax.steps.state import TrainState

Rows = Iterator[tuple[str, str, str]]


def cost_table(
    title: str, config: Config, data: DataIdentity, state: TrainState, cost: Cost, topology: Topology
) -> Table:
    """Return the table of costs for each device; the times need a chip whose limits are known."""
    table = Table("for each device", "", "", title=title, title_justify="left")
    table.columns[1].justify = "right"
    share = config.batch_size // len(topology.devices)
    sections = [
        _memory(config, data, state, cost, topology.chip, share),
        _work(cost, share),
        _network(config, data, cost, share),
        _times(config, data, cost, topology) if topology.chip is not None else iter(()),
    ]
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def collectives_table(cost: Cost) -> Table:
    """Return the table of all collectives, alike ones in one row."""
    table = Table("collective", "of", "each", "times", title="Collectives of a step", title_justify="left")
    counts = Counter((" and ".join(each.purposes), each.kind, each.size) for each in cost.collectives)
    for (purposes, kind, bytes_), count in sorted(counts.items()):
        table.add_row(kind, purposes, size(bytes_), f"{count:,}")
    return table


def notes(cost: Cost, topology: Topology) -> Iterator[str]:
    """Yield what has to be said beside the tables: where figures come from, and what is left out."""
    chip = topology.chip
    if chip is None:
        return
    if cost.peak > chip.memory:
        yield (
            f"It does not fit: {size(cost.peak)} of {size(chip.memory)}. Choose a smaller --batch-size, --accumulate, "
            "--remat where the network has it, or more chips."
        )
    elif chip.between_nodes is not None and cost.peak > TAKEN * chip.memory:
        yield f"JAX takes {TAKEN:.0%} of a GPU's memory: set XLA_PYTHON_CLIENT_MEM_FRACTION=.95, or it does not fit."
    yield f"Rates: {chip.source}. Latencies: {latency_of(chip).source}."
    if topology.nodes > 1 and chip.between_nodes is not None:
        yield (
            f"{topology.nodes} nodes of {topology.a_node}: InfiniBand of {8 * chip.between_nodes / 1e9:.0f} Gb/s a GPU "
            f"({size(chip.between_nodes)}/s) between nodes, NVLink ({size(chip.interconnect)}/s) in each."
        )
    if chip.between_nodes is not None:
        yield NOT_PLANNED


def size(count: float, unit: str = "B") -> str:
    """Write a number, of bytes or of something else, with three digits; seconds with small units.

    >>> size(0), size(1536), size(102_228_128), size(3.2e12, "FLOP"), size(0.0154, "s"), size(6e-7, "s")
    ('0 B', '1.54 kB', '102 MB', '3.2 TFLOP', '15.4 ms', '0.6 us')
    """
    if unit == "s":
        return f"{1e3 * count:.3g} ms" if count >= 1e-4 or count == 0 else f"{1e6 * count:.3g} us"
    power = 0 if count < 1 else min(5, int(math.log10(count)) // 3)
    return f"{count / 1000**power:.3g} {('', 'k', 'M', 'G', 'T', 'P')[power]}{unit}"


def _memory(config: Config, data: DataIdentity, state: TrainState, cost: Cost, chip: Chip | None, share: int) -> Rows:
    yield "parameters", size(bytes_of(state.params)), f"{sum(a.size for a in jax.tree.leaves(state.params)):,} numbers"
    yield "optimiser", size(bytes_of(state.opt_state)), f"the state of {config.optimizer.name}"
    if state.average is not None:
        yield "moving average", size(bytes_of(state.average)), ""
    yield "images and labels", size(share * (math.prod(data.image_shape) + 4)), f"{share} images"
    yield "activations and workspace", size(cost.temporary), f"{size(cost.temporary / share)} an image"
    known = "" if chip is None else f"of {size(chip.memory)}: {cost.peak / chip.memory:.0%}"
    yield "peak memory", size(cost.peak), known


def _work(cost: Cost, share: int) -> Rows:
    yield "operations", size(cost.flops, "FLOP"), f"{size(cost.flops / share, 'FLOP')} an image"
    yield "memory traffic", size(cost.accessed), f"{size(cost.accessed / share)} an image"


def _network(config: Config, data: DataIdentity, cost: Cost, share: int) -> Rows:
    moved = cost.moved(math.prod(data.image_shape))
    block = getattr(config.mixing, "block", None)
    for purpose, (count, total) in cost.exchanged().items():
        hint = ""
        carried = [part for each in moved for part in each.parts if part.purpose == purpose]
        if carried and purpose in EXAMPLES and (block is None or share % block):
            hint = f" of {carried[0].dtype}; --block {share} or a divisor of it keeps {purpose} where they are"
        yield f"network: {purpose}", size(total), f"{count} collective{'s' * (count > 1)}{hint}"
    if not moved:
        yield "network: images", "none", "no image leaves its device"


def _times(config: Config, data: DataIdentity, cost: Cost, topology: Topology) -> Rows:
    how = config.compute_dtype, config.matmul_precision
    chip, devices, least = topology.chip, len(topology.devices), roofline(cost, topology, *how)
    assert chip is not None
    rate, count, latency = chip.flops(*how), len(cost.collectives), latency_of(chip)
    for name, seconds, why in (
        ("arithmetic", least.arithmetic, f"{config.compute_dtype} at {rate / 1e12:.0f} TFLOP/s: no step is faster"),
        ("memory", least.memory, f"at {size(chip.bandwidth)}/s"),
        ("network", least.network, f"at {_links(topology)}, and the latency"),
        ("latency of the network", least.latency, f"of {count} collectives, {size(latency.hop, 's')} a hop"),
        ("launches", least.launches, f"of {cost.operations:,} operations, {size(latency.launch, 's')} each"),
    ):
        yield f"time: {name}", size(seconds, "s"), why
    rate = config.batch_size / least.seconds
    seconds = data.train_count / rate
    yield "a step, by the roofline", size(least.seconds, "s"), "the longest of them"
    yield "images/s", f"{rate:,.0f}", f"{rate / devices:,.0f} a device"
    yield "an epoch", f"{seconds:,.3g} s", f"{data.train_count:,} images"
    yield "the training", f"{seconds * config.epochs / 3600:.3g} h", f"{config.epochs:g} epochs"


def _links(topology: Topology) -> str:
    chip = topology.chip
    assert chip is not None
    if topology.nodes == 1 or chip.between_nodes is None:
        return f"{size(chip.interconnect)}/s"
    return f"{size(chip.interconnect)}/s in a node, {size(chip.between_nodes)}/s a GPU between nodes"


def bytes_of(tree: Any) -> int:
    """Return the bytes of a tree of arrays or of their shapes, on each device where their sharding is known."""

    def here(leaf: Any) -> int:
        sharding = getattr(leaf, "sharding", None)
        return math.prod(sharding.shard_shape(leaf.shape)) if sharding else leaf.size

    return sum(here(leaf) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
