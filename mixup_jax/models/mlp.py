"""A multilayer perceptron with two hidden layers, as for the paper's tabular data (section 3.6)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixup_jax.models.layers.torch_layers import Dropout, dense


class MLP(nn.Module):
    """Flatten each example and classify it with `depth` hidden layers of `width` ReLU units.

    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training with `dropout` needs ``rngs={"dropout": key}``.

    >>> import jax
    >>> model = MLP(classes=3, width=8)
    >>> x = jnp.zeros((5, 4))
    >>> variables = model.init(jax.random.key(0), x, train=False)
    >>> model.apply(variables, x, train=False).shape
    (5, 3)
    """

    classes: int
    width: int = 128
    """Units of each hidden layer."""
    depth: int = 2
    """Hidden layers."""
    dropout: float = 0.0
    """Probability of dropping a unit after each hidden layer."""
    dtype: Any = jnp.float32
    """Of the hidden layers' inputs and results."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch *features"], train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for i in range(self.depth):
            x = nn.relu(dense(x, self.width, f"hidden{i + 1}", self.dtype))
            x = Dropout(self.dropout, name=f"dropout{i + 1}")(x, train)
        return dense(x.astype(jnp.float32), self.classes, "head")
