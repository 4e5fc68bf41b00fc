"""Laws of building a network from its configuration."""

import jax
import jax.numpy as jnp
import pytest

from mixup_jax import config
from mixup_jax.models import MLP, MODELS, NAMED, PreActResNet, build


def test_the_network_is_the_one_described():
    model = config.Model("preact_resnet", 16, (1, 2), "F", 0.3, "bfloat16")
    expected = PreActResNet(10, 16, (1, 2), "F", 0.3, jnp.dtype("bfloat16"), "data")
    assert build(model, 10, axis_name="data") == expected


def test_a_network_takes_only_the_fields_that_it_has():
    model = config.Model("mlp", 128, dropout=0.5)
    assert build(model, 3, axis_name="data") == MLP(3, 128, dropout=0.5, dtype=jnp.dtype("float32"))


def test_the_defaults_are_preact_resnet_18_in_variant_h():
    network = build(config.Model(), 10)
    variables = jax.eval_shape(lambda rng: network.init(rng, jnp.zeros((1, 32, 32, 3)), train=False), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 11_171_146


@pytest.mark.parametrize("name", MODELS)
def test_each_network_can_be_built_and_compared(name):
    model = config.Model(name, width=16) if name in NAMED else config.Model(name, width=4, blocks=(1,))
    assert build(model, 10) == build(model, 10)
    assert hash(build(model, 10)) == hash(build(model, 10))  # a static argument of jit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnet"}, r"'resnet'.*preact_resnet, wide_resnet, densenet, mlp"),
        ({"width": 0}, "width is 0"),
        ({"blocks": ()}, r"blocks is \(\)"),
        ({"blocks": (2, 0)}, r"blocks is \(2, 0\)"),
        ({"variant": "G"}, "H or F"),
        ({"dropout": 1.0}, r"dropout is 1.0.*\[0, 1\)"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"compute_dtype": "float16"}, "float32 or bfloat16"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(change, message):
    model = config.Model()
    for name, value in change.items():
        object.__setattr__(model, name, value)  # the type checker of the tests would refuse some in the constructor
    with pytest.raises(ValueError, match=message) as error:
        build(model, 10)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [{"blocks": (1, 1)}, {"variant": "F"}, {"stem_stride": 2}])
def test_what_a_name_fixes_cannot_be_set(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is .*; it does nothing for vgg16: leave it out"):
        build(config.Model("vgg16", **change), 10)


def test_classes_must_be_positive():
    with pytest.raises(ValueError, match="classes is 0"):
        build(config.Model(), 0)
