"""A pair of runs, ERM and mixup, for experiments that look into trained networks: given, or trained first."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from experiments.cifar import ERM, SMALL
from experiments.naming import dataset, method
from experiments.running import Job, cache_compilations, load_data, prepare, run
from mixup_jax.config import Config, Model
from mixup_jax.data import Dataset, Streamed, is_speech
from mixup_jax.errors import CheckpointError
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


def train_pair(
    experiment: str, workdir: Path, data_dir: Path | None, dataset: str, smoke: bool, epochs: float | None
) -> tuple[Path, Path]:
    """Train the small presets of experiments.cifar in `workdir`, or go on with them; return their folders."""
    if is_speech(dataset):
        raise ValueError(f"dataset is {dataset}, speech; this experiment looks at images.")
    base = replace(SMALL, data=replace(SMALL.data, dataset=dataset), epochs=SMALL.epochs if epochs is None else epochs)
    folders = []
    for name, mixing in (("erm", ERM), ("mixup", SMALL.mixing)):
        config = replace(base, mixing=mixing)
        result = run(experiment, f"small-{name}", Job(config, Launch(workdir=workdir / name, data_dir=data_dir), smoke))
        folders.append(Path(result["workdir"]))
    return folders[0], folders[1]


def load_network(folder: Path, data_dir: Path | None) -> Network:
    """Load what a run has left.

    Raises ValueError for a folder that is no run, and one whose checkpoint is not of the network and data that its
    config.json names; and what `load` raises.
    """
    config = read_config(folder)
    if finished(folder) is None:
        raise ValueError(f"the run in {folder} has not ended; start its command again.")
    if is_speech(config.data.dataset):
        raise ValueError(f"{folder} was trained on {config.data.dataset}, speech; this experiment looks at images.")
    loaded = load_data(config, data_dir)
    if isinstance(loaded, Streamed):
        raise ValueError(f"{folder} was trained on {loaded.name}, not in memory; this experiment needs it there.")
    data, _ = prepare(loaded, config.data)
    try:
        trained = load_trained(folder, config, data, Launch.keep)
    except CheckpointError as error:
        what = f"{config.model.model} on {dataset(config.data)}"
        raise ValueError(f"{folder} holds no checkpoint that fits its config.json ({what}): {error}") from None
    return Network(method(config), config, data, trained)


def load_pair(erm: Path, mixup: Path, data_dir: Path | None) -> tuple[Network, Network]:
    """Load an ERM run and another, the same network trained on the same data; raises ValueError where they are not."""
    ours, theirs = read_config(erm), read_config(mixup)
    names = method(ours), method(theirs)
    if names[0] == names[1] or ours.mixing.alphas or theirs.mixing.alphas or ours.mixing.alpha != 0:
        raise ValueError(f"--erm must be a run of ERM, --mixup one with one alpha; got {names[0]} and {names[1]}.")
    if dataset(ours.data) != dataset(theirs.data):
        raise ValueError(
            f"{erm} was trained on {dataset(ours.data)} and {mixup} on {dataset(theirs.data)}; "
            "compare runs on the same data."
        )
    if differing := different_networks(ours.model, theirs.model):
        raise ValueError(f"{erm} and {mixup} are not the same network ({differing}); compare runs of one.")
    return load_network(erm, data_dir), load_network(mixup, data_dir)


def different_networks(ours: Model, theirs: Model) -> str:
    """Say in which fields two networks differ; how they were trained, with dropout or less memory, is no difference.

    >>> different_networks(Model(width=16), Model(width=64, dropout=0.5))
    'width 16 and 64'
    """
    names = [field.name for field in fields(Model) if field.name not in ("dropout", "remat")]
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in names]
    return ", ".join(f"{name} {one} and {other}" for name, one, other in pairs if one != other)


def find_pair(
    experiment: str,
    erm: Path | None,
    mixup: Path | None,
    workdir: Path,
    data_dir: Path | None,
    dataset: str,
    smoke: bool,
    epochs: float | None = None,
) -> tuple[tuple[Path, Path], tuple[Network, Network]]:
    """Return the folders and the networks of the two runs that are given; with neither, train them in `workdir`."""
    if (erm is None) != (mixup is None):
        raise ValueError("--erm and --mixup are the two runs to compare: give both or none.")
    if erm is not None and epochs is not None:
        raise ValueError("--epochs is for the pair that is trained here; --erm and --mixup are trained already.")
    cache_compilations()
    given = None if erm is None or mixup is None else (erm, mixup)
    folders = given or train_pair(experiment, workdir, data_dir, dataset, smoke, epochs)
    return folders, load_pair(*folders, data_dir)
