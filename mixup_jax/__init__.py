"""mixup for JAX: `mixup(rng, x, y, alpha)` and its parts. Later methods are in `mixup_jax.methods`.

The public names are those in docs/api.md, which are those of `__all__` here and in the modules listed there.
"""

import ast
from contextlib import suppress

from jax import export

from mixup_jax.losses import mixed_cross_entropy, mixed_loss, mixed_sigmoid_cross_entropy
from mixup_jax.mixing import Mix, draw, mix, mixup

__all__ = ["Mix", "draw", "mix", "mixed_cross_entropy", "mixed_loss", "mixed_sigmoid_cross_entropy", "mixup"]
__version__ = "0.1.0"

with suppress(ValueError):  # an exported program that takes or returns plans can be saved; again after a reload
    export.register_pytree_node_serialization(
        Mix,
        serialized_name="mixup_jax.Mix",
        serialize_auxdata=lambda fields: repr(fields).encode(),
        deserialize_auxdata=lambda data: ast.literal_eval(data.decode()),
    )
