"""Devices to plan for, by name: GPUs in nodes, slices of TPUs, virtual CPUs of this machine."""

import contextlib
import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from mixup_jax.planning.gpus import SILICON, gpu_devices
from mixup_jax.runtime.devices import libtpu
from mixup_jax.runtime.devices.chips import CHIPS, Chip

MOST_CPUS = 512
"""Virtual devices of this machine; each has a thread of its own."""
MOST_GPUS, MOST_NODES = 8, 64
"""GPUs that NVLink joins in one node (HGX and DGX systems), and nodes."""
FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
SMALL_CUBES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4")
SLICES = {"v5e": FLAT, "v6e": FLAT, "v5p": SMALL_CUBES}
"""Slices that Google's cloud lends (its documentation, November 2026); of v5p also larger ones, see `_is_slice`."""
MOST_V5P = (16, 16, 24)

THERE_ARE = (
    f"there are {', '.join(SILICON)} with up to {MOST_GPUS} GPUs in each of up to {MOST_NODES} nodes (h100:8, "
    f"h100:2x8), v5e and v6e with {', '.join(FLAT)}, v5p with {', '.join(SMALL_CUBES)} and ascending multiples of 4 "
    f"from 4x4x4 up to 16x16x24, and cpu:N with N up to {MOST_CPUS}"
)


@dataclass(frozen=True)
class Topology:
    """Devices and how they are joined."""

    name: str
    devices: Sequence[Any]
    chip: Chip | None = None
    """Its limits; None for a CPU."""
    nodes: int = 1
    """Machines that a network joins which is slower than what joins the devices of one; a slice of TPUs is one."""
    axes: tuple[int, ...] = ()
    """Lengths of the torus in which TPUs are joined."""

    @property
    def a_node(self) -> int:
        """Return the devices of one node."""
        return len(self.devices) // self.nodes


def topology_of(name: str) -> Topology:
    """Return the devices of a topology.

    ``h100:8`` are the eight GPUs of one node, ``h100:2x8`` two such nodes, ``v5e:4x4`` is a slice of 16 TPUs, ``cpu:8``
    are eight virtual devices of this machine. Devices of GPUs and TPUs can be compiled for, not computed on.

    Raises ValueError for a topology that does not exist, and where the package is missing that compiles for it.

    >>> topology_of("cpu:1").devices[0].platform
    'cpu'
    """
    kind, _, shape = name.partition(":")
    chip = next((chip for chip in CHIPS if chip.name == kind), None)
    spelled = re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3})*", shape, re.ASCII)
    lengths = [int(number) for number in shape.split("x")] if spelled else []
    if kind == "cpu" and len(lengths) == 1 and lengths[0] <= MOST_CPUS:
        return Topology(name, _cpu_devices(name, lengths[0]))
    if kind in SILICON and chip is not None and len(lengths) in (1, 2):
        nodes, gpus = ([1, *lengths])[-2:]
        if nodes <= MOST_NODES and gpus <= MOST_GPUS:
            return Topology(name, gpu_devices(chip, nodes, gpus), chip, nodes)
    if kind in SLICES and chip is not None and _is_slice(kind, lengths):
        return Topology(name, _tpu_devices(name), chip, axes=tuple(lengths))
    raise ValueError(f"topology {name!r} does not exist: {THERE_ARE}.")


def _is_slice(kind: str, lengths: list[int]) -> bool:
    """Whether TPUs are lent in this form: one of the list, or of v5p whole cubes of 4 x 4 x 4."""
    if "x".join(map(str, lengths)) in SLICES[kind]:
        return True
    cubes = len(lengths) == 3 and all(length % 4 == 0 for length in lengths) and lengths == sorted(lengths)
    return kind == "v5p" and cubes and all(length <= most for length, most in zip(lengths, MOST_V5P, strict=True))


def _tpu_devices(name: str) -> Sequence[Any]:
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("topology of TPUs needs libtpu, the extra [plan]: pip install '.[plan]', or take cpu:8.")
    from jax.experimental import topologies

    libtpu.answer(os.environ)
    try:
        return topologies.get_topology_desc(name, "tpu").devices
    except Exception as error:  # libtpu has no error of its own for this
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"topology {name!r} is not known to this libtpu ({reason}): {THERE_ARE}.") from None


def _cpu_devices(name: str, count: int) -> Sequence[Any]:
    with contextlib.suppress(RuntimeError):  # where JAX runs already, on as many as it was told
        jax.config.update("jax_num_cpu_devices", count)
    devices = jax.devices("cpu")
    if len(devices) < count:
        raise ValueError(f"topology {name} needs {count} devices; this process has {len(devices)}.")
    return devices[:count]
