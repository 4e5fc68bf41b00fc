"""Train the presets' networks for some steps on these devices, and print the loss and a digest of the parameters.

python trained_networks.py [COORDINATOR PROCESSES PROCESS_ID]
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments import cifar, quickstart, vit
from experiments.speech import __main__ as speech
from mixup_jax.choices.networks import Network, ResNet
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.sources import open_data
from mixup_jax.data.speech.recordings import Speech
from mixup_jax.runtime.devices.distributed import join
from mixup_jax.runtime.run_folder import digest
from mixup_jax.training.loop import Run
from mixup_jax.training.measurements import on_host

STEPS, BATCH = 4, 16
SPOKEN = speech.configs(speech.PRESETS["small"][1])
NETWORKS = {  # as they are where that is small, else the same layers, fewer and narrower
    "small-mixup": cifar.SMALL.model,
    "quickstart": quickstart.CLEAN.model,
    "lenet": SPOKEN["lenet"].model,
    "vgg11": SPOKEN["vgg11"].model,
    "wrn28-10": replace(cifar.WRN28_10, width=8, blocks=(1, 1, 1)),
    "densenet190": replace(cifar.IN_MEMORY, width=4, blocks=(2, 2, 2)),
    "resnet18": ResNet("resnet18", width=4),
    "vit-small": vit.SMALL.model,
}


def show(name: str, model: Network, data: Dataset) -> None:
    """Train a network; print what came of it, in one line."""
    model = replace(model, dropout=0.0) if hasattr(model, "dropout") else model
    config = Config(model=model, batch_size=BATCH, optimizer=cifar.SMALL.optimizer, schedule=cifar.SMALL.schedule)
    run = Run(replace(config, data=replace(config.data, pad_crop=0, flip=False)), data, Path("unused"))
    state, totals = run.programs.train(*run.start(), run.alpha, run.train, np.int32(STEPS))
    loss = float(on_host(totals.loss)[0]) / STEPS
    print("\nlearned", json.dumps({"network": name, "loss": loss, "digest": digest(on_host(state.params))}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        join(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    pictures, sounds = open_data("digits"), open_data("chirps", None, Speech())
    assert isinstance(pictures, Dataset)
    assert isinstance(sounds, Dataset)
    for name, model in NETWORKS.items():
        show(name, model, sounds if name in SPOKEN else pictures)
