"""Arrays of Flax, as AugReg and big_vision save them, laid out and named as PyTorch's are."""

import re
from collections.abc import Mapping

import numpy as np

PREFIXES = ("opt/target/", "params/")
"""Before the weights in a file that holds the state of the optimiser too."""
LEAVES = {"kernel": "weight", "scale": "weight"}


def as_torch(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str], int | None]:
    """Return the arrays with names and layout as PyTorch has them, their own names by these, and the heads.

    What is not below `params` or `target`, where there are such, belongs to an optimiser and is left out.

    >>> arrays = {"params/head/kernel": np.zeros((8, 3)), "opt/count": np.zeros(1)}
    >>> found, names, _ = as_torch(arrays)
    >>> {name: array.shape for name, array in found.items()}, names
    ({'head.weight': (3, 8)}, {'head.weight': 'params/head/kernel'})
    """
    prefix = next((each for each in PREFIXES if any(name.startswith(each) for name in arrays)), "")
    mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    found, names, heads = {}, {}, None
    for name, array in mine.items():
        *modules, leaf = name.split("/")
        if re.search("/(query|key|value)/kernel$", name) and array.ndim == 3:
            heads = array.shape[1]
            array = array.reshape(len(array), -1)
        elif re.search("/(query|key|value)/bias$", name) or (name.endswith("/out/kernel") and array.ndim == 3):
            array = array.reshape(-1, *array.shape[2:])
        if leaf == "kernel":
            array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        new = ".".join([*modules, LEAVES.get(leaf, leaf)])
        found[new], names[new] = array, prefix + name
    return found, names, heads
