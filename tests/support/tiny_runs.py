"""A data set of 48 noisy pictures, networks of a few hundred parameters, and comparisons of pytrees."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from mixup_jax.config import Config, Data, Model, Optimizer
from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.runtime.mesh import place
from mixup_jax.training.setting import make_setting

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
    model=Model("mlp", width=12),
    optimizer=Optimizer(lr=0.05, schedule="cosine"),
    batch_size=BATCH,
    epochs=4.0,
)
PREACT = replace(MLP, model=Model("preact_resnet", width=4, blocks=(1,)))
BOTH = {"mlp": MLP, "preact": PREACT}


def changed(config: Config, **fields) -> Config:
    """Replace fields wherever they are: changed(MLP, alpha=0.0, seeds=2)."""
    for part in ("data", "model", "mixing", "optimizer"):
        there = getattr(config, part)
        mine = {name: fields.pop(name) for name in list(fields) if hasattr(there, name)}
        config = replace(config, **{part: replace(there, **mine)})
    return replace(config, **fields)


class Run:
    """A configuration made ready on the first `devices` devices, and its training program."""

    def __init__(self, config: Config, devices: int = 8):
        self.setting = make_setting(config, DATA, Path("unused"), jax.devices()[:devices])
        self.start, self.programs = self.setting.start, self.setting.programs
        self.mesh = self.setting.replicated.mesh

    def train(self, carry, count: int, alpha: float | None = None):
        setting = self.setting
        if alpha is not None:
            setting = replace(setting, alpha=place(np.full(setting.config.seeds, alpha, np.float32), setting.by_seed))
        return self.programs.train(*carry, setting.alpha, setting.train, np.int32(count))


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
