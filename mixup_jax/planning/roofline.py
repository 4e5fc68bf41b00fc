"""The roofline: the least time that a compiled step can take on a chip, by each of its limits."""

import math
from dataclasses import dataclass

from mixup_jax.planning.collectives import Collective
from mixup_jax.planning.cost import Cost
from mixup_jax.planning.topology import Topology
from mixup_jax.runtime.devices.chips import MICROSECOND, Chip


@dataclass(frozen=True)
class Latency:
    """Seconds that pass however little is done."""

    collective: float
    """Of a collective, before anything is sent."""
    hop: float
    """From a device to the next in its node or slice."""
    node_hop: float
    """From a node to the next."""
    launch: float
    """Of an operation of the program, a kernel on a GPU."""
    source: str


GPU = Latency(
    6.7 * MICROSECOND,
    0.6 * MICROSECOND,
    5.0 * MICROSECOND,
    2.0 * MICROSECOND,
    "NCCL's own model of small messages (its tuning table, 2024); 2 us a kernel is assumed",
)
TPU = Latency(
    0.0,
    1.0 * MICROSECOND,
    0.0,
    0.1 * MICROSECOND,
    "1 us a hop: How to Scale Your Model (DeepMind, 2025); 0.1 us an operation, 100 cycles, is assumed",
)


@dataclass(frozen=True)
class Roofline:
    """The least time of a step by each of four limits, in seconds.

    No step is faster than its arithmetic. Memory and launches are limits of this compiled program, network is one of
    rings and trees.
    """

    arithmetic: float
    memory: float
    network: float
    latency: float
    """Of the network's time what passes however little is sent."""
    launches: float

    @property
    def seconds(self) -> float:
        """Return the longest, as if they overlapped perfectly."""
        return max(self.arithmetic, self.memory, self.network, self.launches)


def roofline(cost: Cost, topology: Topology, dtype: str = "bfloat16", precision: str = "default") -> Roofline:
    """Return the limits of a program on the devices of a topology that has a chip.

    `dtype` is that of what is multiplied, "bfloat16" or "float32", `precision` JAX's of the products.
    """
    chip = topology.chip
    assert chip is not None
    latency = sum(delay(each, topology) for each in cost.collectives)
    return Roofline(
        arithmetic=cost.flops / chip.flops(dtype, precision),
        memory=cost.accessed / chip.bandwidth,
        network=latency + sum(transfer(each, topology) for each in cost.collectives),
        latency=latency,
        launches=cost.operations * latency_of(chip).launch,
    )


def latency_of(chip: Chip) -> Latency:
    """Return the latencies of a chip's kind."""
    return TPU if chip.between_nodes is None else GPU


def delay(collective: Collective, topology: Topology) -> float:
    """Return the latency of a collective: around the node and up a tree of nodes, for a sum there and back.

    A TPU's torus is taken to be closed, so that half its length is the longest way along an axis.
    """
    devices, nodes = _members(collective, topology)
    assert topology.chip is not None
    latency = latency_of(topology.chip)
    hops = sum(length // 2 for length in topology.axes) if topology.axes else devices // nodes - 1
    ways = 2 if collective.kind == "all-reduce" else 1
    there = min(hops, devices - 1) * latency.hop + math.ceil(math.log2(nodes)) * latency.node_hop
    return latency.collective + ways * there if devices > 1 else 0.0


def transfer(collective: Collective, topology: Topology) -> float:
    """Return the seconds that a collective sends, without latency: in the nodes or between them, whichever is longer.

    To sum n bytes over d devices, each has to send at least 2 n (d - 1) / d bytes; what is scattered, gathered or moved
    is sent once. Between nodes the devices of a node share the work, but for what goes from one device to one other.
    """
    devices, nodes = _members(collective, topology)
    chip, a_node = topology.chip, devices / nodes
    assert chip is not None
    shared = collective.kind in ("all-reduce", "all-gather", "reduce-scatter")
    sent = collective.size * (2 if collective.kind == "all-reduce" else 1)
    inside = sent * (1 - 1 / (a_node if shared else devices)) / chip.interconnect
    if nodes == 1 or chip.between_nodes is None:
        return inside
    return max(inside, sent * (1 - 1 / nodes) / (a_node if shared else 1) / chip.between_nodes)


def _members(collective: Collective, topology: Topology) -> tuple[int, int]:
    """Return how many devices take part in a collective, and how many nodes they are in."""
    if not collective.group:
        return len(topology.devices), topology.nodes
    return len(collective.group), len({device // topology.a_node for device in collective.group})
