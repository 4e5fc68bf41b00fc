"""Networks of a table and their preprocessing, kept in one file of plain arrays, to predict further rows."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import Array

from mixup_jax.data.files.npz import read_npz
from mixup_jax.data.tables.preprocessing import ARRAYS, Preprocessing, from_arrays
from mixup_jax.models import MLP
from mixup_jax.runtime.atomic import naming, replacing
from mixup_jax.steps.short import predict

NAME = "network.npz"
BATCH = 256
"""Rows that the networks see at once, the last ones padded: a row's result does not depend on the others."""


@dataclass(frozen=True)
class TableNetworks:
    """A network for each split (seed) and alpha: leaves of `params` have the leading axes (seeds, alphas)."""

    classes: tuple[str, ...]
    alphas: tuple[float, ...]
    width: int
    preprocessing: Preprocessing
    params: Any

    def of_alpha(self, alpha: float) -> Any:
        """Return the parameters of all seeds with this alpha; raises ValueError for one that was not trained."""
        if alpha not in self.alphas:
            known = ", ".join(f"{each:g}" for each in self.alphas)
            raise ValueError(f"alpha must be one that was trained ({known}; 0 is ERM), got {alpha:g}.")
        return jax.tree.map(lambda leaf: leaf[:, self.alphas.index(alpha)], self.params)

    def probabilities(self, rows: pd.DataFrame, alpha: float) -> np.ndarray:
        """Return the probabilities of each seed's network with this alpha, float32 (seeds, n, classes).

        `rows` are what `Preprocessing.apply` takes. Raises ValueError for answers that are not finite.
        """
        x, params, model = self.preprocessing.apply(rows), self.of_alpha(alpha), MLP(len(self.classes), self.width)
        found = [np.zeros((len(x), 0, len(self.classes)), np.float32)]
        for start in range(0, x.shape[1], BATCH):
            part = x[:, start : start + BATCH]
            padded = np.pad(part, [(0, 0), (0, BATCH - part.shape[1]), (0, 0)])
            found.append(np.asarray(_softmax(model, params, padded))[:, : part.shape[1]])
        answers = np.concatenate(found, axis=1)
        if not np.isfinite(answers).all():
            raise ValueError("the network's answer to a row is not finite (NaN): its training diverged.")
        return answers


@jax.jit(static_argnums=0)
def _softmax(model: MLP, params: Any, x: Array) -> Array:
    return jax.vmap(lambda params, x: jax.nn.softmax(predict(model, params, jnp.asarray(x))))(params, x)


def keep(networks: TableNetworks, workdir: Path) -> None:
    """Write the networks and their preprocessing into a folder."""
    preprocessing, path = networks.preprocessing, workdir / NAME
    description = {
        "classes": networks.classes,
        "alphas": networks.alphas,
        "width": networks.width,
        "numbers": preprocessing.numbers,
        "categories": list(preprocessing.categories.items()),
        "unit": preprocessing.unit,
    }
    arrays: dict[str, Any] = {name: getattr(preprocessing, name) for name in ARRAYS}
    text = np.array(json.dumps(description).encode())
    weights = _flat(networks.params)
    with naming(path), replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, description=text, **arrays, **weights)


def read_networks(workdir: Path) -> TableNetworks:
    """Read what `keep` has written.

    Raises ValueError for a run on the paper's tables, an unfinished or an old one, which kept nothing, and for a file
    that does not hold networks that fit their description.
    """
    path = workdir / NAME
    if not path.is_file():
        raise ValueError(f"{workdir} keeps no network: runs with --csv leave {NAME} when they end; train (again).")
    arrays = read_npz(path)
    try:
        content = json.loads(bytes(arrays.pop("description")[()]))
        classes, alphas, width = tuple(map(str, content["classes"])), content["alphas"], content["width"]
        preprocessing = from_arrays(content, {name: arrays.pop(name) for name in ARRAYS})
        params: Any = unflatten_dict(arrays, sep=".")["params"]
        found = TableNetworks(classes, tuple(map(float, alphas)), width, preprocessing, params)
        if misfit := _misfit(found):
            raise ValueError(misfit)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} does not hold networks of a table: {error}; train again.") from None
    return found


def _misfit(networks: TableNetworks) -> str:
    """Say which array has not the shape that the description asks for; nothing where all have."""
    seeds, features = networks.preprocessing.constant.shape
    if not isinstance(networks.width, int) or not 0 < networks.width < 10**6 or not networks.classes:
        return f"width is {networks.width}, classes are {networks.classes}"
    model, x = MLP(len(networks.classes), networks.width), jax.ShapeDtypeStruct((1, features), jnp.float32)
    shapes: Any = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), x)["params"]
    axes = seeds, len(networks.alphas)
    wanted = {name: ((*axes, *leaf.shape), "float32") for name, leaf in _flat(shapes).items()}
    there = {name: (leaf.shape, str(leaf.dtype)) for name, leaf in _flat(networks.params).items()}
    return "" if wanted == there else f"weights are {there}, they must be {wanted}"


def _flat(params: Any) -> dict[str, Any]:
    return flatten_dict({"params": params}, sep=".")
