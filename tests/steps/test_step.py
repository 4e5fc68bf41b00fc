"""Laws of one training step: the paper's algorithm, whatever transformation it runs under."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from tiny_runs import BATCH, BOTH, CLASSES, DATA, MLP, PREACT, assert_close, assert_equal, changed

from mixup_jax.augment.standard import normalize
from mixup_jax.models import build
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state, share_of_start
from mixup_jax.steps.train_step import mixed_batch, train_step

BLANK = jnp.zeros((1, *DATA.image_shape))
NAMES = pytest.mark.parametrize("name", BOTH)


@pytest.fixture(scope="module")
def batch():
    return {"image": jnp.asarray(DATA.train_image[:BATCH]), "label": jnp.asarray(DATA.train_label[:BATCH])}


def begin(config):
    """Recipe, first state, and the jitted step of a configuration."""
    recipe = make_recipe(config, DATA)
    state = jax.jit(lambda seed: init_state(seed, recipe.model, recipe.optimizer, BLANK, average=recipe.ema > 0))(0)
    return recipe, state, jax.jit(partial(train_step, recipe=recipe))


@pytest.mark.slow
def test_jit_is_eager(batch):
    recipe, state, step = begin(MLP)
    assert_close(step(state, batch, 1.0), train_step(state, batch, 1.0, recipe), 1e-5)


@pytest.mark.thorough
def test_a_vmap_over_alphas_is_a_loop_and_alpha_never_recompiles(batch):
    recipe, state, step = begin(MLP)
    alphas = jnp.array([0.0, 0.2, 1.0, 8.0])
    together = jax.jit(jax.vmap(partial(train_step, recipe=recipe), in_axes=(None, None, 0)))(state, batch, alphas)
    step(state, batch, 0.5)
    for i, alpha in enumerate(map(float, alphas)):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), step(state, batch, alpha))
    assert step._cache_size() == 1


@pytest.mark.thorough
def test_alpha_zero_trains_on_hard_labels(batch):
    recipe, state, step = begin(changed(MLP, pad_crop=0, flip=False))
    _, metrics = step(state, batch, 0.0)
    logits = recipe.model.apply({"params": state.params}, normalize(batch["image"], DATA.mean, DATA.std), train=False)
    hard = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()
    np.testing.assert_allclose(metrics["loss"], hard, rtol=1e-6)
    np.testing.assert_allclose(metrics["accuracy"], jnp.mean(logits.argmax(axis=1) == batch["label"]), rtol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("fields", [{"label_smoothing": 0.3}, {"per": "example", "block": 4, "accumulate": 2}])
def test_accuracy_counts_both_labels_by_their_weight(batch, fields):
    recipe, state, step = begin(changed(MLP, **fields))
    _, metrics = step(state, batch, 1.0)
    rng_batch, _ = jax.random.split(jax.random.fold_in(state.rng, 0))
    image, mixed, plan = jax.jit(partial(mixed_batch, recipe=recipe))(rng_batch, batch, 1.0, 0)
    target = optax.smooth_labels(mixed, recipe.label_smoothing)
    logits = np.asarray(recipe.model.apply({"params": state.params}, image, train=False))
    lam, label = np.asarray(plan.lam), np.asarray(batch["label"])
    predicted = logits.argmax(axis=1)
    expected = lam * (predicted == label) + (1 - lam) * (predicted == label[np.asarray(plan.partner)])
    np.testing.assert_allclose(metrics["accuracy"], expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"], optax.softmax_cross_entropy(logits, target).mean(), rtol=1e-5)
    np.testing.assert_allclose(target.sum(axis=1), 1, rtol=1e-6)
    assert float(target.min()) >= recipe.label_smoothing / CLASSES - 1e-6


@pytest.mark.thorough
@pytest.mark.parametrize("accumulate", [1, 4])
def test_binary_cross_entropy_learns_both_labels_above_the_threshold(batch, accumulate):
    options = {"loss": "bce", "target_threshold": 0.2, "accumulate": accumulate, "seed": 3}
    recipe, state, step = begin(changed(MLP, **options))
    _, metrics = step(state, batch, 8.0)
    rng_batch, _ = jax.random.split(jax.random.fold_in(state.rng, 0))
    image, _, plan = jax.jit(partial(mixed_batch, recipe=recipe))(rng_batch, batch, 8.0, 0)
    one_hot = np.eye(CLASSES)[np.asarray(batch["label"])]
    assert 0.2 < float(plan.lam[0]) < 0.8
    target = np.maximum(one_hot, one_hot[np.asarray(plan.partner)])
    logits = np.asarray(recipe.model.apply({"params": state.params}, image, train=False), np.float64)
    expected = np.log1p(np.exp(logits)) - target * logits
    np.testing.assert_allclose(metrics["loss"], expected.mean(), rtol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("parts", [2, 16])
def test_accumulation_takes_the_step_of_the_whole_batch(batch, parts):
    _, state, whole = begin(MLP)
    _, _, in_parts = begin(changed(MLP, accumulate=parts))
    assert_close(in_parts(state, batch, 1.0), whole(state, batch, 1.0))


def test_accumulation_does_not_change_the_mixed_batch(batch, rng):
    whole, in_parts = (make_recipe(changed(PREACT, accumulate=parts), DATA) for parts in (1, 4))
    mixed = [jax.jit(partial(mixed_batch, recipe=recipe))(rng, batch, 1.0, 0) for recipe in (whole, in_parts)]
    assert_equal(*mixed)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "ema", "accumulate"), [("preact", 0.15, 1), ("mlp", 0.9999, 1), ("preact", 0.15, 4)])
def test_averages_move_by_one_minus_a_warmed_up_decay_towards_new_weights_and_statistics(batch, name, ema, accumulate):
    """Once a step, however many micro-batches it takes."""
    config = changed(BOTH[name], accumulate=accumulate)
    _, state, step = begin(changed(config, ema=ema))
    _, plain, without = begin(config)
    for k in range(3):
        new, plain = step(state, batch, 1.0)[0], without(plain, batch, 1.0)[0]
        assert_close(new.params, plain.params, 1e-6)
        decay = min(ema, (1 + k) / (10 + k))
        now = {"params": new.params, "batch_stats": new.batch_stats}
        expected = jax.tree.map(lambda old, own, decay=decay: decay * old + (1 - decay) * own, state.average, now)
        assert_close(new.average, expected, 1e-6)
        state = new


def test_the_share_of_the_first_weights_is_the_product_of_the_decays():
    assert share_of_start(0.999, 0) == 1.0
    assert share_of_start(0.999, 3) == pytest.approx(1 / 10 * 2 / 11 * 3 / 12)
    assert share_of_start(0.05, 2) == pytest.approx(0.05**2)
    assert share_of_start(0.9999, 10**9) < 1e-6


@pytest.mark.thorough
def test_every_step_draws_anew_and_the_same_step_draws_the_same(batch):
    _, state, step = begin(changed(MLP, dropout=0.5))
    assert_equal(step(state, batch, 1.0), step(state, batch, 1.0))
    frozen = changed(MLP, dropout=0.5, pad_crop=0, flip=False)  # and alpha = 0: dropout alone is left to differ
    _, state, step = begin(frozen)
    losses = {float(step(replace(state, step=jnp.int32(k)), batch, 0.0)[1]["loss"]) for k in range(5)}
    assert len(losses) == 5


GOLDEN = {"mlp": (1.1072197, 0.1817949), "preact": (1.1158965, 0.2249171)}
"""Loss and norm of the gradient of the second step."""


@NAMES
def test_the_second_step_has_the_loss_it_always_had(batch, name):
    _, state, step = begin(BOTH[name])
    _, metrics = step(step(state, batch, 1.0)[0], batch, 1.0)
    np.testing.assert_allclose((metrics["loss"], metrics["grad_norm"]), GOLDEN[name], rtol=1e-5)


MAPPED = {
    "preact": changed(PREACT, block=2, label_smoothing=0.1),
    "mlp": changed(MLP, block=2, per="example", accumulate=2, clip=0.1),
}


def under_pmap(step, state, batch):
    """Take the step under `jax.pmap`, each device with its share of the batch."""
    shares = jax.tree.map(lambda leaf: leaf.reshape(8, -1, *leaf.shape[1:]), batch)
    mapped = jax.pmap(step, axis_name="data", in_axes=(None, 0, None))
    return jax.tree.map(lambda leaf: leaf[0], mapped(state, shares, 1.0))


def under_shard_map(step, state, batch):
    """Take the step under `jax.shard_map`."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = {"in_specs": (P(), P("data"), P()), "out_specs": P()}
    return jax.jit(jax.shard_map(step, mesh=mesh, **specs))(state, batch, jnp.float32(1.0))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "transform"), [("preact", under_pmap), ("preact", under_shard_map), ("mlp", under_shard_map)]
)
def test_a_mapped_step_is_the_global_step(batch, name, transform):
    config = MAPPED[name]
    recipe, state, step = begin(config)
    model = build(config.model, CLASSES, axis_name="data")
    mapped = partial(train_step, recipe=replace(recipe, model=model, axis_name="data"))
    assert_close(transform(mapped, state, batch), step(state, batch, 1.0))


