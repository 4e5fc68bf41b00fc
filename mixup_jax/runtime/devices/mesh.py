"""The one mesh, with axes ('seed', 'data'), and how arrays lie on it."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def make_mesh(seeds: int, batch_size: int, devices: Sequence[Any] | None = None) -> Mesh:
    """Lay devices out as ('seed', 'data'): as many as possible to seeds, the rest to the batch.

    `devices` are all those of all processes, unless a few are named. Axes are Auto: under Explicit axes
    ``x[permutation]`` and mixed vmaps are refused.

    Raises ValueError when the batch cannot be split over the devices that are left for it.
    """
    devices = jax.devices() if devices is None else devices
    seed_axis = math.gcd(seeds, len(devices))
    data_axis = len(devices) // seed_axis
    if batch_size % data_axis:
        others = f" of the {len(devices)}, where {seeds} seeds lie side by side" if seed_axis > 1 else ""
        over = f"{data_axis} devices{others}"
        raise ValueError(f"batch_size {batch_size} cannot be split over {over}: choose a multiple of {data_axis}.")
    return jax.make_mesh((seed_axis, data_axis), ("seed", "data"), axis_types=(AxisType.Auto,) * 2, devices=devices)


def shard(mesh: Mesh, *axes: str | None) -> NamedSharding:
    """Return the sharding that lays leading dimensions along the named axes; no axes: a copy on every device."""
    return NamedSharding(mesh, P(*axes))


def place(array: Any, sharding: NamedSharding) -> jax.Array:
    """Put a host array that every process holds on all devices; each process copies only what its devices need."""
    array = np.asarray(array)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def is_writer() -> bool:
    """Whether this process writes files and talks to the terminal: one of them does."""
    return jax.process_index() == 0


def wait_for_all(reason: str) -> None:
    """Wait until every process has come here; a process that is alone goes on at once."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(reason)


def from_writer(answer: bool) -> bool:
    """Return the answer of the process that writes files, to every process."""
    if jax.process_count() == 1:
        return answer
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(answer)))
