"""Laws of building a network from its options."""

from functools import partial
from typing import get_type_hints

import jax
import jax.numpy as jnp
import pytest

from mixup_jax.choices import networks
from mixup_jax.config import CHOICES
from mixup_jax.models import MLP, MODELS, PreActResNet, build, normalizes

SET = {"width": 8, "blocks": (1, 1), "variant": "F", "stem_stride": 2, "dropout": 0.5, "remat": True}


def options(name):
    return [each for each in vars(CHOICES["model"][name]()) if each != "name"]


def test_the_network_is_the_one_described():
    model = networks.PreActResNet(16, (1, 2), "F", 0.3)
    expected = PreActResNet(10, 16, (1, 2), "F", 0.3, jnp.dtype("bfloat16"), "data")
    assert build(model, 10, "bfloat16", axis_name="data") == expected
    assert build(networks.MLP(128, 0.5), 3, axis_name="data") == MLP(3, 128, dropout=0.5, dtype=jnp.dtype("float32"))


def test_every_network_has_options_and_all_options_are_tried():
    assert CHOICES["model"].keys() == MODELS.keys()
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
        model = CHOICES["model"][name](**{option: SET[option]})
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


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_said_to_have_batch_norm_where_it_has_statistics(name):
    model = CHOICES["model"][name](width=16, **({"blocks": (1,)} if "blocks" in options(name) else {}))
    shape = (1, 161, 101, 1) if name in ("lenet", "vgg11") else (1, 64, 64, 3)
    init = partial(build(model, 3).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros(shape))
    assert normalizes(model) == ("batch_stats" in variables)


def test_classes_must_be_positive():
    with pytest.raises(ValueError, match="classes is 0"):
        build(networks.PreActResNet(), 0)