def test_a_mapped_step_without_a_block_that_stays_on_a_device_is_refused(batch):
    for block in (None, 4):
        recipe, state, _ = begin(changed(MLP, block=block))
        with pytest.raises(ValueError, match=f"block must divide each device's 2 examples under pmap, got {block}"):
            under_pmap(partial(train_step, recipe=replace(recipe, axis_name="data")), state, batch)


@pytest.mark.thorough
def test_a_pasted_batch_is_the_same_under_shard_map(batch, rng):
    recipe = make_recipe(changed(MLP, method="switch", per="example", block=2), DATA)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    mapped = partial(mixed_batch, recipe=replace(recipe, axis_name="data"))
    specs = {"in_specs": (P(), P("data"), P(), P()), "out_specs": (P("data"), P("data"), None)}
    program = jax.jit(jax.shard_map(lambda *inputs: (*mapped(*inputs)[:2], None), mesh=mesh, **specs))
    image, target, _ = program(rng, batch, 1.0, 0)
    expected = jax.jit(partial(mixed_batch, recipe=recipe))(rng, batch, 1.0, 0)
    assert_close((image, target), expected[:2], 1e-6)
    assert len(set(np.asarray(expected[2].lam).tolist())) > BATCH // 2


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["mixup", "switch"])
def test_mixing_that_is_switched_off_leaves_hard_labels_from_then_on(batch, rng, method):
    config = changed(MLP, method=method, phase_out=(0.5, 0.5))
    recipe = make_recipe(config, DATA)
    draw = jax.jit(partial(mixed_batch, recipe=recipe))
    steps = 12  # 4 epochs of 3
    shares = [np.asarray(draw(key, batch, 1.0, step)[1]) for step, key in enumerate(jax.random.split(rng, steps))]
    hard = np.asarray(jax.nn.one_hot(batch["label"], CLASSES))
    mixed = [not np.array_equal(share, hard) for share in shares]
    assert mixed == [True] * 6 + [False] * 6
    assert draw._cache_size() == 1
