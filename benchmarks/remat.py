"""What ``--remat`` saves: bytes that a training step keeps from the forward for the backward pass.

    python -m benchmarks.remat                                  # DenseNet-BC-190 (k = 40), images of 32 x 32
    python -m benchmarks.remat --models resnet50 resnet101      # bfloat16, images of 224 x 224

Counted from shapes; nothing is computed, on any machine. A compiler may keep less. XLA's CPU backend merges what is
computed again with the first time, so that on a CPU `--remat` changes nothing.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
import tyro
from rich.console import Console
from rich.table import Table

from mixup_jax.models import build
from mixup_jax.networks import DenseNet, Named

DENSENET190 = DenseNet(width=40, blocks=(31, 31, 31))


def main(models: tuple[str, ...] = ("densenet190",), batch_size: int = 64) -> None:
    """Count the bytes kept for the backward pass, with and without rematerialisation.

    Args:
        models: densenet190, or names of networks for ImageNet, see `mixup_jax.networks.Named`.
        batch_size: Images a step.
    """
    table = Table(
        "", "kept for the backward pass", "with --remat", "an image", "with --remat", title=f"GiB, batch {batch_size}"
    )
    for name in models:
        model, size = (DENSENET190, 32) if name == "densenet190" else (Named(name), 224)
        kept = [kept_bytes(replace(model, remat=remat), batch_size, size) / 2**30 for remat in (False, True)]
        each = [f"{1024 * gib / batch_size:,.0f} MiB" for gib in kept]
        table.add_row(name, *(f"{gib:.1f}" for gib in kept), *each)
    Console().print(table)


def kept_bytes(model: DenseNet | Named, batch_size: int, size: int) -> int:
    """Return the bytes of all that the gradient of the loss takes over from the forward pass, parameters included."""
    network = build(model, 1000 if size > 64 else 10)
    image = jax.ShapeDtypeStruct((batch_size, size, size, 3), jnp.float32)
    variables: Any = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, size, size, 3)), train=False))

    def residuals(variables: Any, image: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits, _ = network.apply(variables | {"params": params}, image, train=True, mutable=["batch_stats"])
            return optax.softmax_cross_entropy(logits, jnp.zeros_like(logits)).mean()

        return jax.vjp(loss_fn, variables["params"])[1]

    leaves = jax.tree.leaves(jax.eval_shape(residuals, variables, image))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


if __name__ == "__main__":
    tyro.cli(main)
