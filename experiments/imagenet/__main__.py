"""Table 1: validation error on ImageNet-2012, ERM against mixup.

Paper, 90 epochs, top-1 error in per cent of ERM and mixup. ResNet-50 23.5, 23.3; ResNet-101 22.1, 21.5; ResNeXt-101
32*4d 21.2, 20.7; ResNeXt-101 64*4d 20.4 (100 epochs), 19.8. 200 epochs: 23.6, 22.1; 22.0, 20.8; 21.3, 20.1. The
baselines without alpha at 90 epochs are those of Goyal et al. and Xie et al.; some numbers are from memory, --help says
which. Cost, an estimate and not a measurement: 90 epochs of ResNet-50 are 1.2e8 images, at 1,000 images a second and
chip 32 hours on 1 chip or two hours on 16.

    python -m experiments.prepare imagenet --train-tar ... --val-tar ... --out DATA/imagenet     # once
    python -m experiments.imagenet resnet50-mixup --data-dir DATA
    python -m experiments.imagenet --smoke                  # the whole path on generated photographs, a minute

On several hosts, start the same command on each: docs/launching.md.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.commands.command_line import begin, show_runs
from experiments.commands.errors import one_line_errors
from experiments.commands.running import Job, Paper, default_folder, run
from experiments.imagenet.archives import build_archives
from experiments.imagenet.presets import PRESETS, TABLE_1, recipe
from mixup_jax.choices import Mixed, Step
from mixup_jax.config import Config
from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.networks import Named, PreActResNet
from mixup_jax.runtime.mesh import is_writer, wait_for_all

DEFAULT = "resnet50-mixup"


@dataclass(frozen=True)
class ImageNet(Job):
    """A run on photographs that stay on disk."""

    def effective(self) -> Config:
        """Return the configuration of the run; with `smoke`, small photographs and a small network."""
        return shrink(self.config) if self.smoke else self.config


def shrink(config: Config) -> Config:
    """Shrink a run to seconds, keeping its method and its path through the program."""
    mixing, schedule = config.mixing, replace(config.schedule, warmup_epochs=1.0, warmup_start=0.01)
    if isinstance(mixing, Mixed):
        mixing = replace(mixing, block=mixing.block and 4, unmixed_epochs=min(mixing.unmixed_epochs, 1.0))
    return replace(
        config,
        data=replace(config.data, image_size=32, train_examples=None),
        model=PreActResNet(width=4, blocks=(1, 1), stem_stride=2),
        optimizer=replace(config.optimizer, lr=0.05),
        schedule=replace(schedule, decay_epochs=(2.0,)) if isinstance(schedule, Step) else schedule,
        mixing=mixing,
        batch_size=16,
        epochs=3.0,
        eval_every=1.0,
    )


def main() -> None:
    """Run the command line: ``[PRESET] [options]``; without a preset, `DEFAULT`."""
    with one_line_errors():
        jobs = {name: (text, ImageNet(config)) for name, (text, config) in PRESETS.items()}
        preset, job = begin("imagenet", __doc__ or "", jobs, DEFAULT)
        if job.smoke:
            folder = job.launch.workdir or default_folder("imagenet", preset, job)
            job = replace(job, launch=replace(job.launch, data_dir=build_data(folder / "data"), workdir=folder))
        result = run("imagenet", preset, job, paper=paper)
        if is_writer():
            show_runs([Path(result["workdir"])], title=f"imagenet {preset}")


def build_data(data_dir: Path) -> Path:
    """Build small archives of generated photographs and prepare them; return the folder that runs read."""
    if is_writer() and not (data_dir / "imagenet" / "imagenet.json").exists():
        archives = build_archives(data_dir / "archives")
        prepare(*archives, data_dir / "imagenet", partial=True, mark="SYNTHETIC")
    wait_for_all("the data of the smoke run")
    return data_dir


def paper(config: Config) -> Paper:
    """Return the paper's number if the run is the paper's, except for its seed and --remat."""
    model = replace(config.model, remat=False) if isinstance(config.model, Named) else config.model
    ours = replace(config, seed=0, eval_every=None, model=model)
    for row in TABLE_1.values():
        if ours == recipe(row):
            doubt = "" if row.confirmed else ", unconfirmed"
            top5 = f"; top-5 {row.top5}, unconfirmed" if row.top5 else ""
            return {"test_error": row.top1, "source": f"Table 1{doubt}{top5}"}
    return None


if __name__ == "__main__":
    main()
