"""A pair of runs, ERM and mixup, for experiments that look into trained networks: given, or trained first."""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.cifar import ERM, SMALL
from experiments.running import Job, cache_compilations, dataset, method, prepare, run
from mixup_jax.config import Config
from mixup_jax.data import Dataset, load
from mixup_jax.training.launch import Launch
from mixup_jax.training.record import finished, read_config
from mixup_jax.training.trained import Trained, load_trained


@dataclass(frozen=True)
class Network:
    """A trained run: its name in the paper's words, its configuration, its data and its networks."""

    name: str
    config: Config
    data: Dataset
    trained: Trained


def train_pair(experiment: str, workdir: Path, data_dir: Path | None, dataset: str, smoke: bool) -> tuple[Path, Path]:
    """Train the small presets of experiments.cifar in `workdir`, or go on with them; return their folders."""
    folders = []
    for name, mixing in (("erm", ERM), ("mixup", SMALL.mixing)):
        config = replace(SMALL, mixing=mixing, data=replace(SMALL.data, dataset=dataset))
        result = run(experiment, f"small-{name}", Job(config, Launch(workdir=workdir / name, data_dir=data_dir), smoke))
        folders.append(Path(result["workdir"]))
    return folders[0], folders[1]


def load_network(folder: Path, data_dir: Path | None) -> Network:
    """Load what a run has left; raises ValueError for a folder that is no run, and what `load` raises."""
    config = read_config(folder)
    if finished(folder) is None:
        raise ValueError(f"the run in {folder} has not ended; start its command again.")
    data = prepare(load(config.data.dataset, data_dir), config.data)
    return Network(method(config), config, data, load_trained(folder, config, data, Launch.keep))


def load_pair(erm: Path, mixup: Path, data_dir: Path | None) -> tuple[Network, Network]:
    """Load an ERM run and another, trained on the same data; raises ValueError where they are not that."""
    pair = load_network(erm, data_dir), load_network(mixup, data_dir)
    if pair[0].config.mixing.alpha != 0 or pair[0].name == pair[1].name:
        raise ValueError(f"--erm must be a run of ERM, --mixup one with mixing; got {pair[0].name} and {pair[1].name}.")
    ours, theirs = (dataset(network.config.data) for network in pair)
    if ours != theirs:
        raise ValueError(f"{erm} was trained on {ours} and {mixup} on {theirs}; compare runs on the same data.")
    return pair


def find_pair(
    experiment: str,
    erm: Path | None,
    mixup: Path | None,
    workdir: Path,
    data_dir: Path | None,
    dataset: str,
    smoke: bool,
) -> tuple[tuple[Path, Path], tuple[Network, Network]]:
    """Return the folders and the networks of the two runs that are given; with neither, train them in `workdir`."""
    if (erm is None) != (mixup is None):
        raise ValueError("--erm and --mixup are the two runs to compare: give both or none.")
    cache_compilations()
    given = None if erm is None or mixup is None else (erm, mixup)
    folders = given or train_pair(experiment, workdir, data_dir, dataset, smoke)
    return folders, load_pair(*folders, data_dir)
