"""Count the bytes that mixing moves between devices: partners from the whole batch against partners within a block.

Eight virtual CPU devices, a sharded batch, and the collectives of the compiled program. What counts on a real machine
is the same program's network traffic.

    python -m benchmarks.collectives
"""

import os
from collections import Counter

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import tyro
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.table import Table

from mixup_jax import mixup
from mixup_jax.methods import cutmix
from mixup_jax.planning.cost import collectives


def main(batch: int = 256, side: int = 64) -> None:
    """Print the table.

    Args:
        batch: Images over all devices, a multiple of 8.
        side: Height and width of an image of three channels.
    """
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, P("data"))
    x = jax.device_put(jnp.zeros((batch, side, side, 3)), sharding)
    y = jax.device_put(jnp.zeros((batch, 10)), sharding)
    title = f"{batch} images of {side} x {side} x 3 ({x.nbytes / 2**20:.0f} MiB) on 8 devices"
    table = Table("", "collectives", "MiB each device receives", title=title)
    for name, method in (("mixup", mixup), ("CutMix", cutmix)):
        for block in (None, batch // 8):
            step = jax.jit(
                lambda rng, x, y, method=method, block=block: method(rng, x, y, 1.0, block=block),
                out_shardings=(sharding, sharding),
            )
            found = collectives(step.lower(jax.random.key(0), x, y).compile().as_text())
            counts = Counter(each.kind for each in found)
            kinds = ", ".join(f"{kind} x {count}" for kind, count in sorted(counts.items()))
            where = "partners from the whole batch" if block is None else f"block = {block}"
            table.add_row(f"{name}, {where}", kinds or "none", f"{sum(each.size for each in found) / 2**20:.4f}")
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
