"""Train the networks of table 4: those of a table, all splits and all alphas, in one program."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array

from experiments.commands.settings import check_alphas, check_counts
from experiments.tabular.networks import TableNetworks, keep
from mixup_jax.config_checks import SEEDS, WIDEST
from mixup_jax.data.files.archives import data_folder
from mixup_jax.data.identity import digest_arrays
from mixup_jax.data.tables.csv_file import read_csv
from mixup_jax.data.tables.splits import Scaling, Split, prepared_splits
from mixup_jax.data.tables.table import TabularData
from mixup_jax.data.tables.uci import UCI, load_tabular
from mixup_jax.evaluation.classification import predicted_class
from mixup_jax.models import MLP
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.short import Short, predict, train_short

LONGEST = 10_000
"""Epochs; all batches are drawn before the first step."""
Errors = dict[str, np.ndarray]
"""`test` and `train`: errors in per cent, (seeds, alphas), ERM first."""


@dataclass(frozen=True)
class Tabular:
    """What is trained."""

    # Paper: splits, scaling, repeats and alpha are not stated; the defaults are ours.
    datasets: tuple[str, ...] = tuple(UCI)
    """Tables of the paper."""
    csv: Path | None = None
    """A table of your own instead: a CSV file with a line of names."""
    target: str | None = None
    """Its column of classes."""
    alphas: tuple[float, ...] = (0.1, 0.2, 0.4, 1.0)
    """Of mixup; ERM is always there."""
    seeds: int = 20
    """Splits; each has first weights and an order of its own, the same for every alpha."""
    epochs: float = 10.0
    """Passes through the training rows."""
    batch_size: int = 16
    """Rows a step."""
    width: int = 128
    """Units of each of the two hidden layers."""
    test_share: float = 0.2
    """Share of the rows that are tested on, in each class."""
    scaling: Scaling = "standard"
    """Of columns of numbers, by the training rows: mean 0 and deviation 1, from 0 to 1, or as they are; unit: as they
    are, then each row divided by its norm."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    workdir: Path | None = None
    """Folder of the results; if left out, runs/tabular/PRESET with what is changed of the preset."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """Two splits of iris, or of --csv, two epochs: does everything work here?"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if (self.csv is None) != (self.target is None):
            raise ValueError("--csv and --target go together: a file and its column of classes.")
        unknown = [name for name in self.datasets if name not in UCI]
        if unknown or not self.datasets:
            raise ValueError(f"datasets must be among {', '.join(UCI)}, got {', '.join(unknown) or 'none'}.")
        check_alphas(self.alphas, least=1)
        check_counts(
            {"seeds": (self.seeds, SEEDS), "batch_size": (self.batch_size, 10**9), "width": (self.width, WIDEST)}
        )
        if not 0 < self.epochs <= LONGEST:
            raise ValueError(f"epochs must be positive, at most {LONGEST:,}, got {self.epochs}.")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be between 0 and 1, got {self.test_share}.")
        if self.csv is not None and self.datasets != tuple(UCI):
            raise ValueError("--datasets are the paper's tables and do nothing beside --csv: leave one of them out.")


def load_tables(job: Tabular) -> list[TabularData]:
    """Load the tables that were asked for."""
    if job.csv is not None and job.target is not None:
        return [read_csv(job.csv, job.target)]
    data_dir = data_folder(job.data_dir)
    return [load_tabular(name, data_dir) for name in job.datasets]


def identity(data: TabularData) -> dict[str, Any]:
    """Return what is stored of a table: its classes, its size, and digests of its columns' names, values and labels."""
    features = data.features
    words = {name: features[name].map(str).tolist() for name in data.categorical}
    arrays = {"numbers": features[data.numeric].to_numpy(np.float64), "label": data.label}
    texts = {"columns": [*data.numeric, *data.categorical], "words": words}
    digests = {name: hashlib.sha256(json.dumps(text).encode()).hexdigest() for name, text in texts.items()}
    size = {"rows": len(features), "columns": len(features.columns)}
    return {"mark": data.mark, "classes": list(data.classes), **size, "digests": digest_arrays(arrays) | digests}


def measure(data: TabularData, job: Tabular, workdir: Path | None = None) -> Errors:
    """Train a network for each split and alpha, all in one program; return their errors.

    With a `workdir` the networks and their preprocessing are kept there.
    """
    split, preprocessing = prepared_splits(data, range(job.seeds), job.test_share, job.scaling)
    hparams = plan(job, rows=split.train_label.shape[1], classes=len(data.classes))
    one = partial(train_and_test, hparams=hparams, kept=workdir is not None)
    program = jax.jit(over_seeds(over_seeds(one, (None, None, 0)), (0, 0, None)))
    train, test, params = program(jnp.arange(job.seeds), split, jnp.array([0.0, *job.alphas]))
    if workdir is not None:
        alphas = (0.0, *job.alphas)
        keep(TableNetworks(data.classes, alphas, job.width, preprocessing, jax.tree.map(np.asarray, params)), workdir)
    return {"test": np.asarray(test), "train": np.asarray(train)}


def plan(job: Tabular, rows: int, classes: int) -> Short:
    """Return how to train on as many rows; where they are fewer than a batch, all of them are one.

    >>> short = plan(Tabular(epochs=10, batch_size=16), rows=12, classes=2)
    >>> short.steps, short.batch_size
    (10, 12)
    """
    batch_size = min(job.batch_size, rows)
    steps = max(1, round(job.epochs * rows / batch_size))
    return Short(MLP(classes=classes, width=job.width), steps, batch_size)


def train_and_test(seed: Array, split: Split, alpha: Array, hparams: Short, kept: bool) -> tuple[Array, Array, Any]:
    """Train a network; return its error on the training and on the test rows in per cent, and it or nothing."""
    train_x, train_label, test_x, test_label = map(jnp.asarray, split)
    params = train_short(jax.random.key(seed), train_x, train_label, alpha, hparams)

    def error(x: Array, label: Array) -> Array:
        return 100 * jnp.mean(predicted_class(predict(hparams.model, params, x)) != label)

    return error(train_x, train_label), error(test_x, test_label), params if kept else {}
