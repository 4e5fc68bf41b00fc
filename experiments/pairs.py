"""Trained networks to look into, ERM and mixup: two groups of runs, loaded and checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import jax
import jax.numpy as jnp

from experiments.naming import dataset, method
from experiments.running import load_data, prepare, prepare_stream
from mixup_jax.config import Config, Model
from mixup_jax.data import Dataset, Streamed, is_speech
from mixup_jax.errors import CheckpointError
from mixup_jax.training.launch import Launch
from mixup_jax.training.record import finished, read_config
from mixup_jax.training.trained import Trained, load_trained


@dataclass(frozen=True)
class Network:
    """A trained network: its name in the paper's words, its configuration, its data, and its states, one a seed."""

    name: str
    config: Config
    data: Dataset | Streamed
    trained: Trained
    seeds: tuple[int, ...]


def load_network(folder: Path, data_dir: Path | None) -> Network:
    """Load what a run has left.

    Raises ValueError for a folder that is no run, and one whose checkpoint is not of the network and data that its
    config.json names; and what `load_data` raises.
    """
    config = read_config(folder)
    if finished(folder) is None:
        raise ValueError(f"the run in {folder} has not ended; start its command again.")
    if is_speech(config.data.dataset):
        raise ValueError(f"{folder} was trained on {config.data.dataset}, speech; this experiment looks at images.")
    loaded = load_data(config, data_dir)
    streamed = isinstance(loaded, Streamed)
    data = prepare_stream(loaded, config.data) if streamed else prepare(loaded, config.data)[0]
    try:
        trained = load_trained(folder, config, data, Launch.keep)
    except CheckpointError as error:
        what = f"{config.model.model} on {dataset(config.data)}"
        raise ValueError(f"{folder} holds no checkpoint that fits its config.json ({what}): {error}") from None
    return Network(method(config), config, data, trained, tuple(seed for _, seed in config.lanes))


def load_seeds(folders: Sequence[Path], data_dir: Path | None) -> Network:
    """Load runs that differ in nothing but their seeds as one network of all these seeds."""
    networks = [load_network(folder, data_dir) for folder in folders]
    first = networks[0]
    for folder, network in zip(folders, networks, strict=True):
        same = replace(network.config, seed=first.config.seed, seeds=first.config.seeds)
        if same != first.config:
            raise ValueError(f"{folders[0]} and {folder} are not seeds of one recipe; give runs of one.")
    seeds = sum((network.seeds for network in networks), ())
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"the runs have seeds {', '.join(map(str, seeds))}; give each seed once.")
    states = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(network.trained.states for network in networks))
    return replace(first, trained=replace(first.trained, states=states), seeds=seeds)


def load_pair(erm: Sequence[Path], mixup: Sequence[Path], data_dir: Path | None) -> tuple[Network, Network]:
    """Load ERM runs and others, the same network trained on the same data; raises ValueError where they are not."""
    ours, theirs = read_config(erm[0]), read_config(mixup[0])
    names = method(ours), method(theirs)
    if names[0] == names[1] or ours.mixing.alphas or theirs.mixing.alphas or ours.mixing.alpha != 0:
        raise ValueError(f"--erm must be a run of ERM, --mixup one with one alpha; got {names[0]} and {names[1]}.")
    if dataset(ours.data) != dataset(theirs.data):
        raise ValueError(
            f"{erm[0]} was trained on {dataset(ours.data)} and {mixup[0]} on {dataset(theirs.data)}; "
            "compare runs on the same data."
        )
    if differing := different_networks(ours.model, theirs.model):
        raise ValueError(f"{erm[0]} and {mixup[0]} are not the same network ({differing}); compare runs of one.")
    return load_seeds(erm, data_dir), load_seeds(mixup, data_dir)


def different_networks(ours: Model, theirs: Model) -> str:
    """Say in which fields two networks differ; how they were trained, with dropout or less memory, is no difference.

    >>> different_networks(Model(width=16), Model(width=64, dropout=0.5))
    'width 16 and 64'
    """
    names = [field.name for field in fields(Model) if field.name not in ("dropout", "remat")]
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in names]
    return ", ".join(f"{name} {one} and {other}" for name, one, other in pairs if one != other)
