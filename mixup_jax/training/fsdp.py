"""Large parameters in parts, one on each device that shares a batch, and gathered where they are used.

Known as fully sharded data parallelism (FSDP) and as stage 3 of ZeRO (Rajbhandari et al., arXiv 1910.02054). The step
is the same: its state lies otherwise on the mesh, and `Recipe.gather` puts the parameters together for the network.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mixup_jax.steps.state import Recipe, TrainState

SPLIT_FROM = 2**18
"""Numbers in the smallest array that is split, 1 MiB in float32: it takes longer to ask for a part than to keep it."""


def split_largest(mesh: Mesh | AbstractMesh, tree: Any, *leading: str | None) -> Any:
    """Return shardings that split each large array of a tree over 'data', along the longest axis that divides.

    Small arrays, and those of which no axis divides, are copied to every device. Arrays of `tree`, or their shapes, are
    those of one network; `leading` names the axes of the mesh for axes before theirs. Of axes of one length it is the
    last.

    >>> mesh = AbstractMesh((2, 4), ("seed", "data"))
    >>> list(split_largest(mesh, jax.ShapeDtypeStruct((1024, 512), "float32"), "seed").spec)
    ['seed', 'data']
    """
    parts = mesh.shape["data"]

    def sharding(leaf: Any) -> NamedSharding:
        axes = [axis for axis, length in enumerate(leaf.shape) if length % parts == 0]
        if leaf.size < SPLIT_FROM or not axes:
            return NamedSharding(mesh, P(*leading))
        longest = max(axes, key=lambda axis: (leaf.shape[axis], axis))
        return NamedSharding(mesh, P(*leading, *(None,) * longest, "data"))

    return jax.tree.map(sharding, tree)


def in_parts(recipe: Recipe, mesh: Mesh, state: TrainState, *leading: str | None) -> tuple[TrainState, Recipe]:
    """Return the shardings of a state in parts, see `split_largest`, and the recipe whose network gathers them.

    The gradients are summed into parts again. Were nothing gathered, the compiler might as well move the examples of a
    small batch to the parameters. Raises ValueError where no parameter is split: the option would do nothing.
    """
    parts = mesh.shape["data"]
    if parts == 1:
        others = f"; the {mesh.size} devices are for the seeds" if mesh.size > 1 else ""
        raise ValueError(f"fsdp does nothing here: the batch lies on one device{others}. Leave it out.")
    layout = split_largest(mesh, state, *leading)
    if all("data" not in each.spec for each in jax.tree.leaves(layout.params)):
        raise ValueError(
            f"fsdp does nothing here: no parameter has {SPLIT_FROM:,} numbers and an axis that divides by the {parts} "
            "devices of a batch. Leave it out."
        )
    return layout, replace(recipe, gather=partial(_gather, mesh))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gather(mesh: Mesh, params: Any) -> Any:
    return jax.lax.with_sharding_constraint(params, NamedSharding(mesh, P()))


def _gather_forward(mesh: Mesh, params: Any) -> tuple[Any, None]:
    return _gather(mesh, params), None


def _split_gradients(mesh: Mesh, _: None, grads: Any) -> tuple[Any]:
    return (jax.lax.with_sharding_constraint(grads, split_largest(mesh, grads)),)


_gather.defvjp(_gather_forward, _split_gradients)
