"""The networks that an experiment analyses: given runs, or a pair of ERM and mixup that is trained first."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import tyro

from experiments import cifar
from experiments.commands.running import Job, cache_compilations, folder_of, run
from experiments.imagenet import presets as imagenet
from experiments.imagenet.archives import build_data
from experiments.trained_pairs.load import Network, load_pair
from mixup_jax.choices import Data, Erm
from mixup_jax.config import Config
from mixup_jax.runtime.launch import Launch

Preset = Literal["small", "preact18", "resnet101"]


@dataclass(frozen=True)
class Pair:
    """The networks: a preset to train first, or finished runs."""

    preset: tyro.conf.Positional[Preset] = "small"
    """Networks to train if no runs are given: small networks or PreAct ResNet-18 of experiments.cifar, or ResNet-101 of
    experiments.imagenet."""
    erm: tuple[Path, ...] = ()
    """Folders of ERM runs of one recipe: one run of several seeds, or several runs."""
    mixup: tuple[Path, ...] = ()
    """Folders of mixup runs."""
    checkpoints: str | None = None
    """Folder of the checkpoints of the given runs, if they were started with --checkpoints."""
    dataset: str | None = None
    """Training data. Default: fashion_mnist with small, cifar10 with preact18, imagenet with resnet101."""
    epochs: float | None = None
    """Epochs of training. Default: those of the preset."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    workdir: Path | None = None
    """Folder of the results. Default: runs/EXPERIMENT/PRESET-DATASET, or named after the given runs."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """A quick test: two epochs of tiny networks on scikit-learn's digits (resnet101: on invented photographs)."""

    def __post_init__(self) -> None:
        """Validate the options: both sides or none, and no option that has no effect on given runs."""
        if bool(self.erm) != bool(self.mixup):
            raise ValueError("--erm and --mixup must be given together, or neither.")
        for name in ("epochs", "dataset"):
            if self.erm and getattr(self, name) is not None:
                raise ValueError(
                    f"--{name} applies to networks that are trained here; --erm and --mixup are already trained."
                )
        if self.checkpoints is not None and not self.erm:
            raise ValueError("--checkpoints needs --erm and --mixup.")
        if self.dataset is not None and Data(self.dataset).is_speech:
            raise ValueError(f"dataset is {self.dataset}, speech; this experiment needs images.")
        if self.preset == "resnet101" and self.dataset not in (None, "imagenet"):
            raise ValueError(f"dataset is {self.dataset}; resnet101 is trained on imagenet.")

    def folder(self, experiment: str) -> Path:
        """Return the folder of the results.

        >>> Pair().folder("adversarial").as_posix()
        'runs/adversarial/small-fashion_mnist'
        """
        if self.workdir is not None:
            return self.workdir
        dataset = RECIPES[self.preset][0].config(self).data.dataset
        words = [self.erm[0].name, self.mixup[0].name] if self.erm else [self.preset, dataset]
        return folder_of(experiment, words, smoke=self.smoke and not self.erm)


class Recipe(NamedTuple):
    """A run of a pair: its folder, preset and seeds."""

    folder: str
    preset: str
    seed: int
    seeds: int

    def config(self, pair: Pair) -> Config:
        """Return the configuration, with the data and epochs of `pair` where given."""
        _, config = (cifar.PRESETS | imagenet.PRESETS)[self.preset]
        epochs = config.epochs if pair.epochs is None else pair.epochs
        data = replace(config.data, dataset=pair.dataset or config.data.dataset)
        return replace(config, seed=self.seed, seeds=self.seeds, epochs=epochs, data=data)


RECIPES: dict[Preset, tuple[Recipe, ...]] = {
    "small": (Recipe("erm", "small-erm", 0, 3), Recipe("mixup", "small-mixup", 0, 3)),
    "preact18": (Recipe("erm", "preact18-erm", 0, 3), Recipe("mixup", "preact18-mixup", 0, 3)),
    # A run each: together they would need twice the memory. The second gives the gradients of the black box.
    "resnet101": (
        Recipe("erm", "resnet101-erm", 0, 1),
        Recipe("erm-1", "resnet101-erm", 1, 1),
        Recipe("mixup", "resnet101-mixup", 0, 1),
    ),
}


def find_pair(experiment: str, pair: Pair) -> tuple[Network, Network]:
    """Load the given runs; without any, train the preset (or continue its training) and load it."""
    cache_compilations()
    if not pair.erm:
        pair = train_pair(experiment, pair)
    return load_pair(pair.erm, pair.mixup, pair.data_dir, pair.checkpoints)


def train_pair(experiment: str, pair: Pair) -> Pair:
    """Train the runs of a preset; return them as given runs."""
    folder, data_dir, photographs = pair.folder(experiment), pair.data_dir, pair.preset == "resnet101"
    if photographs and pair.smoke:
        data_dir = build_data(folder / "data")
    erm, mixup = [], []
    for recipe in RECIPES[pair.preset]:
        launch = Launch(workdir=folder / recipe.folder, data_dir=data_dir)
        job = (imagenet.ImageNet if photographs else Job)(recipe.config(pair), launch, pair.smoke)
        run(experiment, recipe.preset, job)
        (erm if isinstance(job.config.mixing, Erm) else mixup).append(folder / recipe.folder)
    return Pair(pair.preset, tuple(erm), tuple(mixup), data_dir=data_dir, workdir=folder, smoke=pair.smoke)
