"""Gradients on eight devices at once, for the laws that they are those of one."""

from collections.abc import Callable, Iterator

import jax
from jax import Array
from jax.sharding import AxisType, PartitionSpec

Gradients = tuple[Array, Array]


def on_eight_devices(gradients: Callable[..., Gradients], x: Array, kernel: Array) -> Iterator[Gradients]:
    """Yield the gradients of images split over the devices and of a kernel that all have: by shard_map, by pmap."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    data, everywhere = PartitionSpec("data"), PartitionSpec()
    # shard_map sums the gradient of what is the same everywhere by itself
    mapped = jax.shard_map(gradients, mesh=mesh, in_specs=(data, everywhere), out_specs=(data, everywhere))
    yield jax.jit(mapped)(x, kernel)
    dx, by_device = jax.pmap(gradients, in_axes=(0, None))(x.reshape(8, -1, *x.shape[1:]), kernel)
    yield dx.reshape(x.shape), by_device.sum(0)
