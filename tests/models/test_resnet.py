"""Laws of ResNet and ResNeXt: the published sizes, the published start, and memory saved without another result."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import kept_for_backward, parameters_and_multiply_adds

from mixup_jax.choices import networks
from mixup_jax.models import ResNet, build

TINY = ResNet(5, width=16, blocks=(1, 2), groups=2, group_width=32)


@pytest.fixture(scope="module")
def tiny():
    image = jax.random.normal(jax.random.key(1), (4 * 16 * 16 * 3,)).reshape(4, 16, 16, 3)
    return jax.jit(partial(TINY.init, train=False))(jax.random.key(0), image), image


@pytest.mark.parametrize(
    ("name", "count", "giga"),
    [
        ("resnet18", 11_689_512, 1.814),
        ("resnet34", 21_797_672, 3.664),
        ("resnet50", 25_557_032, 4.089),
        ("resnext101_32x4d", 44_177_704, 7.970),
        pytest.param("resnet101", 44_549_160, 7.801, marks=pytest.mark.slow),  # as resnet50, with more blocks
        pytest.param("resnext101_64x4d", 83_455_272, 15.460, marks=pytest.mark.slow),
    ],
)
def test_it_has_the_published_parameters_and_multiply_adds(name, count, giga):
    parameters, multiply_adds = parameters_and_multiply_adds(build(networks.ResNet(name), 1000))
    assert parameters == count
    assert round(multiply_adds / 1e9, 3) == giga


@pytest.mark.thorough
def test_at_the_start_every_block_passes_its_input_on(tiny):
    variables, image = tiny
    scales = {
        jax.tree_util.keystr(path): float(jnp.abs(leaf).max())
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if path[-1].key == "scale"
    }
    assert {name for name, scale in scales.items() if scale == 0} == {n for n in scales if "bn3" in n}
    capture = {"capture_intermediates": True, "mutable": ["intermediates"]}
    _, seen = jax.jit(partial(TINY.apply, train=False, **capture))(variables, image)
    first, second = (seen["intermediates"]["stage2"][f"block{i}"]["__call__"][0] for i in (1, 2))
    np.testing.assert_array_equal(second, first)


def test_it_starts_as_goyal_et_al_do(tiny):
    params = tiny[0]["params"]
    kernel = params["stage2"]["block1"]["conv2"]["kernel"]
    assert kernel.shape == (3, 3, 16, 32)  # two groups of 16
    np.testing.assert_allclose(kernel.std(), (2 / (9 * 32)) ** 0.5, rtol=0.05)
    np.testing.assert_allclose(params["head"]["dense"]["kernel"].std(), 0.01, rtol=0.1)
    assert not params["head"]["dense"]["bias"].any()


def test_remat_keeps_less_for_the_backward_pass():
    whole, less = (kept_for_backward(TINY.copy(remat=remat), 16) for remat in (False, True))
    assert less < 0.7 * whole


@pytest.mark.exhaustive
def test_remat_changes_no_gradient(tiny):
    variables, image = tiny

    def gradient(model):
        def loss_fn(params):
            state = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, updated = model.apply(state, image, train=True, mutable=["batch_stats"])
            return jnp.square(logits).sum(), updated

        return jax.jit(jax.grad(loss_fn, has_aux=True))(variables["params"])

    ours, plain = gradient(TINY.copy(remat=True)), gradient(TINY)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_bfloat16_computes_in_it_and_keeps_parameters_and_logits_in_float32(tiny):
    variables, image = tiny
    model = TINY.copy(dtype=jnp.bfloat16)
    start = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), image)
    assert {leaf.dtype for leaf in jax.tree.leaves(start)} == {jnp.dtype(jnp.float32)}
    logits, seen = jax.eval_shape(
        partial(model.apply, train=False, capture_intermediates=True, mutable=["intermediates"]), variables, image
    )
    assert logits.dtype == jnp.float32
    assert seen["intermediates"]["stage2"]["block2"]["conv2"]["__call__"][0].dtype == jnp.bfloat16


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("size", [28, 52])
def test_small_images_of_two_channels_are_fine(name, size):
    image = jax.ShapeDtypeStruct((2, size, size, 2), jnp.float32)
    logits, _ = jax.eval_shape(
        partial(build(networks.ResNet(name, dropout=0.5), 38).init_with_output, train=False), jax.random.key(0), image
    )
    assert logits.shape == (2, 38)


def test_a_width_that_does_not_divide_into_groups_is_refused():
    with pytest.raises(ValueError, match="width is 24; groups of 4 channels need a multiple of 16"):
        parameters_and_multiply_adds(build(networks.ResNet("resnext101_32x4d", width=24), 10))
