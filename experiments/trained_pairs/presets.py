"""Which trained networks an experiment looks into: runs that are given, or a pair, ERM and mixup, trained first."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import tyro

from experiments import cifar
from experiments.commands.running import Job, cache_compilations, folder_of, run
from experiments.imagenet import __main__ as imagenet
from experiments.trained_pairs.load import Network, load_pair
from mixup_jax.choices import Data, Erm
from mixup_jax.config import Config
from mixup_jax.runtime.launch import Launch

Preset = Literal["small", "preact18", "resnet101"]


@dataclass(frozen=True)
class Pair:
    """The networks: a pair that is trained first, or finished runs."""

    preset: tyro.conf.Positional[Preset] = "small"
    """What is trained, where no runs are given: small networks or PreAct ResNet-18, both of experiments.cifar, or
    ResNet-101 of experiments.imagenet."""
    erm: tuple[Path, ...] = ()
    """Folders of ERM runs, seeds of one recipe: all in one run or a run each."""
    mixup: tuple[Path, ...] = ()
    """Folders of mixup runs."""
    checkpoints: str | None = None
    """Where the given runs' checkpoints are, if they were started with --checkpoints."""
    dataset: str | None = None
    """What is trained on. Default: fashion_mnist with small, cifar10 with preact18, imagenet with resnet101."""
    epochs: float | None = None
    """How long is trained; the preset's epochs if left out."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    workdir: Path | None = None
    """Folder of the results. Default: runs/EXPERIMENT/PRESET-DATASET, or named after the runs that are given."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """Two epochs of tiny nets on scikit-learn's digits (resnet101: on invented photographs): does everything work?"""

    def __post_init__(self) -> None:
        """Refuse one side alone, and what has no influence on runs that are given."""
        if bool(self.erm) != bool(self.mixup):
            raise ValueError("--erm and --mixup are the runs to compare: give both or none.")
        for name in ("epochs", "dataset"):
            if self.erm and getattr(self, name) is not None:
                raise ValueError(
                    f"--{name} is for networks that are trained here; --erm and --mixup are trained already."
                )
        if self.checkpoints is not None and not self.erm:
            raise ValueError("--checkpoints is for runs that are given, by --erm and --mixup.")
        if self.dataset is not None and Data(self.dataset).is_speech:
            raise ValueError(f"dataset is {self.dataset}, speech; this experiment looks at images.")
        if self.preset == "resnet101" and self.dataset not in (None, "imagenet"):
            raise ValueError(f"dataset is {self.dataset}; resnet101 is trained on imagenet.")

    def folder(self, experiment: str) -> Path:
        """Return where the results go.

        >>> Pair().folder("adversarial").as_posix()
        'runs/adversarial/small-fashion_mnist'
        """
        if self.workdir is not None:
            return self.workdir
        dataset = RECIPES[self.preset][0].config(self).data.dataset
        words = [self.erm[0].name, self.mixup[0].name] if self.erm else [self.preset, dataset]
        return folder_of(experiment, words, smoke=self.smoke and not self.erm)


class Recipe(NamedTuple):
    """A run of a pair: the folder that it goes to, whose preset it is, and its seeds."""

    folder: str
    preset: str
    seed: int
    seeds: int

    def config(self, pair: Pair) -> Config:
        """Return the configuration, with other data and another length where they are given."""
        _, config = (cifar.PRESETS | imagenet.PRESETS)[self.preset]
        epochs = config.epochs if pair.epochs is None else pair.epochs
        data = replace(config.data, dataset=pair.dataset or config.data.dataset)
        return replace(config, seed=self.seed, seeds=self.seeds, epochs=epochs, data=data)


RECIPES: dict[Preset, tuple[Recipe, ...]] = {
    "small": (Recipe("erm", "small-erm", 0, 3), Recipe("mixup", "small-mixup", 0, 3)),
    "preact18": (Recipe("erm", "preact18-erm", 0, 3), Recipe("mixup", "preact18-mixup", 0, 3)),
    # Photographs are streamed to one network at a time; the second is the one whose gradients attack in the black box.
    "resnet101": (
        Recipe("erm", "resnet101-erm", 0, 1),
        Recipe("erm-1", "resnet101-erm", 1, 1),
        Recipe("mixup", "resnet101-mixup", 0, 1),
    ),
}


def find_pair(experiment: str, pair: Pair) -> tuple[Network, Network]:
    """Load the runs that are given; where there are none, train the preset's or go on with them, and load those."""
    cache_compilations()
    if not pair.erm:
        pair = train_pair(experiment, pair)
    return load_pair(pair.erm, pair.mixup, pair.data_dir, pair.checkpoints)


def train_pair(experiment: str, pair: Pair) -> Pair:
    """Train the runs of a preset; return them as runs that are given."""
    folder, data_dir, photographs = pair.folder(experiment), pair.data_dir, pair.preset == "resnet101"
    if photographs and pair.smoke:
        data_dir = imagenet.build_data(folder / "data")
    erm, mixup = [], []
    for recipe in RECIPES[pair.preset]:
        launch = Launch(workdir=folder / recipe.folder, data_dir=data_dir)
        job = (imagenet.ImageNet if photographs else Job)(recipe.config(pair), launch, pair.smoke)
        run(experiment, recipe.preset, job)
        (erm if isinstance(job.config.mixing, Erm) else mixup).append(folder / recipe.folder)
    return Pair(pair.preset, tuple(erm), tuple(mixup), data_dir=data_dir, workdir=folder, smoke=pair.smoke)
