"""Weights in a file, fitted to a small network, and the logits that it gives with them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices.networks import ViT
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.models import build
from mixup_jax.steps.state import with_given
from mixup_jax.weights.initial import initial_weights
from mixup_jax.weights.timm_names import flat, to_timm

CLASSES = 7
TINY_VIT = ViT(width=8, depth=1, heads=2, patch=2)
"""The network of `several_processes.FROM_WEIGHTS`."""
VIT = ViT(width=32, depth=2, heads=4, patch=4)


def data_of(size, classes=CLASSES, channels=3):
    names = tuple(map(str, range(classes)))
    return DataIdentity("REAL", names, (size, size, channels), (0.3,) * channels, (0.2,) * channels, 9, 9, False, {})


def random_timm(model, size=24, classes=CLASSES, seed=0):
    """Return random weights of a network for square images under timm's names."""
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    shapes = jax.eval_shape(partial(build(model, classes).init, train=False), jax.random.key(0), image)["params"]
    random = np.random.RandomState(seed)
    drawn = jax.tree.map(lambda leaf: random.normal(scale=0.1, size=leaf.shape).astype(np.float32), shapes)
    return {name: np.ascontiguousarray(each) for name, each in to_timm(model.name, drawn).items()}


def weights_of(path, model, size=24, **data):
    return initial_weights(Config(model=model, init=str(path)), data_of(size, **data))


def images(size):
    return np.random.RandomState(1).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)


def logits(path, model, size):
    """Return the logits of our network, all of whose weights are those of a file."""
    network, given = build(model, CLASSES), weights_of(path, model, size).arrays
    image = images(size)
    variables = jax.eval_shape(partial(network.init, train=False), jax.random.key(0), image)
    assert given.keys() == {name for part in variables.values() for name in flat(part)}
    drawn = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables)
    return np.asarray(jax.jit(partial(network.apply, train=False))(with_given(drawn, given), image))


def assert_close(ours, expected):
    np.testing.assert_allclose(ours / abs(expected).max(), expected / abs(expected).max(), rtol=0, atol=1e-4)
