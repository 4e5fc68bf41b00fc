"""Laws of ConvNeXt: published sizes, stems for small images, hidden states by name."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_laws import (
    assert_computes_in_bfloat16,
    assert_mixed_by_name,
    assert_reaches_every_parameter,
    gradient_of_squares,
)
from published import kept_for_backward

from mixup_jax.choices.networks import SIZES
from mixup_jax.models import ConvNeXt, build
from mixup_jax.models.size import size

TINY = ConvNeXt(5, width=8, blocks=(1, 2), patch=2)


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(1), (4 * 8 * 8 * 3,)).reshape(4, 8, 8, 3)


@pytest.fixture(scope="module")
def variables(images):
    return jax.jit(partial(TINY.init, train=False))(jax.random.key(0), images)


@pytest.mark.parametrize(
    ("name", "count", "giga"),
    [
        ("convnext_atto", 3_695_520, 0.547),
        ("convnext_tiny", 28_589_128, 4.456),
        ("convnext_small", 50_223_688, 8.684),
        ("convnext_base", 88_591_464, 15.355),
    ],
)
def test_it_has_the_published_parameters_and_multiply_adds(name, count, giga):
    found = size(build(SIZES[name](), 1000), (224, 224, 3))
    assert (found.parameters, round(found.multiply_adds / 1e9, 3)) == (count, giga)


def test_a_block_starts_by_passing_its_input_on(images, variables):
    capture = {"capture_intermediates": True, "mutable": ["intermediates"]}
    _, seen = jax.jit(partial(TINY.apply, train=False, **capture))(variables, images)
    first, second = (seen["intermediates"]["stage2"][f"block{i}"]["__call__"][0] for i in (1, 2))
    np.testing.assert_allclose(second, first, atol=1e-5)
    np.testing.assert_array_equal(variables["params"]["stage2"]["block2"]["gamma"], np.full(16, 1e-6, np.float32))


def test_the_input_of_a_stage_is_mixed_by_its_name(images, variables):
    assert_mixed_by_name(TINY, variables, images, "stage2/block2", atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("remat", [False, True])
def test_gradients_are_finite_and_reach_every_parameter(rng, images, variables, remat):
    model = TINY.copy(remat=remat, stochastic_depth=0.2)
    assert_reaches_every_parameter(gradient_of_squares(model, variables["params"], images, rng))


def test_remat_keeps_less_for_the_backward_pass():
    whole, less = (kept_for_backward(TINY.copy(remat=remat), 16) for remat in (False, True))
    assert less < 0.5 * whole


def test_bfloat16_computes_in_it_and_keeps_parameters_and_logits_in_float32(images, variables):
    assert_computes_in_bfloat16(TINY.copy(dtype=jnp.bfloat16), variables, images)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_the_stem_keeps_halves_or_quarters_small_images(rng, patch):
    model = ConvNeXt(5, width=8, blocks=(1, 1), patch=patch)
    capture = {"capture_intermediates": True, "mutable": ["params", "intermediates"]}
    _, seen = jax.eval_shape(
        partial(model.apply, train=False, rngs={"params": rng}, **capture), {}, jnp.zeros((2, 8, 8, 1))
    )
    stem, last = (seen["intermediates"][name]["__call__"][0].shape for name in ("stem", "stage2"))
    assert (stem, last) == ((2, 8 // patch, 8 // patch, 8), (2, 4 // patch, 4 // patch, 16))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((8, 9, 3), "patch is 2, which does not divide images of 8 x 9"), ((8, 2, 3), "images of 8 x 2 are too small")],
)
def test_images_that_do_not_fit_are_refused_in_one_line(rng, shape, message):
    with pytest.raises(ValueError, match=message) as error:
        jax.eval_shape(partial(TINY.init, train=False), rng, jnp.zeros((1, *shape)))
    assert "\n" not in str(error.value)
