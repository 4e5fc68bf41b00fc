"""mixup for JAX: `mixup(rng, x, y, alpha)` and its parts. Later methods are in `mixup_jax.methods`.

The public names are those in docs/api.md, which are those of `__all__` here and in the modules listed there.
"""

import ast
import importlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jax import export

from mixup_jax.losses import mixed_cross_entropy, mixed_loss, mixed_sigmoid_cross_entropy
from mixup_jax.mixing import Mix, draw, mix, mixup

if TYPE_CHECKING:
    from mixup_jax.network import Network

__all__ = ["Mix", "draw", "load", "mix", "mixed_cross_entropy", "mixed_loss", "mixed_sigmoid_cross_entropy", "mixup"]
__version__ = "1.0.0"

with suppress(ValueError):  # an exported program that takes or returns plans can be saved; again after a reload
    export.register_pytree_node_serialization(
        Mix,
        serialized_name="mixup_jax.Mix",
        serialize_auxdata=lambda fields: repr(fields).encode(),
        deserialize_auxdata=lambda data: ast.literal_eval(data.decode()),
    )


def load(
    folder: Path | str,
    *,
    alpha: float | None = None,
    checkpoints: str | None = None,
    checkpoint: Literal["newest", "best"] = "newest",
) -> "Network":
    """Load the network of a run, or of its export: ``load("runs/cifar/small-mixup")(images)`` returns probabilities.

    The object is described in `mixup_jax.network`. All else here needs jax alone; this needs the packages that trained.
    """
    try:
        network = importlib.import_module("mixup_jax.network")
    except ModuleNotFoundError as error:
        words = f"mixup_jax.load needs what training needs, and {error.name} is not installed"
        raise ModuleNotFoundError(f"{words}: the extra [all], or requirements.txt.", name=error.name) from error
    return network.load_network(folder, alpha=alpha, checkpoints=checkpoints, checkpoint=checkpoint)
