"""Load trained networks, ERM and mixup: two groups of runs that are checked against each other."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.commands.naming import dataset, method
from mixup_jax.choices import Erm
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.identity import DataIdentity
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.sources import load_data, prepare
from mixup_jax.runtime.claim import read_config, read_identity
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.identity import differing, flatten, plain
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.run_folder import finished
from mixup_jax.training.trained import Trained, load_trained

OF_TRAINING = ("seed", "seeds", "eval_every", "model.remat")
"""Fields in which runs of one recipe may differ."""


@dataclass(frozen=True)
class Network:
    """A trained network: its method in the paper's words, its configuration, and one state per seed.

    `identity` describes the training data; `results` are the contents of result.json of the runs.
    """

    name: str
    config: Config
    identity: DataIdentity
    trained: Trained
    seeds: tuple[int, ...]
    results: tuple[dict[str, Any], ...]
    open_data: Callable[[], Dataset | StreamedDataset]

    @cached_property
    def data(self) -> Dataset | StreamedDataset:
        """Load the data of the run; raises ValueError, naming the difference, if the data has changed."""
        data = self.open_data()
        if self.config.init is not None or self.config.normalize != "source":
            data = replace(data, mean=self.identity.mean, std=self.identity.std)
        if found := differing(flatten(plain(self.identity)), flatten(plain(data.identity()))):
            raise ValueError(f"{self.name} was trained on other data than {self.config.data.dataset} has now: {found}.")
        return data


def load_network(folder: Path, data_dir: Path | None, checkpoints: str | None = None) -> Network:
    """Load a finished run; `checkpoints` is the folder that it was started with, if any.

    The data is loaded, from `data_dir`, by the attribute `data` only.

    Raises ValueError for a folder that is not a finished run on images, and for a checkpoint that does not fit
    config.json; for a run that did not store its data's identity, what `load_data` raises.
    """
    config, result = read_config(folder), finished(folder)
    if result is None:
        raise ValueError(f"the run in {folder} is not finished; start its command again.")
    if config.data.is_speech:
        raise ValueError(f"{folder} was trained on {config.data.dataset}, speech; this experiment needs images.")
    open_data = partial(prepared_data, config, data_dir)
    identity = read_identity(folder)
    if identity is None:
        warnings.warn(f"{folder} does not store the identity of its data; today's data is assumed", stacklevel=2)
        identity = open_data().identity()
    try:
        trained = load_trained(Launch(checkpoints=checkpoints).checkpoint_folder(folder, config), config, identity)
    except CheckpointError as error:
        what = f"{config.model.name} on {dataset(config.data)}"
        raise ValueError(f"{folder} has no checkpoint that fits its config.json ({what}): {error}") from None
    seeds = tuple(seed for _, seed in config.runs)
    return Network(method(config), config, identity, trained, seeds, (result,), open_data)


def prepared_data(config: Config, data_dir: Path | None) -> Dataset | StreamedDataset:
    """Load and prepare the data of a run."""
    return prepare(load_data(config.data, data_dir), config.data, config.augment)[0]


def load_seeds(folders: Sequence[Path], data_dir: Path | None, checkpoints: str | None = None) -> Network:
    """Load runs that differ in their seeds only as one network with all these seeds."""
    for folder in folders[1:]:
        if found := between(read_config(folders[0]), read_config(folder), OF_TRAINING):
            raise ValueError(f"{folders[0]} and {folder} are not seeds of one recipe ({found}).")
    networks = [load_network(folder, data_dir, checkpoints) for folder in folders]
    for folder, network in zip(folders, networks, strict=True):
        check_same_data(folders[0], networks[0], folder, network)
    seeds = sum((network.seeds for network in networks), ())
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"the runs have the seeds {', '.join(map(str, seeds))}; every seed may occur once.")
    states = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(network.trained.states for network in networks))
    results = sum((network.results for network in networks), ())
    first = networks[0]
    return replace(first, trained=replace(first.trained, states=states), seeds=seeds, results=results)


def load_pair(
    erm: Sequence[Path], mixup: Sequence[Path], data_dir: Path | None, checkpoints: str | None = None
) -> tuple[Network, Network]:
    """Load ERM runs and mixup runs; raises ValueError unless network and data are the same."""
    ours, theirs = read_config(erm[0]), read_config(mixup[0])
    names = method(ours), method(theirs)
    if names[0] == names[1] or theirs.side_by_side or not isinstance(ours.mixing, Erm):
        raise ValueError(f"--erm must be a run of ERM, --mixup one with one alpha; got {names[0]} and {names[1]}.")
    if dataset(ours.data) != dataset(theirs.data):
        raise ValueError(
            f"{erm[0]} was trained on {dataset(ours.data)} and {mixup[0]} on {dataset(theirs.data)}; "
            "compare runs on the same data."
        )
    if found := between(ours.model, theirs.model, ("dropout", "remat")):  # both belong to the training
        raise ValueError(f"{erm[0]} and {mixup[0]} are not the same network ({found}); compare runs of one.")
    networks = load_seeds(erm, data_dir, checkpoints), load_seeds(mixup, data_dir, checkpoints)
    check_same_data(erm[0], networks[0], mixup[0], networks[1])
    count = min(len(network.seeds) for network in networks)
    if networks[0].seeds[:count] != networks[1].seeds[:count]:
        raise ValueError(f"--erm has seeds {networks[0].seeds}, --mixup {networks[1].seeds}; compare equal ones.")
    return networks


def check_same_data(one: Path, network: Network, other: Path, another: Network) -> None:
    """Raise ValueError, naming the difference, if two networks were trained on different data of one name."""
    ours, theirs = (flatten(plain(each.identity)) for each in (network, another))
    if found := differing(ours, theirs, (f"in {one}", f"in {other}")):
        raise ValueError(
            f"{one} and {other} were not trained on the same data ({found}); compare runs on the same data."
        )


def between(ours: Any, theirs: Any, ignored: Sequence[str] = ()) -> str:
    """Describe the fields in which two configurations, or parts of them, differ.

    Fields that one of them lacks, since it made another choice, are left out beside that choice.

    >>> from mixup_jax.choices.networks import PreActResNet
    >>> between(Config(model=PreActResNet(width=16)), Config(model=PreActResNet(width=64), seed=3), ignored=["seed"])
    'model.width 16 and 64'
    """
    here, there = (flatten(asdict(each)) for each in (ours, theirs))
    names = [name for name in here | there if name not in ignored and here.get(name) != there.get(name)]
    names = [name for name in names if name in here and name in there] or names
    return ", ".join(f"{name} {here.get(name)} and {there.get(name)}" for name in names)
