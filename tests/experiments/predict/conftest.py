"""A tiny run of two seeds on digits, trained with mirror images, and its test images as files."""

import numpy as np
import pytest
from PIL import Image

from experiments.commands.running import Job, run
from mixup_jax.choices import Cosine, Data, Sgd
from mixup_jax.choices.networks import MLP
from mixup_jax.config import Config
from mixup_jax.data.sources import load
from mixup_jax.runtime.launch import Launch

TINY = Config(
    data=Data("digits", pad_crop=0, flip=True),
    model=MLP(width=16),
    optimizer=Sgd(lr=0.05),
    schedule=Cosine(),
    batch_size=64,
    epochs=2.0,
    seeds=2,
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr("experiments.commands.running.draw_missing", lambda *_: None)
        run("cifar", "tiny", Job(TINY, Launch(workdir=folder / "run")))
    return folder / "run"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """The test images of digits as PNG, 0.png, 1.png, ..."""
    folder = tmp_path_factory.mktemp("pictures")
    for index, image in enumerate(np.asarray(load("digits").test_image)):
        Image.fromarray(image[..., 0]).save(folder / f"{index}.png")
    return folder
