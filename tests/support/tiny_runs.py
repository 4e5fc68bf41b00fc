"""A data set of 48 noisy pictures, networks of a few hundred parameters, and comparisons of pytrees."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from experiments.commands.command_line import FLAGS, with_choices
from mixup_jax.choices import Cosine, Data, Erm, Sgd
from mixup_jax.choices.networks import MLP as Mlp
from mixup_jax.choices.networks import PreActResNet
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.runtime.devices.mesh import place, shard
from mixup_jax.training import loop

CLASSES, BATCH, TRAIN, TEST = 3, 16, 48, 29


def _pictures(generator: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """A bright stripe in the row of the class, under noise."""
    image = generator.integers(0, 100, (len(label), 6, 6, 1))
    image[np.arange(len(label)), 2 * label] += 120
    return image.astype(np.uint8)


def dataset() -> Dataset:
    generator = np.random.default_rng(0)
    labels = [generator.integers(0, CLASSES, count).astype(np.int32) for count in (TRAIN, TEST)]
    images = [_pictures(generator, label) for label in labels]
    mean, std = pixel_statistics(images[0])
    return Dataset("stripes", "SYNTHETIC", tuple("abc"), images[0], labels[0], images[1], labels[1], mean, std)


DATA = dataset()
MLP = Config(
    data=Data("digits", pad_crop=1),
    model=Mlp(width=12),
    optimizer=Sgd(lr=0.05),
    schedule=Cosine(),
    batch_size=BATCH,
    epochs=4.0,
)
PREACT = replace(MLP, model=PreActResNet(width=4, blocks=(1,)))
BOTH = {"mlp": MLP, "preact": PREACT}


def changed(config: Config, **fields) -> Config:
    """Replace fields and choices wherever they are: changed(MLP, alpha=0.0, optimizer="adam", seeds=2)."""
    names = {flag: fields.pop(flag) for flag in FLAGS.values() if isinstance(fields.get(flag), str)}
    config = with_choices(config, names, {})
    if "alphas" in fields:
        fields["alpha"] = fields.pop("alphas")
    if fields.get("alpha") == 0:
        config, _ = replace(config, mixing=Erm()), fields.pop("alpha")
    for part in ("data", *FLAGS):
        there = getattr(config, part)
        mine = {name: fields.pop(name) for name in list(fields) if name in vars(there)}
        config = replace(config, **{part: replace(there, **mine)})
    return replace(config, **fields)


class Run:
    """A configuration made ready on the first `devices` devices, and its training program."""

    def __init__(self, config: Config, devices: int = 8, *, fsdp: bool = False):
        self.run = loop.Run(config, DATA, Path("unused"), devices=jax.devices()[:devices], fsdp=fsdp)
        self.start, self.programs, self.mesh = self.run.start, self.run.programs, self.run.mesh

    def train(self, carry, count: int, alpha: float | None = None):
        alphas = self.run.alpha
        if alpha is not None:
            alphas = place(np.full(self.run.config.seeds, alpha, np.float32), shard(self.mesh, "seed"))
        return self.programs.train(*carry, alphas, self.run.train, np.int32(count))


def on_host(tree):
    """Fetch a tree as {path: array}; keys become their bits."""

    def fetch(leaf):
        is_key = jax.dtypes.issubdtype(jax.numpy.asarray(leaf).dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return {jax.tree_util.keystr(path): fetch(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}


def assert_close(a, b, tolerance=1e-5):
    """Every leaf agrees to a tolerance; 0 means bit for bit."""
    a, b = on_host(a), on_host(b)
    assert a.keys() == b.keys()
    for path, leaf in a.items():
        if tolerance:
            np.testing.assert_allclose(leaf, b[path], rtol=tolerance, atol=tolerance, err_msg=path)
        else:
            np.testing.assert_array_equal(leaf, b[path], err_msg=path)


def assert_equal(a, b):
    """Every leaf has the same bits."""
    assert_close(a, b, tolerance=0)
