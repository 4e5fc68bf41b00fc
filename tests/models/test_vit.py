"""Laws of the Vision Transformer: published sizes, published starts, fixed positions, hidden states by name."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from model_laws import assert_computes_in_bfloat16, assert_mixed_by_name, assert_reaches_every_parameter
from published import kept_for_backward

from mixup_jax import Mix, draw, mix
from mixup_jax.choices import networks
from mixup_jax.methods import mix_at
from mixup_jax.models import ViT, build
from mixup_jax.models.layers.transformer import gelu
from mixup_jax.models.size import size
from mixup_jax.models.vit import sincos2d
from mixup_jax.steps.optim import outside_norms

PLAIN = {"pool": "gap", "positions": "sincos2d"}
BIG_VISION = {**PLAIN, "gelu": "tanh", "initialization": "big_vision", "head_init": "zeros", "pre_logits": True}
TINY = ViT(5, width=16, depth=3, patch=4, heads=2)


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(1), (4 * 8 * 12 * 3,)).reshape(4, 8, 12, 3)


@pytest.fixture(scope="module")
def variables(images):
    return jax.jit(partial(TINY.init, train=False))(jax.random.key(0), images)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("width", "options", "count", "giga"),
    [
        (192, {}, 5_717_416, 1.254),
        (384, {}, 22_050_664, 4.599),
        (768, {}, 86_567_656, 17.564),
        (384, {**PLAIN, "pre_logits": True}, 22_122_472, None),
        (192, PLAIN, 5_679_400, None),
        (512, {"positions": "learned_patches", "pre_logits": True}, 39_099_880, None),
        (768, {"positions": "learned_patches", "layer_scale": 1e-4}, 86_585_320, None),
    ],
)
def test_it_has_the_published_parameters_and_multiply_adds(width, options, count, giga):
    found = size(build(networks.ViT(width, **options), 1000), (224, 224, 3))
    assert found.parameters == count
    assert giga is None or round(found.multiply_adds / 1e9, 3) == giga


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "classes", "side", "count"),
    [
        ({"width": 1024, "depth": 24}, 1000, 224, 304_326_632),
        ({"width": 768, "patch": 32}, 1000, 224, 88_224_232),
        ({"width": 384, "patch": 32}, 1000, 224, 22_878_952),
        ({"width": 192, "patch": 4}, 100, 32, 5_380_132),
    ],
)
def test_other_sizes_have_the_published_parameters(options, classes, side, count):
    assert size(build(networks.ViT(**options), classes), (side, side, 3)).parameters == count


@pytest.mark.parametrize(("rows", "columns", "width"), [(3, 5, 16), (14, 14, 192)])
def test_fixed_positions_are_sines_and_cosines_of_both_coordinates(rows, columns, width):
    table, quarter = sincos2d(rows, columns, width), width // 4
    for y, x in ((0, 0), (rows - 1, 1), (1, columns - 1)):
        for k in range(quarter):
            rate = 1 / 10000 ** (k / (quarter - 1))
            expected = (math.sin(x * rate), math.cos(x * rate), math.sin(y * rate), math.cos(y * rate))
            np.testing.assert_allclose(table[y * columns + x, k::quarter], expected, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("options", [{}, BIG_VISION, {"positions": "learned_patches", "layer_scale": 1e-4}])
def test_a_last_layer_of_zeros_starts_at_the_loss_of_ignorance(rng, images, options):
    model = ViT(5, width=16, depth=1, patch=4, **options | {"head_init": "zeros"})
    logits, _ = jax.jit(partial(model.init_with_output, train=False))(rng, images)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1, 2, 3]))
    np.testing.assert_allclose(loss, math.log(5), rtol=1e-6)


@pytest.mark.thorough
def test_the_bias_of_the_last_layer_starts_where_sigmoids_of_1000_classes_are_rare(rng):
    model = ViT(1000, width=16, depth=1, patch=4, head_init="zeros", head_bias=-6.9)
    logits, _ = jax.jit(partial(model.init_with_output, train=False))(rng, jnp.ones((1, 8, 8, 3)))
    loss = optax.sigmoid_binary_cross_entropy(logits, jax.nn.one_hot(jnp.array([3]), 1000)).sum()
    np.testing.assert_allclose(loss, 1000 * math.log1p(math.exp(-6.9)) + 6.9, rtol=1e-5)


@pytest.mark.thorough
def test_it_starts_as_timm_or_big_vision_do(rng):
    image = jnp.zeros((1, 32, 32, 3))

    def params(**options):
        model = ViT(5, width=64, depth=1, patch=16, **options)
        return jax.jit(partial(model.init, train=False))(rng, image)["params"]

    timm, bound = params(), 768**-0.5
    for kernel in (timm["block1"]["attention"]["qkv"]["kernel"], timm["block1"]["mlp"]["dense2"]["kernel"]):
        np.testing.assert_allclose(kernel.std(), 0.02, rtol=0.05)
    patches = timm["stem"]["patches"]
    assert abs(patches["kernel"]).max() <= bound
    np.testing.assert_allclose(patches["kernel"].std(), bound / 3**0.5, rtol=0.05)
    assert not timm["block1"]["attention"]["qkv"]["bias"].any()

    big_vision, bound = params(**BIG_VISION), (6 / 128) ** 0.5
    qkv = big_vision["block1"]["attention"]["qkv"]["kernel"]
    assert 0.98 * bound < abs(qkv).max() <= bound  # of three kernels of 64 x 64, not of one of 64 x 192
    np.testing.assert_allclose(big_vision["stem"]["patches"]["kernel"].std(), 768**-0.5, rtol=0.05)
    np.testing.assert_allclose(big_vision["block1"]["mlp"]["dense1"]["bias"].std(), 1e-6, rtol=0.3)
    assert not big_vision["head"]["dense"]["kernel"].any()


def test_exact_gelu_is_x_times_the_normal_distribution_function():
    x = jnp.linspace(-4, 4, 33)
    np.testing.assert_allclose(gelu("exact")(x), x * jax.scipy.stats.norm.cdf(x), atol=1e-6)
    np.testing.assert_allclose(gelu("exact")(x), gelu("tanh")(x), atol=5e-4)


@pytest.mark.thorough
def test_the_input_of_a_block_is_mixed_by_its_name(rng, images, variables):
    def run(layer, plan, images):
        with mix_at(plan, layer):
            apply = partial(TINY.apply, capture_intermediates=True, mutable=["intermediates"])
            logits, seen = apply(variables, images, train=False)
        return logits, seen["intermediates"]

    forward = jax.jit(run, static_argnums=0)
    plan, nothing = draw(rng, len(images), 1.0), Mix(jnp.ones(4), jnp.arange(4))
    (_, mixed), (_, plain) = forward("block3", plan, images), forward("block3", nothing, images)
    np.testing.assert_array_equal(mixed["block2"]["__call__"][0], plain["block2"]["__call__"][0])
    assert not np.allclose(mixed["block3"]["__call__"][0], plain["block3"]["__call__"][0])
    assert_mixed_by_name(TINY, variables, images, "block3", atol=1e-5)


def test_a_layer_that_is_not_there_is_refused_with_the_names_that_are(rng, images, variables):
    with (
        pytest.raises(ValueError, match=r"stem, block1, .*block3, .*head.* got 'block4'"),
        mix_at(draw(rng, 4, 1.0), "block4"),
    ):
        jax.eval_shape(partial(TINY.apply, train=False), variables, images)


@pytest.mark.thorough
@pytest.mark.parametrize("remat", [False, True])
def test_gradients_under_mixing_at_a_block_are_finite_and_reach_every_parameter(rng, images, variables, remat):
    model = TINY.copy(remat=remat, dropout=0.1, stochastic_depth=0.2)
    plan = draw(rng, len(images), 1.0)

    @jax.jit
    def gradient(params):
        def loss_fn(params):
            with mix_at(plan, "block3"):
                logits = model.apply({"params": params}, images, train=True, rngs={"dropout": rng})
            return mix(plan, optax.softmax_cross_entropy(logits, jax.nn.one_hot(jnp.arange(4), 5))).mean()

        return jax.grad(loss_fn)(params)

    assert_reaches_every_parameter(gradient(variables["params"]))


def test_remat_keeps_less_for_the_backward_pass():
    whole, less = (kept_for_backward(TINY.copy(remat=remat), 16) for remat in (False, True))
    assert less < 0.5 * whole


def test_bfloat16_computes_in_it_and_keeps_parameters_and_logits_in_float32(images, variables):
    model = TINY.copy(dtype=jnp.bfloat16, layer_scale=1.0)
    start = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    assert {leaf.dtype for leaf in jax.tree.leaves(start)} == {jnp.dtype(jnp.float32)}
    assert_computes_in_bfloat16(model, start, images)
    models = (TINY, TINY.copy(dtype=jnp.bfloat16))
    exact, rounded = (jax.jit(partial(each.apply, train=False))(variables, images) for each in models)
    np.testing.assert_allclose(rounded, exact, atol=0.02)


def test_decay_may_leave_out_layer_norm_and_nothing_else(variables):
    kept = outside_norms(variables["params"])
    left_out = {jax.tree_util.keystr(path) for path, keep in jax.tree_util.tree_leaves_with_path(kept) if not keep}
    modules = [f"['block{i}']['norm{j}']" for i in (1, 2, 3) for j in (1, 2)] + ["['head']['norm']"]
    assert left_out == {f"{module}['{leaf}']" for module in modules for leaf in ("scale", "bias")}


def test_an_image_that_patches_do_not_divide_is_refused_in_one_line(rng):
    with pytest.raises(ValueError, match="patch is 4, which does not divide images of 8 x 10") as error:
        jax.eval_shape(partial(TINY.init, train=False), rng, jnp.zeros((1, 8, 10, 3)))
    assert "\n" not in str(error.value)


def test_heads_that_do_not_divide_the_width_are_refused(rng):
    with pytest.raises(ValueError, match="heads must divide the width of 16, got 3"):
        jax.eval_shape(partial(TINY.copy(heads=3).init, train=False), rng, jnp.zeros((1, 8, 8, 3)))
