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

from dataclasses import replace

from experiments.commands.command_line import begin, show_runs
from experiments.commands.errors import one_line_errors
from experiments.commands.running import default_folder, run
from experiments.imagenet.archives import build_data
from experiments.imagenet.presets import PRESETS, ImageNet, paper
from mixup_jax.runtime.devices.mesh import is_writer

DEFAULT = "resnet50-mixup"


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
            show_runs([result], title=f"imagenet {preset}")


if __name__ == "__main__":
    main()
