"""The roofline: the limits of chips, from their makers' tables, and the least time that a program can take."""

from dataclasses import dataclass

from mixup_jax.planning.cost import Cost

GB = 1e9


@dataclass(frozen=True)
class Chip:
    """The limits of one device."""

    memory: float
    """Bytes."""
    bandwidth: float
    """Of the memory, bytes/s."""
    flops: float
    """Multiplications and additions in bfloat16, 1/s."""
    interconnect: float
    """What it can send to its neighbours, all links together, bytes/s."""


# Google's pages docs.cloud.google.com/tpu/docs/v4, v5e, v5p and v6e, read in November 2026. The interconnect is the
# all-reduce bandwidth of a pod divided by its chips (v5p: 4,800 Gbit/s). Keys are JAX's `device_kind`.
CHIPS = {
    "TPU v4": Chip(32 * GB, 1200 * GB, 275e12, 268 * GB),
    "TPU v5 lite": Chip(16 * GB, 819 * GB, 197e12, 200 * GB),
    "TPU v5": Chip(95 * GB, 2765 * GB, 459e12, 600 * GB),
    "TPU v6 lite": Chip(32 * GB, 1638 * GB, 918e12, 400 * GB),
}


@dataclass(frozen=True)
class Roofline:
    """The least time of a step by each of three limits, in seconds.

    Arithmetic and network are limits that no step gets under. Memory is a limit of this compiled program.
    """

    arithmetic: float
    memory: float
    network: float

    @property
    def seconds(self) -> float:
        """Return the longest, as if the three overlapped perfectly."""
        return max(self.arithmetic, self.memory, self.network)


def roofline(cost: Cost, chip: Chip, devices: int) -> Roofline:
    """Return the limits of a program on some devices.

    To sum n bytes over d devices, each has to send at least 2 n (d - 1) / d bytes; what is gathered or moved is
    received once.

    >>> chip = Chip(memory=16e9, bandwidth=800e9, flops=200e12, interconnect=200e9)
    >>> roofline(Cost(0, 0, 0, 0, 20e12, 8e9, ()), chip, 16)
    Roofline(arithmetic=0.1, memory=0.01, network=0.0)
    """
    share = (devices - 1) / devices
    sent = sum((2 if each.kind == "all-reduce" else 1) * share * each.size for each in cost.collectives)
    return Roofline(cost.flops / chip.flops, cost.accessed / chip.bandwidth, sent / chip.interconnect)
