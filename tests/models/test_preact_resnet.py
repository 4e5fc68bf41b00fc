"""Laws of the pre-activation ResNet: sizes, modes, where dropout acts, where one may cut."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models.preact_resnet import PreActResNet

SMALL = partial(PreActResNet, classes=10, width=4, blocks=(1, 1))


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 3)), jnp.float32)


@partial(jax.jit, static_argnums=0)
def initialise(model, rng, images):
    return model.init(rng, images, train=False)


@pytest.fixture(scope="module")
def variables(images):
    """Of the small network in variant H; dropout and dtype make no difference to them."""
    return initialise(SMALL(), jax.random.key(0), images)


@partial(jax.jit, static_argnums=0)
def train(model, variables, images, rng=None):
    rngs = None if rng is None else {"dropout": rng}
    return model.apply(variables, images, train=True, mutable=["batch_stats"], rngs=rngs)


@partial(jax.jit, static_argnums=0)
def evaluate(model, variables, images):
    return model.apply(variables, images, train=False)


def assert_close(ours, theirs, tolerance=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance), ours, theirs)


def shapes_of(model, size, channels, train):
    def run(rng):
        variables = model.init(rng, jnp.zeros((2, size, size, channels)), train=False)
        images = jnp.zeros((3, size, size, channels))
        logits = model.apply(variables, images, train=train, mutable=["batch_stats"] if train else False)
        return variables, logits

    return jax.eval_shape(run, jax.random.key(0))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variant", "classes", "count"), [("H", 10, 11_171_146), ("F", 10, 11_171_274), ("F", 100, 11_217_444)]
)
def test_it_has_the_published_number_of_parameters(variant, classes, count):
    variables, _ = shapes_of(PreActResNet(classes, variant=variant), 32, 3, False)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.thorough
@pytest.mark.parametrize(  # every two of size, mode and variant, and not all three
    ("size", "channels", "variant", "train"),
    [(8, 1, "H", False), (28, 1, "F", True), (28, 1, "H", False), (33, 3, "H", True), (33, 3, "F", False)],
)
def test_any_image_size_gives_one_float32_logit_a_class(variant, size, channels, train):
    _, logits = shapes_of(PreActResNet(10, width=4, blocks=(1, 1, 1, 1), variant=variant), size, channels, train)
    logits = logits[0] if train else logits
    assert (logits.shape, logits.dtype) == ((3, 10), jnp.float32)


@pytest.mark.thorough
def test_convolutions_and_the_dense_layer_start_uniform_within_one_over_root_fan_in(variables):
    params = variables["params"]
    kernels = {
        "stem": (params["stem"]["conv"]["kernel"], 9 * 3),
        "conv1": (params["stage2"]["block1"]["conv1"]["kernel"], 9 * 4),
        "conv2": (params["stage2"]["block1"]["conv2"]["kernel"], 9 * 8),
        "shortcut": (params["stage2"]["block1"]["shortcut"]["kernel"], 4),
        "dense": (params["head"]["dense"]["kernel"], 8),
        "bias": (params["head"]["dense"]["bias"], 8),
    }
    for kernel, fan_in in kernels.values():
        size = abs(kernel) * fan_in**0.5
        assert 0.7 < size.max() <= 1.0
        if kernel.size > 100:
            np.testing.assert_allclose([size.mean(), kernel.mean()], [0.5, 0.0], atol=0.1)


@pytest.mark.thorough
@pytest.mark.parametrize("variant", ["H", "F"])
def test_evaluation_sees_one_example_at_a_time_and_uses_the_running_statistics(rng, images, variables, variant):
    model = SMALL(variant=variant)
    if variant == "F":
        variables = initialise(model, rng, images)
    together = evaluate(model, variables, images)
    alone = jnp.concatenate([evaluate(model, variables, image[None]) for image in images])
    assert_close(together, alone)
    np.testing.assert_array_equal(together, evaluate(model, variables, images))
    trained = variables | train(model, variables, images)[1]
    assert abs(evaluate(model, trained, images) - together).max() > 1e-3


@pytest.mark.thorough
def test_each_seed_of_a_vmap_is_that_seed_alone(rng, images):
    model, seeds = SMALL(blocks=(1,)), jax.random.split(rng, 2)

    def run(seed):
        variables = initialise(model, seed, images)

        def loss_fn(params):
            logits, updated = train(model, variables | {"params": params}, images)
            return jnp.square(logits).mean(), (logits, updated)

        return jax.grad(loss_fn, has_aux=True)(variables["params"])

    mapped = jax.jit(jax.vmap(run))(seeds)
    for i in range(2):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), jax.jit(run)(seeds[i]))


def test_bfloat16_keeps_float32_parameters_and_comes_close(images, variables):
    model = SMALL(dtype=jnp.bfloat16)
    shapes = jax.eval_shape(partial(initialise, model), jax.random.key(0), images)
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype(jnp.float32)}
    logits, updated = train(model, variables, images)
    exact, exact_updated = train(SMALL(), variables, images)
    assert {leaf.dtype for leaf in jax.tree.leaves((logits, updated))} == {jnp.dtype(jnp.float32)}
    assert_close((logits, updated), (exact, exact_updated), 0.1)
    assert abs(logits - exact).max() > 0  # it did compute in 16 bits


def inputs_of(model, variables, images, **options):
    """Run the model and return the input of each submodule by its path, in the order of the calls."""
    inputs = {}

    def record(call, args, kwargs, context):
        inputs["/".join(context.module.path)] = args[0]
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        model.apply(variables, images, mutable=["batch_stats"], **options)
    return inputs


@pytest.mark.thorough
def test_dropout_acts_between_the_two_convolutions_and_nowhere_else(rng, images, variables):
    rate = 0.75
    plain = inputs_of(SMALL(), variables, images, train=True)
    dropped = inputs_of(SMALL(dropout=rate), variables, images, train=True, rngs={"dropout": rng})
    block = "stage1/block1"
    for name in ("bn1", "conv1", "bn2", "dropout"):
        np.testing.assert_array_equal(plain[f"{block}/{name}"], dropped[f"{block}/{name}"])
    before, after = plain[f"{block}/conv2"], dropped[f"{block}/conv2"]
    kept = (after != 0) | (before == 0)
    assert_close(after, jnp.where(kept, before / (1 - rate), 0.0))
    share = (after != 0).sum() / (before != 0).sum()
    assert abs(share - (1 - rate)) < 0.08
    zeros = {name for name, value in dropped.items() if name != "stem" and (value == 0).mean() > 0.7}
    assert {name for name in zeros if "conv" in name} == {"stage1/block1/conv2", "stage2/block1/conv2"}
    assert not any("dropout" in path for path in zeros)


def test_dropout_follows_its_key_when_training_and_is_off_otherwise(images, variables):
    model = SMALL(dropout=0.5)
    first, second = (train(model, variables, images, jax.random.key(i))[0] for i in (0, 1))
    assert abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(first, train(model, variables, images, jax.random.key(0))[0])
    np.testing.assert_array_equal(evaluate(model, variables, images), evaluate(SMALL(), variables, images))


def test_the_hidden_state_can_be_changed_at_each_cut_by_name(images, variables):
    model = SMALL()
    cuts = ["stem", "stage1", "stage2", "head"]
    expected = evaluate(model, variables, images)
    calls = list(inputs_of(model, variables, images, train=False))
    assert [name for name in calls if name in cuts] == cuts

    for cut in cuts:

        def reverse(call, args, kwargs, context, cut=cut):
            if context.module.path == (cut,):
                args = (args[0][::-1], *args[1:])
            return call(*args, **kwargs)

        with nn.intercept_methods(reverse):
            logits = model.apply(variables, images, train=False)
        assert_close(logits, expected[::-1])
