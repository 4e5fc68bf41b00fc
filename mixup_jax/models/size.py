"""How large a network is, counted from shapes: nothing is computed and nothing compiled."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mixup_jax.models.operations import count_operations


class Size(NamedTuple):
    """Parameters, and multiply-adds of one example in convolutions and products of matrices."""

    parameters: int
    multiply_adds: int


def size(model: nn.Module, shape: tuple[int, ...]) -> Size:
    """Return the size of a network for examples of a shape, without the axis of the batch.

    Additions of biases, normalisations and activations are left out, as in published numbers; a convolution counts with
    the zeros around the image, and directly, whatever way a CPU takes. Raises what the network raises for the shape.

    >>> from mixup_jax.models import MLP
    >>> size(MLP(classes=3, width=8), (4,))    # 4 x 8 + 8 x 8 + 8 x 3, and 19 biases
    Size(parameters=139, multiply_adds=120)
    """
    example = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    forward = partial(model.init_with_output, train=False)
    jaxpr, (_, variables) = jax.make_jaxpr(forward, return_shape=True)(jax.random.key(0), example)
    return Size(sum(leaf.size for leaf in jax.tree.leaves(variables["params"])), int(count_operations(jaxpr) / 2))
