"""The tables of `experiments.plan`: the cost of a step for each device, and the communication of devices."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
from rich.table import Table

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.planning.cost import Cost
from mixup_jax.planning.roofline import Chip, roofline
from mixup_jax.steps.state import TrainState

Rows = Iterator[tuple[str, str, str]]


def cost_table(
    title: str, config: Config, data: DataIdentity, state: TrainState, cost: Cost, chip: Chip | None, devices: int
) -> Table:
    """Return the table of costs for each device; the times need a chip whose limits are known."""
    table = Table("for each device", "", "", title=title, title_justify="left")
    table.columns[1].justify = "right"
    share = config.batch_size // devices
    sections = [
        _memory(config, data, state, cost, chip, share),
        _work(cost, share),
        _network(data, cost, share),
        _times(config, data, cost, chip, devices) if chip is not None else iter(()),
    ]
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def collectives_table(cost: Cost) -> Table:
    """Return the table of all collectives, alike ones in one row."""
    table = Table("collective", "of", "each", "times", title="Collectives of a step", title_justify="left")
    counts = Counter((each.purpose, each.kind, each.size) for each in cost.collectives)
    for (purpose, kind, bytes_), count in sorted(counts.items()):
        table.add_row(kind, purpose, size(bytes_), f"{count:,}")
    return table


def size(count: float, unit: str = "B") -> str:
    """Write a number, of bytes or of something else, with three digits.

    >>> size(0), size(1536), size(102_228_128), size(3.2e12, "FLOP")
    ('0 B', '1.54 kB', '102 MB', '3.2 TFLOP')
    """
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


def _network(data: DataIdentity, cost: Cost, share: int) -> Rows:
    for purpose, (count, total) in cost.exchanged().items():
        moved = purpose == "examples" and cost.moved(math.prod(data.image_shape))
        hint = f"; --block {share} or a divisor of it keeps images where they are" if moved else ""
        yield f"network: {purpose}", size(total), f"{count} collectives{hint}"
    if not cost.moved(math.prod(data.image_shape)):
        yield "network: images", "none", "no image leaves its device"


def _times(config: Config, data: DataIdentity, cost: Cost, chip: Chip, devices: int) -> Rows:
    least = roofline(cost, chip, devices)
    for name, seconds, why in (
        ("arithmetic", least.arithmetic, f"at {chip.flops / 1e12:.0f} TFLOP/s: no step is faster"),
        ("network", least.network, f"at {size(chip.interconnect)}/s: no step is faster"),
        ("memory", least.memory, f"at {size(chip.bandwidth)}/s"),
    ):
        yield f"time: {name}", f"{1000 * seconds:.3g} ms", why
    rate = config.batch_size / least.seconds
    hours = data.train_count / rate / 3600
    yield "a step, by the roofline", f"{1000 * least.seconds:.3g} ms", "the longest of the three"
    yield "images/s", f"{rate:,.0f}", f"{rate / devices:,.0f} a device"
    yield "an epoch", f"{hours:.3g} h", f"{3600 * hours:,.3g} s for {data.train_count:,} images"
    yield "the training", f"{hours * config.epochs:.3g} h", f"{config.epochs:g} epochs"


def bytes_of(tree: Any) -> int:
    """Return the bytes of a tree of arrays or of their shapes, on each device where their sharding is known."""

    def here(leaf: Any) -> int:
        sharding = getattr(leaf, "sharding", None)
        return math.prod(sharding.shard_shape(leaf.shape)) if sharding else leaf.size

    return sum(here(leaf) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
