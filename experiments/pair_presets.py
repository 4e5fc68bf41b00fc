"""The pairs of networks, ERM and mixup, that experiments on trained networks train when no runs are given."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from experiments import cifar, imagenet
from experiments.pairs import Network, load_pair
from experiments.running import Job, cache_compilations, run
from mixup_jax.config import Config
from mixup_jax.data import is_speech
from mixup_jax.training.launch import Launch

Preset = Literal["small", "preact18", "resnet101"]


class Recipe(NamedTuple):
    """A run of a pair: whose preset it is, its seeds, and the folder that it goes to."""

    folder: str
    preset: str
    seed: int
    seeds: int

    def config(self, dataset: str | None, epochs: float | None) -> Config:
        """Return the configuration, with other data and another length where they are given."""
        _, config = (cifar.PRESETS | imagenet.PRESETS)[self.preset]
        config = replace(config, seed=self.seed, seeds=self.seeds, epochs=epochs or config.epochs)
        return replace(config, data=replace(config.data, dataset=dataset or config.data.dataset))


PAIRS: dict[Preset, tuple[Recipe, ...]] = {
    "small": (Recipe("erm", "small-erm", 0, 3), Recipe("mixup", "small-mixup", 0, 3)),
    "preact18": (Recipe("erm", "preact18-erm", 0, 3), Recipe("mixup", "preact18-mixup", 0, 3)),
    # Photographs are streamed to one network at a time; the second is the one whose gradients attack in the black box.
    "resnet101": (
        Recipe("erm", "resnet101-erm", 0, 1),
        Recipe("erm-1", "resnet101-erm", 1, 1),
        Recipe("mixup", "resnet101-mixup", 0, 1),
    ),
}


class Runs(NamedTuple):
    """The folders of ERM's runs and of mixup's, and where their data is."""

    erm: tuple[Path, ...]
    mixup: tuple[Path, ...]
    data_dir: Path | None


def train_pair(
    experiment: str,
    preset: Preset,
    workdir: Path,
    data_dir: Path | None,
    dataset: str | None,
    smoke: bool,
    epochs: float | None,
) -> Runs:
    """Train the runs of a preset in `workdir`, or go on with them, on its own data unless some is named."""
    if dataset is not None and is_speech(dataset):
        raise ValueError(f"dataset is {dataset}, speech; this experiment looks at images.")
    if preset == "resnet101" and dataset not in (None, "imagenet"):
        raise ValueError(f"dataset is {dataset}; resnet101 is trained on imagenet.")
    if preset == "resnet101" and smoke:
        data_dir = imagenet.build_data(workdir / "data")
    erm, mixup = [], []
    for recipe in PAIRS[preset]:
        config = recipe.config(dataset, epochs)
        kind = imagenet.ImageNet if preset == "resnet101" else Job
        job = kind(config, Launch(workdir=workdir / recipe.folder, data_dir=data_dir), smoke)
        result = run(experiment, recipe.preset, job)
        (mixup if config.mixing.alpha else erm).append(Path(result["workdir"]))
    return Runs(tuple(erm), tuple(mixup), data_dir)


def find_pair(
    experiment: str,
    preset: Preset,
    erm: tuple[Path, ...],
    mixup: tuple[Path, ...],
    workdir: Path,
    data_dir: Path | None,
    dataset: str | None,
    smoke: bool,
    epochs: float | None = None,
) -> tuple[Runs, tuple[Network, Network]]:
    """Return the folders and the networks of the runs that are given; with none, train the preset's in `workdir`."""
    if bool(erm) != bool(mixup):
        raise ValueError("--erm and --mixup are the runs to compare: give both or none.")
    if erm and epochs is not None:
        raise ValueError("--epochs is for the pair that is trained here; --erm and --mixup are trained already.")
    cache_compilations()
    runs = Runs(erm, mixup, data_dir)
    if not erm:
        runs = train_pair(experiment, preset, workdir, data_dir, dataset, smoke, epochs)
    return runs, load_pair(*runs)
