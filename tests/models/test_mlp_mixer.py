"""Laws of MLP-Mixer: published sizes, where it starts, hidden states by name."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from model_laws import (
    assert_computes_in_bfloat16,
    assert_mixed_by_name,
    assert_reaches_every_parameter,
    gradient_of_squares,
)

from mixup_jax.choices.networks import SIZES
from mixup_jax.choices.networks import MLPMixer as Options
from mixup_jax.models import MLPMixer, build
from mixup_jax.models.size import size

TINY = MLPMixer(5, width=16, depth=3, patch=4)


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(1), (4 * 8 * 12 * 3,)).reshape(4, 8, 12, 3)


@pytest.fixture(scope="module")
def variables(images):
    return jax.jit(partial(TINY.init, train=False))(jax.random.key(0), images)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "count", "giga"),
    [
        ("mixer_s16_224", 18_528_264, 3.777),
        ("mixer_b16_224", 59_880_472, 12.602),
        ("mixer_l16_224", 208_196_168, 44.548),
    ],
)
def test_it_has_the_published_parameters(name, count, giga):
    found = size(build(SIZES[name](), 1000), (224, 224, 3))
    assert (found.parameters, round(found.multiply_adds / 1e9, 3)) == (count, giga)


@pytest.mark.thorough
def test_it_starts_at_the_loss_of_ignorance(images, variables):
    logits = TINY.apply(variables, images, train=False)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1, 2, 3]))
    np.testing.assert_allclose(loss, math.log(5), rtol=1e-6)
    kernel = variables["params"]["block1"]["channels"]["dense1"]["kernel"]  # 1,024 numbers
    np.testing.assert_allclose(kernel.std(), 1 / 4, rtol=0.1)


@pytest.mark.thorough
def test_the_input_of_a_block_is_mixed_by_its_name(images, variables):
    variables = jax.tree.map(lambda leaf: leaf + jnp.sin(jnp.arange(leaf.size) + 0.0).reshape(leaf.shape), variables)
    assert_mixed_by_name(TINY, variables, images, "block3", atol=1e-4)


@pytest.mark.thorough
def test_gradients_are_finite_and_reach_every_parameter(rng, images, variables):
    model = TINY.copy(remat=True, stochastic_depth=0.2, stochastic_depth_rescale=False)
    params = jax.tree.map(lambda leaf: leaf + 0.1, variables["params"])
    assert_reaches_every_parameter(gradient_of_squares(model, params, images, rng))


def test_bfloat16_computes_in_it_and_keeps_parameters_and_logits_in_float32(images, variables):
    assert_computes_in_bfloat16(TINY.copy(dtype=jnp.bfloat16), variables, images)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match=r"width must be even, .* got 15"):
        Options(width=15)
