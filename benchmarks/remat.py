"""What ``--remat`` saves: bytes that a training step of DenseNet-BC keeps from the forward for the backward pass.

    python -m benchmarks.remat                        # DenseNet-BC-190 (k = 40), batch 64
    python -m benchmarks.remat --batch-size 128

Counted from shapes; nothing is computed, on any machine. A compiler may keep less. XLA's CPU backend merges what is
computed again with the first time, so that on a CPU `--remat` changes nothing.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
import tyro
from rich.console import Console
from rich.table import Table

from mixup_jax.config import Model
from mixup_jax.models import build


def main(blocks: tuple[int, ...] = (31, 31, 31), width: int = 40, batch_size: int = 64) -> None:
    """Count the bytes kept for the backward pass, with and without rematerialisation.

    Args:
        blocks: Layers of each dense block.
        width: Growth rate.
        batch_size: Images of 32 x 32 x 3 a step.
    """
    table = Table(title=f"DenseNet-BC, layers {blocks}, growth rate {width}, batch {batch_size}")
    table.add_column("--remat")
    table.add_column("kept for the backward pass, GiB", justify="right")
    for remat in (False, True):
        model = Model("densenet", width=width, blocks=blocks, remat=remat)
        table.add_row("yes" if remat else "no", f"{kept_bytes(model, batch_size) / 2**30:.1f}")
    Console().print(table)


def kept_bytes(model: Model, batch_size: int) -> int:
    """Return the bytes of all that the gradient of the loss takes over from the forward pass, parameters included."""
    network = build(model, 10)
    image = jax.ShapeDtypeStruct((batch_size, 32, 32, 3), jnp.float32)
    variables: Any = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))

    def residuals(variables: Any, image: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits, _ = network.apply(variables | {"params": params}, image, train=True, mutable=["batch_stats"])
            return optax.softmax_cross_entropy(logits, jnp.zeros_like(logits)).mean()

        return jax.vjp(loss_fn, variables["params"])[1]

    leaves = jax.tree.leaves(jax.eval_shape(residuals, variables, image))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


if __name__ == "__main__":
    tyro.cli(main)
