"""Fine-tune a pretrained network on a few hundred images of your own, mixed or not.

Four ways: train everything, train everything with a learning rate that falls from the last layer to the first, train
only the last layers, or only the very last one. Which pays depends on how many images there are and on how much they
look like those of the pretraining: docs/own-data.md.

    python -m experiments.finetune --init FILE --dataset folder:PATH --image-size 224 --split 0.8 0.1 0.1
    python -m experiments.finetune head --init FILE --dataset folder:PATH --image-size 224 --split 0.8 0.1 0.1
    python -m experiments.finetune layer-decay --init RUN --dataset cifar10 --train-examples 500
    python -m experiments.finetune --smoke                  # the whole path, under a minute
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import psutil
import tyro

from experiments.commands.command_line import begin, show_runs
from experiments.commands.errors import one_line_errors
from experiments.commands.notices import say
from experiments.commands.running import Job, default_folder, run
from experiments.commands.smoke import shrink
from mixup_jax.choices import AdamW, Cosine, Data, Erm, Mixup, NoAugment
from mixup_jax.choices.networks import ViT
from mixup_jax.config import Config
from mixup_jax.config_checks import LARGEST
from mixup_jax.runtime.devices.mesh import is_writer

LAST = "head/dense"
"""The last layer of most networks."""
WARMUP = 0.1
"""Share of the steps in which the learning rate rises."""


@dataclass(frozen=True)
class FineTune(Job):
    """A run that starts from weights."""

    steps: int | None = 500
    """Steps of the training, the first tenth of them warm-up; None takes --epochs and --warmup-epochs."""
    head: tyro.conf.Suppress[bool] = False
    """Whether it is the preset that trains the last layer on features that are computed once."""

    def __post_init__(self) -> None:
        """Validate the number of steps."""
        if self.steps is not None and not 1 <= self.steps <= LARGEST:
            raise ValueError(f"steps must be at least 1 and at most {LARGEST:g}, or None, got {self.steps}.")

    def taken(self, config: Config) -> Self:
        """Return the job of a configuration, whose epochs count."""
        return replace(self, config=config, steps=None)

    def effective(self) -> Config:
        """Return the configuration that is carried out; a head sees photographs as they are tested."""
        config = self.config
        if self.head:
            _refuse_augmentation(config)
            if config.data.is_streamed:
                config = replace(config, data=replace(config.data, crop="centre"))
        return _shrunk(config) if self.smoke else config

    def sized(self, config: Config, examples: int) -> Config:
        """Return the configuration for so many images: epochs make the steps."""
        if self.steps is None or self.smoke:
            return config
        epochs = self.steps * config.batch_size / examples
        say(f"{self.steps:,} steps of {config.batch_size} images are {epochs:.3g} epochs of {examples:,} images")
        warmup = WARMUP * epochs if WARMUP * self.steps >= 1 else 0.0
        return replace(config, epochs=epochs, schedule=replace(config.schedule, warmup_epochs=warmup))


FULL = Config(
    data=Data("cifar10", pad_crop=0, flip=True),
    model=ViT(),
    mixing=Mixup(alpha=0.2),
    optimizer=AdamW(lr=1e-4, weight_decay=0.05, clip=1.0),
    schedule=Cosine(),
    batch_size=32,
    label_smoothing=0.1,
)
HEAD = replace(
    FULL,
    data=replace(FULL.data, flip=False),
    mixing=Mixup(alpha=0.2, layer=LAST),
    optimizer=replace(FULL.optimizer, lr=1e-3),
    train_from=LAST,
)
LAYER_DECAY = replace(FULL, optimizer=replace(FULL.optimizer, lr=5e-4, layer_decay=0.75))
PRESETS = {
    "full": ("All layers.", FineTune(FULL)),
    "head": ("Only the last layer, on features that are computed once.", FineTune(HEAD, head=True)),
    "layer-decay": ("All layers, earlier ones at lower rates.", FineTune(LAYER_DECAY)),
    "frozen": ("The last layers, from --train-from on.", FineTune(replace(FULL, train_from="block7"))),
}


def main() -> None:
    """Run the command line: ``[PRESET] [options]``; without a preset, full."""
    with one_line_errors():
        preset, job = begin("finetune", __doc__ or "", PRESETS, "full", carried_out)
        job = _pretrained(preset, job) if job.smoke else job
        if job.config.init is None:
            raise ValueError(
                "finetune starts from weights, and --init is not given: --init FILE, or the folder of a run; random "
                "ones are trained with python -m experiments.vit or experiments.cifar."
            )
        result = run("finetune", preset, job, began=psutil.Process().create_time())
        if is_writer():
            show_runs([result], title=f"finetune {preset}")


def carried_out(job: FineTune) -> Iterable[Any]:
    """Return the configuration in which a given option must be found: those of epochs are not, where steps count."""
    config = job.config
    if job.steps is None:
        return [config]
    schedule = replace(config.schedule, warmup_epochs=config.schedule.warmup_epochs + 1)
    return [replace(config, epochs=config.epochs + schedule.warmup_epochs, schedule=schedule)]


def _refuse_augmentation(config: Config) -> None:
    """Raise ValueError for what would change images, of which a head sees features that are computed once."""
    data, mixing = config.data, config.mixing
    given = [name for name in ("pad_crop", "flip", "color_jitter", "erase", "noise") if getattr(data, name)]
    given += ["augment"] * (not isinstance(config.augment, NoAugment))
    given += ["crop"] * (data.is_streamed and data.crop not in (Data.crop, "centre"))
    given += [name for name in ("test_size",) if getattr(data, name) is not None]
    given += ["repeats"] * (data.repeats > 1)
    given += [name for name in ("dropout",) if getattr(config.model, name, 0)]
    at_layer = isinstance(mixing, Mixup) and mixing.layer == config.train_from and mixing.partner != "optimal"
    given += ["method"] * (not at_layer and not isinstance(mixing, Erm))
    if given:
        raise ValueError(
            f"{given[0]} goes without preset head, whose features are computed once and mixed as layer "
            f"{config.train_from}: leave it out, or take python -m experiments.finetune frozen --train-from "
            f"{config.train_from}."
        )


def _shrunk(config: Config) -> Config:
    """Shrink a run to seconds; a tiny network has two blocks or stages."""
    layer = config.train_from
    if layer is not None and layer.startswith(("block", "stage")):
        config = replace(config, train_from=layer.rstrip("0123456789") + "2")
    return shrink(config)


def _pretrained(preset: str, job: FineTune) -> FineTune:
    """Train what a smoke run starts from, in a folder within its own."""
    if job.config.init is not None:
        raise ValueError("init does nothing here: with --smoke a tiny network is trained first; leave it out.")
    folder = job.launch.workdir or default_folder("finetune", preset, job)
    first = replace(job.config, train_from=None, mixing=Erm(), optimizer=replace(job.config.optimizer, lr=1e-3))
    launch = replace(job.launch, workdir=folder / "pretrained", checkpoints=None)
    run("finetune", "pretrained", Job(first, launch, smoke=True))
    config = replace(job.config, init=str(folder / "pretrained"))
    return replace(job, config=config, launch=replace(job.launch, workdir=folder / "finetuned"))


if __name__ == "__main__":
    main()
