"""Laws of building a network from its options."""

import dataclasses
import json
from functools import partial
from typing import get_type_hints

import jax
import jax.numpy as jnp
import pytest

from mixup_jax.choices import networks
from mixup_jax.config import CHOICES, Config
from mixup_jax.models import MLP, MODELS, Over, PreActResNet, build, normalizes
from mixup_jax.steps.optim import outside_norms
from mixup_jax.stored_config import read

SET = {
    "width": 8,
    "blocks": (1, 1),
    "variant": "F",
    "stem_stride": 2,
    "dropout": 0.5,
    "remat": True,
    "depth": 2,
    "heads": 2,
    "patch": 2,
    "pool": "gap",
    "positions": "sincos2d",
    "layer_scale": 0.1,
    "pre_logits": True,
    "gelu": "tanh",
    "stochastic_depth": 0.2,
    "stochastic_depth_rule": "uniform",
    "stochastic_depth_rescale": False,
    "initialization": "big_vision",
    "head_init": "zeros",
    "head_bias": -6.9,
}
NEEDED = {name: {"stochastic_depth": 0.1} for name in ("stochastic_depth_rule", "stochastic_depth_rescale")}
"""What an option does something with."""


def options(name):
    return [each for each in vars(CHOICES["model"][name]()) if each != "name"]


def test_the_network_is_the_one_described():
    model = networks.PreActResNet(16, (1, 2), "F", 0.3)
    expected = PreActResNet(10, 16, (1, 2), "F", 0.3, jnp.dtype("bfloat16"), Over("data"))
    assert build(model, 10, "bfloat16", axis_name="data") == expected
    assert build(networks.MLP(128, 0.5), 3, axis_name="data") == MLP(3, 128, dropout=0.5, dtype=jnp.dtype("float32"))


def test_every_network_has_options_and_all_options_are_tried():
    assert CHOICES["model"].keys() - networks.SIZES.keys() == MODELS.keys()
    assert {option for name in MODELS for option in options(name)} == set(SET)


@pytest.mark.parametrize("name", MODELS)
def test_the_defaults_are_the_networks_own(name):
    network = MODELS[name](classes=10)
    for option in options(name):
        assert getattr(CHOICES["model"][name](), option) == getattr(network, option), option


@pytest.mark.parametrize("name", MODELS)
def test_each_network_can_be_built_and_compared(name):
    model = CHOICES["model"][name](width=16)
    assert build(model, 10) == build(model, 10)
    assert hash(build(model, 10)) == hash(build(model, 10))  # a static argument of jit


@pytest.mark.parametrize("name", MODELS)
def test_what_is_set_of_a_network_is_in_it(name):
    for option in options(name):
        model = CHOICES["model"][name](**{option: SET[option]} | NEEDED.get(option, {}))
        assert getattr(build(model, 10), option) == SET[option] != getattr(build(CHOICES["model"][name](), 10), option)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be .* got 0"),
        ({"width": 10**9}, "width must be .* got 1000000000"),
        ({"blocks": (10**9,)}, r"blocks must be .* got \(1000000000,\)"),
        ({"blocks": ()}, r"blocks must be .* got \(\)"),
        ({"blocks": (2, 0)}, r"blocks must be .* got \(2, 0\)"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": -0.1}, "dropout must be .* got -0.1"),
        ({"dropout": float("nan")}, "dropout must be .* got nan"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        networks.PreActResNet(**change)
    assert "\n" not in str(error.value)


def test_values_that_the_type_does_not_list_are_refused():
    assert "variant" in get_type_hints(networks.PreActResNet)
    model = networks.PreActResNet()
    object.__setattr__(model, "variant", "G")  # the type checker of the tests would refuse it in the constructor
    with pytest.raises(ValueError, match="variant must be one of H, F, got 'G'"):
        networks.PreActResNet.__post_init__(model)


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_said_to_have_norms_where_decay_leaves_some_parameters_out(name):
    short = {option: SET[option] for option in ("blocks", "depth") if option in options(name)}
    model = CHOICES["model"][name](width=16, **short)
    shape = (1, 161, 101, 1) if name in ("lenet", "vgg11") else (1, 64, 64, 3)
    init = partial(build(model, 3).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros(shape))
    assert normalizes(model) == (not all(jax.tree.leaves(outside_norms(variables["params"]))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 5}, "heads must divide the width of 384, got 5"),
        ({"width": 200}, "heads must divide the width of 200, got 3"),
        ({"width": 66, "heads": 1, "positions": "sincos2d"}, "width must be a multiple of 4, .* got 66"),
        ({"pool": "gap", "positions": "learned_patches"}, "learned_patches is for pool token"),
        ({"stochastic_depth_rule": "uniform"}, "stochastic_depth_rule .* it is 0"),
        ({"stochastic_depth": 1.0}, r"stochastic_depth must be in \[0, 1\), got 1.0"),
        ({"depth": 0}, "depth must be at least 1 .* got 0"),
        ({"patch": 0}, "patch must be at least 1 .* got 0"),
        ({"head_bias": float("inf")}, "head_bias must be .* got inf"),
    ],
)
def test_a_transformer_that_cannot_be_built_is_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        networks.ViT(**change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", networks.SIZES)
def test_the_name_of_a_size_is_stored_as_the_networks_own(name):
    model = CHOICES["model"][name]()
    assert model.name in MODELS
    stored = json.loads(json.dumps(dataclasses.asdict(Config(model=model))))
    assert read(Config(), stored).model == model


def test_classes_must_be_positive():
    with pytest.raises(ValueError, match="classes is 0"):
        build(networks.PreActResNet(), 0)
