"""Laws of layer-wise decay: which layer a parameter is of, and its share of the learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.choices import AdamW, Lamb, Sgd
from mixup_jax.choices.networks import PreActResNet
from mixup_jax.models import build
from mixup_jax.steps.layer_decay import layers
from mixup_jax.steps.optim import direction

LEAF = {"kernel": jnp.ones(2)}
VIT = {
    "stem": {"patches": LEAF, "positions": jnp.ones(2)},
    **{f"block{number}": {"mlp": LEAF} for number in range(1, 13)},
    "head": {"norm": LEAF, "dense": LEAF},
}


def convnext(blocks):
    stages = [{f"block{number}": LEAF for number in range(1, count + 1)} for count in blocks]
    stages = [stage | ({"halve": LEAF} if index else {}) for index, stage in enumerate(stages)]
    return {"stem": LEAF, **{f"stage{i}": stage for i, stage in enumerate(stages, start=1)}, "head": {"dense": LEAF}}


def test_the_layers_of_a_vit_are_its_stem_its_blocks_and_its_head():
    assert layers(VIT) == {
        "stem": {"patches": {"kernel": 0}, "positions": 0},
        **{f"block{number}": {"mlp": {"kernel": number}} for number in range(1, 13)},
        "head": {"norm": {"kernel": 13}, "dense": {"kernel": 13}},
    }


def test_convnext_has_twelve_groups_between_stem_and_head():
    found = layers(convnext((3, 3, 27, 3)))
    assert found["stem"]["kernel"] == 0
    assert found["head"]["dense"]["kernel"] == 13
    assert found["stage2"] == {name: {"kernel": 2} for name in ("block1", "block2", "block3", "halve")}
    assert [found["stage3"][f"block{number}"]["kernel"] for number in (1, 3, 4, 25, 27)] == [3, 3, 4, 11, 11]
    assert found["stage3"]["halve"]["kernel"] == 3
    assert set(jax.tree.leaves(found["stage4"])) == {12}


@pytest.mark.parametrize("blocks", [(2, 2, 6, 2), (3, 3, 9, 3), (1, 4), (5,)])
def test_every_layer_from_the_stem_to_the_head_has_parameters(blocks):
    found = jax.tree.leaves(layers(convnext(blocks)))
    assert set(found) == set(range(max(found) + 1))
    assert max(found) == 1 + sum(-(-count // 3) for count in blocks)


@pytest.mark.parametrize("config", [Sgd, AdamW, Lamb])
def test_a_layers_step_is_its_share_of_the_step_without_decay(config):
    steps = []
    for decay in (None, 0.5):
        optimizer = direction(config(layer_decay=decay))
        steps.append(optimizer.update(VIT, optimizer.init(VIT), VIT)[0])
    expected = jax.tree.map(lambda leaf, layer: leaf * 0.5 ** (13 - layer), steps[0], layers(VIT))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), steps[1], expected)


def test_the_stages_of_a_residual_network_are_layers():
    model = build(PreActResNet(width=4), 3)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False))["params"]
    assert {name: set(jax.tree.leaves(tree)) for name, tree in layers(params).items()} == {
        "stem": {0},
        **{f"stage{number}": {number} for number in range(1, 5)},
        "head": {5},
    }


@pytest.mark.parametrize("modules", [("hidden1", "head"), ("stem", "head"), ("stem", "block1", "transition1", "head")])
def test_a_network_without_a_stem_blocks_and_a_head_is_refused(modules):
    with pytest.raises(ValueError, match=f"layer_decay is for networks of .*{modules[0]}.*leave it out") as error:
        direction(Sgd(layer_decay=0.75)).init(dict.fromkeys(modules, LEAF))
    assert "\n" not in str(error.value)
