"""Laws of building a network from its configuration."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from mixup_jax import config
from mixup_jax.models import MLP, MODELS, PreActResNet, build, normalizes, takes


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
    model = config.Model(name, width=16)
    assert build(model, 10) == build(model, 10)
    assert hash(build(model, 10)) == hash(build(model, 10))  # a static argument of jit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnet"}, r"'resnet'.*preact_resnet, wide_resnet, densenet, mlp"),
        ({"width": 0}, "width is 0"),
        ({"width": 10**9}, "width is 1000000000"),
        ({"blocks": (10**9,)}, r"blocks is \(1000000000,\)"),
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


SET = {"width": 8, "blocks": (1, 1), "variant": "F", "stem_stride": 2, "dropout": 0.5, "remat": True}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("field", SET)
def test_what_is_set_of_a_network_is_in_it_or_refused(name, field):
    model = config.Model(name, **{field: SET[field]})
    if field in takes(name):
        assert getattr(build(model, 10), field) == SET[field] != getattr(build(config.Model(name), 10), field)
    else:
        with pytest.raises(ValueError, match=f"{field} is .*; it does nothing for {name}: leave it out"):
            build(model, 10)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("preact_resnet", (64, (2, 2, 2, 2))),
        ("wide_resnet", (160, (4, 4, 4))),
        ("densenet", (40, (31, 31, 31))),
        ("resnet50", (64, (3, 4, 6, 3))),
        ("lenet", (20, None)),
        ("vgg11", (64, None)),
    ],
)
def test_a_network_that_is_only_named_has_its_published_size(name, size):
    network = build(config.Model(name), 10)
    assert (network.width, getattr(network, "blocks", None)) == size


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_said_to_have_batch_norm_where_it_has_statistics(name):
    model = config.Model(name, width=16, **({"blocks": (1,)} if "blocks" in takes(name) else {}))
    shape = (1, 161, 101, 1) if name in ("lenet", "vgg11") else (1, 64, 64, 3)
    init = partial(build(model, 3).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros(shape))
    assert normalizes(model) == ("batch_stats" in variables)


def test_classes_must_be_positive():
    with pytest.raises(ValueError, match="classes is 0"):
        build(config.Model(), 0)
