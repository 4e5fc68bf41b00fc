"""A trained network as a program that runs without this project: StableHLO by `jax.export`, weights inside."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, export

from mixup_jax.network import Network

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
LARGEST = 2**31 - 2**24
"""Bytes of weights that fit into a program: the file's format, flatbuffers, ends at 2 GiB."""


def program_bytes(network: Network, index: int = 0) -> bytes:
    """Return the program of one seed's network, counted from 0: uint8 images (n, height, width, channels) of its size,
    any number of them, to probabilities, float32 (n, classes).

    ``jax.export.deserialize(bytearray(content)).call(images)`` runs it, on any platform of `PLATFORMS`, with jax and
    flatbuffers alone. The weights are constants of the program: one file is the network. JAX promises to read it for
    half a year at least, so the weights are also stored as tensors.

    Raises ValueError where the weights are too large for a program.
    """
    variables = network.variables(index)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    if size > LARGEST:
        raise ValueError(
            f"the weights take {size / 2**30:.1f} GiB, and a program with them can have 2 at most: --no-program."
        )

    def probabilities(images: Array) -> Any:
        return network.probabilities(network.apply(variables, network.normalize(images)))

    (count,) = export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((count, *network.image_shape), jnp.uint8)
    return bytes(export.export(jax.jit(probabilities), platforms=PLATFORMS)(images).serialize())
