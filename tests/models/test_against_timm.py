"""The transformers and ConvNeXt are timm's, weights copied over; without timm its stored logits stand for it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from timm_networks import PAIRS, STORED, drawn, ours, small, theirs
from weight_files import assert_close

from mixup_jax.choices.networks import SIZES
from mixup_jax.models import build
from mixup_jax.weights.timm_names import COUNTER, flat, flat_from_timm, timm_name, to_timm


def from_timm(network, state, shapes):
    """Return the parameters of a state dictionary, which must hold those of a tree of shapes and no others."""
    leaves = flat(shapes)
    assert {timm_name(network, name) for name in leaves} == {name for name in state if not name.endswith(COUNTER)}
    found = flat_from_timm(network, state, {name: leaf.shape for name, leaf in leaves.items()})
    assert {name: array.shape for name, array in found.items()} == {name: leaf.shape for name, leaf in leaves.items()}
    return unflatten_dict(found, sep="/")


@pytest.fixture
def timm():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    return pytest.importorskip("timm", reason="timm is not installed")


@pytest.mark.thorough
@pytest.mark.parametrize("name", PAIRS)
def test_its_logits_are_those_that_timm_computed_once(name):
    assert_close(ours(PAIRS[name].model, PAIRS[name].size), np.load(STORED)[name])


@pytest.mark.parametrize("name", PAIRS)
def test_its_logits_are_timms(timm, name):
    pair = PAIRS[name]
    assert_close(ours(pair.model, pair.size), theirs(small(pair), pair.model, pair.size))


@pytest.mark.parametrize("name", SIZES)
def test_a_size_has_the_parameters_of_timms(timm, name):
    import torch

    with torch.device("meta"):
        expected = {k: tuple(v.shape) for k, v in timm.create_model(name, pretrained=False).state_dict().items()}
    model = SIZES[name]()
    image = jnp.zeros((1, 224, 224, 3))
    shapes = jax.eval_shape(partial(build(model, 1000).init, train=False), jax.random.key(0), image)["params"]
    state = {name: np.broadcast_to(np.float32(0), shape) for name, shape in expected.items()}
    filled = from_timm(model.name, state, shapes)
    assert jax.tree.structure(filled) == jax.tree.structure(shapes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit3_small_patch16_224", "convnext_atto", "mixer_s16_224"])
def test_the_logits_of_a_size_are_timms(timm, name):
    model = SIZES[name]()
    assert_close(ours(model, 224, 1000), theirs(timm.create_model(name, pretrained=False), model, 224, 1000))


@pytest.mark.parametrize("name", PAIRS)
def test_weights_come_back_from_timms_names(name):
    pair = PAIRS[name]
    _, _, params = drawn(pair.model, pair.size)
    again = from_timm(pair.model.name, to_timm(pair.model.name, params), params)
    jax.tree.map(np.testing.assert_array_equal, again, params)
