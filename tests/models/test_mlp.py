"""Laws of the multilayer perceptron."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models.mlp import MLP


def test_it_has_two_hidden_layers_by_default(rng):
    params = MLP(classes=3, width=5).init(rng, jnp.zeros((1, 4)), train=False)["params"]
    shapes = {name: layer["kernel"].shape for name, layer in params.items()}
    assert shapes == {"hidden1": (4, 5), "hidden2": (5, 5), "head": (5, 3)}


def test_without_hidden_layers_it_is_a_linear_map(rng):
    model = MLP(classes=3, depth=0)
    x, y = jax.random.normal(rng, (2, 6, 4))
    variables = model.init(rng, x, train=False)
    bias = variables["params"]["head"]["bias"]
    f = lambda x: model.apply(variables, x, train=False) - bias[None]  # noqa: E731
    np.testing.assert_allclose(f(0.3 * x + 0.7 * y), 0.3 * f(x) + 0.7 * f(y), atol=1e-6)


def test_an_image_is_the_vector_of_its_pixels(rng):
    model, images = MLP(classes=10, width=8), jax.random.normal(rng, (3, 4, 4, 2))
    variables = model.init(rng, images, train=False)
    flat = images.reshape(3, -1)
    np.testing.assert_array_equal(
        model.apply(variables, images, train=False), model.apply(variables, flat, train=False)
    )


def test_it_is_the_formula_in_the_paper_of_every_textbook(rng):
    model, x = MLP(classes=3, width=16), jax.random.normal(rng, (5, 4))
    params = model.init(rng, x, train=False)["params"]
    hidden = np.asarray(x)
    for name in ("hidden1", "hidden2"):
        hidden = np.maximum(hidden @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"]), 0)
    expected = hidden @ np.asarray(params["head"]["kernel"]) + np.asarray(params["head"]["bias"])
    np.testing.assert_allclose(model.apply({"params": params}, x, train=False), expected, atol=1e-5)


@pytest.mark.thorough
def test_weights_and_biases_start_uniform_within_one_over_root_fan_in(rng):
    params = MLP(classes=100, width=64).init(rng, jnp.zeros((1, 25)), train=False)["params"]
    for name, fan_in in (("hidden1", 25), ("hidden2", 64), ("head", 64)):
        for leaf in jax.tree.leaves(params[name]):
            size = abs(leaf) * fan_in**0.5
            assert 0.9 < size.max() <= 1.0
            assert abs(size.mean() - 0.5) < 0.1


@pytest.mark.thorough
def test_dropout_acts_on_both_hidden_layers_when_training_only(rng):
    model, x = MLP(classes=3, width=256, dropout=0.5), jax.random.normal(rng, (8, 4))
    variables = model.init(rng, x, train=False)
    filter_dropout = lambda module, _: "dropout" in (module.name or "")  # noqa: E731
    for train, low, high in (
        (True, 0.2, 0.3),
        (False, 0.4, 0.6),
    ):  # half of the units are not active in the first place
        _, state = model.apply(
            variables, x, train=train, rngs={"dropout": rng}, capture_intermediates=filter_dropout, mutable=True
        )
        seen = state["intermediates"]
        assert sorted(seen) == ["dropout1", "dropout2"]
        assert low < (seen["dropout1"]["__call__"][0] != 0).mean() < high
        assert (seen["dropout2"]["__call__"][0] != 0).mean() < high
    np.testing.assert_array_equal(
        model.apply(variables, x, train=False), MLP(classes=3, width=256).apply(variables, x, train=False)
    )


@pytest.mark.thorough
@pytest.mark.parametrize("shape", [(3, 7), (3, 8, 8, 1)])
def test_bfloat16_keeps_float32_parameters_and_logits(rng, shape):
    x = jax.random.normal(rng, shape)
    model = MLP(classes=10, width=32, dtype=jnp.bfloat16)
    variables = model.init(rng, x, train=False)
    logits = model.apply(variables, x, train=False)
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, logits))} == {jnp.dtype(jnp.float32)}
    exact = MLP(classes=10, width=32).apply(variables, x, train=False)
    assert 0 < abs(logits - exact).max() < 0.05
