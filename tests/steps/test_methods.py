"""Laws of every method that a command offers: the same batch wherever the step runs, and no other method traced.

All methods are in one program, with one lambda an example: compiling is most of what they cost.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from tiny_runs import BATCH, CLASSES, DATA, MLP, PREACT, assert_close, changed

from mixup_jax.choices import Mixed
from mixup_jax.config import CHOICES
from mixup_jax.methods import fmix
from mixup_jax.methods.table import METHODS
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import mixed_batch, train_step

MIXING = [name for name in CHOICES["mixing"] if name != "erm"]
FIELDS = {
    **{name: {"method": name} for name in MIXING},
    "lattice": {"method": "gridmix", "period": 3},
    "one peak": {"method": "saliencymix", "peak": "batch"},
    "some of them": {"method": "dirichlet", "probability": 0.5},
    "shrunk, some of them": {"method": "resizemix", "probability": 0.5},
    "k-mixup": {"method": "mixup", "partner": "optimal", "group": 4},
    "labels of a blob": {"method": "fmix", "labels": "larger", "partner": "different_class"},
    "salient neighbours": {"method": "saliencymix", "partner": "neighbours", "neighbours": 3},
    "noise on both": {"method": "regmixup", "noise": 0.1, "eta": 0.5},
}
WHOLE_BATCH = ("saliencymix", "one peak", "k-mixup", "labels of a blob", "salient neighbours")
"""What looks at all images or labels of the batch, or beside it, and so is refused under pmap."""


def recipe_of(config=MLP, **fields):
    return make_recipe(changed(config, **{"per": "example", **fields}), DATA)


RECIPES = {name: recipe_of(**fields) for name, fields in FIELDS.items()}
BLOCKS = {name: recipe_of(**fields, block=2, pad_crop=0) for name, fields in FIELDS.items() if name not in WHOLE_BATCH}


@pytest.fixture(scope="module", autouse=True)
def quick(quick_beta):
    """Compile no Beta distribution."""


@pytest.fixture(scope="module")
def batch():
    own = {"image": jnp.asarray(DATA.train_image[:BATCH]), "label": jnp.asarray(DATA.train_label[:BATCH])}
    return own | {f"partner_{name}": leaf[::-1] for name, leaf in own.items()}


def every(rng, batch, recipes=RECIPES):
    """Return images and labels of every method; partners beside the batch are for those that ask for them."""
    mixed = {}
    for name, recipe in recipes.items():
        own = {each: leaf for each, leaf in batch.items() if name == "salient neighbours" or "partner" not in each}
        mixed[name] = mixed_batch(rng, own, 1.0, 0, recipe)[:2]
    return mixed


@pytest.fixture(scope="module")
def alone(batch):
    return jax.jit(every)(jax.random.key(0), batch)


def test_every_method_of_the_library_is_one_of_the_commands():
    assert set(METHODS) <= set(MIXING)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FIELDS)
def test_labels_keep_their_mass_and_images_are_mixed(alone, batch, name):
    image, label = alone[name]
    rows = BATCH * (2 if FIELDS[name]["method"] == "regmixup" else 1)
    assert (image.shape, label.shape) == ((rows, *DATA.image_shape), (rows, CLASSES))
    np.testing.assert_allclose(np.sum(label, axis=1), 1, atol=1e-6)
    assert np.isfinite(image).all()
    assert (np.asarray(label).max(axis=1) < 1).any() or FIELDS[name].get("labels") == "larger"


@pytest.mark.slow
def test_eager_and_jitted_batches_are_the_same(alone, batch, rng):
    assert_close(every(rng, batch), alone, 1e-5)


@pytest.mark.thorough
def test_eight_devices_see_the_batch_of_one(batch, rng):
    """Of images that the normalisation leaves alone: in a program of many methods it is fused in more than one way."""
    exact = {name: replace(recipe, mean=(0.0,), std=(1.0,)) for name, recipe in RECIPES.items()}
    batch = {name: leaf.astype(jnp.float32) if "image" in name else leaf for name, leaf in batch.items()}
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    spread = jax.device_put(batch, NamedSharding(mesh, P("data")))
    see = jax.jit(partial(every, recipes=exact))
    alone = see(rng, batch)
    for name, found in see(rng, spread).items():
        for a, b in zip(found, alone[name], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.thorough
def test_a_seed_of_a_vmap_is_that_seed_alone(alone, batch, rng):
    several = jax.jit(jax.vmap(every, in_axes=(0, None)))(jnp.stack([jax.random.key(5), rng]), batch)
    assert_close(jax.tree.map(lambda leaf: leaf[1], several), alone, 1e-5)


@pytest.mark.thorough
def test_devices_that_draw_their_shares_see_the_batch_of_one(batch, rng):
    mapped = {name: replace(recipe, axis_name="data") for name, recipe in BLOCKS.items()}
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = {"in_specs": (P(), P("data")), "out_specs": P("data")}
    shares = jax.jit(jax.shard_map(partial(every, recipes=mapped), mesh=mesh, **specs))(rng, batch)
    assert_close(shares, jax.jit(partial(every, recipes=BLOCKS))(rng, batch), 1e-5)


@pytest.mark.parametrize("name", WHOLE_BATCH)
def test_what_looks_at_the_whole_batch_is_refused_under_pmap(batch, rng, name):
    block = None if "partner" in FIELDS[name] else 2
    recipe = replace(recipe_of(**FIELDS[name], block=block), axis_name="data")
    shares = jax.tree.map(lambda leaf: leaf.reshape(8, -1, *leaf.shape[1:]), batch)
    step = jax.vmap(lambda own: mixed_batch(rng, own, 1.0, 0, recipe)[:2], axis_name="data")
    with pytest.raises(ValueError, match=r"under pmap|not pmap") as refusal:
        jax.eval_shape(step, shares)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", MIXING)
def test_what_is_not_chosen_is_not_traced(batch, rng, monkeypatch, name):
    def never(*arguments, **options):
        raise AssertionError("a method that was not chosen")

    chosen = {"switch": {"mixup", "cutmix"}}.get(name, {name if METHODS.get(name, METHODS["mixup"]).draw else "mixup"})
    for each in METHODS.keys() - chosen - {"mixup", "noisy_feature_mixup"}:
        monkeypatch.setitem(METHODS, each, METHODS[each]._replace(draw=never, carry_out=never))
    own = {each: batch[each] for each in ("image", "label")}
    jax.eval_shape(lambda rng: mixed_batch(rng, own, 1.0, 0, RECIPES[name])[:2], rng)


@pytest.mark.thorough
def test_a_method_of_the_step_is_the_public_function(batch, rng):
    recipe = recipe_of(method="fmix", pad_crop=0, flip=False)
    own = {each: batch[each] for each in ("image", "label")}
    image, label, _ = jax.jit(partial(mixed_batch, recipe=recipe))(rng, own, 0.3, 0)
    clean = mixed_batch(rng, own, 0.3, 0, make_recipe(changed(MLP, alpha=0.0, pad_crop=0, flip=False), DATA))
    assert_close(fmix(jax.random.split(rng, 4)[1], *clean[:2], 0.3, per="example"), (image, label), 1e-5)


def begin(config=MLP, **fields):
    recipe = recipe_of(config, **fields)
    blank = jnp.zeros((1, *DATA.image_shape))
    state = jax.jit(lambda seed: init_state(seed, recipe.model, recipe.optimizer, blank))(0)
    return recipe, state, jax.jit(partial(train_step, recipe=recipe))


@pytest.mark.thorough
def test_every_method_takes_a_step(batch):
    _, state, _ = begin()
    own = {each: batch[each] for each in ("image", "label")}

    @jax.jit
    def steps(state, alpha):
        return {name: train_step(state, own, alpha, RECIPES[name])[1] for name in MIXING}

    metrics = steps(state, 1.0)
    losses = [float(each["loss"]) for each in metrics.values()]
    assert np.isfinite(losses).all()
    assert len(set(losses)) == len(MIXING)
    assert all(float(each["grad_norm"]) > 0 for each in metrics.values())


@pytest.mark.thorough
@pytest.mark.parametrize("parts", [1, 4])
def test_regmixup_learns_from_the_clean_batch_and_eta_times_its_mixture(batch, parts):
    fields = {"method": "regmixup", "eta": 0.25, "alpha": 2.0, "pad_crop": 0, "flip": False, "label_smoothing": 0.1}
    recipe, state, step = begin(**fields, accumulate=parts)
    own = {each: batch[each] for each in ("image", "label")}
    _, metrics = step(state, own, 2.0)
    rng_batch, _ = jax.random.split(jax.random.fold_in(state.rng, 0))
    image, label, _ = jax.jit(partial(mixed_batch, recipe=recipe))(rng_batch, own, 2.0, 0)
    mixup = jax.jit(partial(mixed_batch, recipe=recipe_of(alpha=2.0, pad_crop=0, flip=False)))
    assert_close((image[1::2], label[1::2]), mixup(rng_batch, own, 2.0, 0)[:2], 1e-6)
    logits = recipe.model.apply({"params": state.params}, image, train=False)
    losses = optax.softmax_cross_entropy(logits, optax.smooth_labels(label, 0.1))
    np.testing.assert_allclose(metrics["loss"], losses[::2].mean() + 0.25 * losses[1::2].mean(), rtol=1e-5)
    accuracy = np.mean(np.asarray(label)[np.arange(2 * BATCH), np.argmax(logits, axis=1)])
    np.testing.assert_allclose(metrics["accuracy"], accuracy, rtol=1e-5)


@pytest.mark.thorough
def test_noise_of_noisy_feature_mixup_is_as_strong_in_all_rows(batch, rng):
    quiet, noisy = (
        jax.jit(partial(mixed_batch, recipe=recipe_of(**fields, pad_crop=0)))(rng, own, 1.0, 0)
        for own in [{each: batch[each] for each in ("image", "label")}]
        for fields in ({}, {"method": "noisy_feature_mixup", "additive_noise": 0.5, "multiplicative_noise": 0.0})
    )
    np.testing.assert_allclose(quiet[1], noisy[1], atol=1e-6)
    deviations = np.std(noisy[0] - quiet[0], axis=(1, 2, 3))
    assert 0 < deviations.mean() < 0.5
    np.testing.assert_allclose(deviations, deviations.mean(), rtol=0.4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "gridmix", "cells": 3, "period": 4}, "cells does nothing with a period, got 3 and a period of 4"),
        ({"method": "gridmix", "cells": 1}, "cells must be between 2 and 1000.* got 1"),
        ({"method": "resizemix", "resize": (0.8, 0.1)}, r"resize must be two numbers .* got \(0.8, 0.1\)"),
        ({"method": "fmix", "fmix_decay": -1.0}, "fmix_decay must be between 0 and 10, got -1"),
        ({"method": "fmix", "alpha": -1.0}, "alpha must be .*got -1"),
        (
            {"method": "noisy_feature_mixup", "additive_noise": 0.0, "multiplicative_noise": 0.0},
            "additive_noise and multiplicative_noise are both 0, which is method mixup",
        ),
        ({"method": "noisy_feature_mixup", "alphas": (0.0, 1.0)}, "alpha must be .*got"),
        ({"method": "regmixup", "alphas": (0.0, 1.0)}, "alpha must be .*got"),
        ({"method": "regmixup", "eta": 0.0}, "eta must be above 0.*got 0"),
        ({"method": "dirichlet", "examples": 2}, "examples must be between 3 and 100; 2 is method mixup, got 2"),
        ({"group": 4}, "group is for partner optimal, got partner permutation"),
        ({"partner": "optimal", "group": 3}, "group must divide the batch of 128 into two or more, got 3"),
        ({"partner": "optimal", "batch_size": 16}, "group must divide the batch of 16 into two or more, got 16"),
        ({"partner": "optimal", "block": 4}, "block goes with the partners .*, got optimal"),
        ({"partner": "optimal", "repeats": 2}, "partner optimal goes without repeats, got 2"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(fields, message):
    with pytest.raises(ValueError, match=message) as refusal:
        changed(replace(PREACT, batch_size=128), **fields)
    assert "\n" not in str(refusal.value)


def test_a_grid_that_is_finer_than_the_pixels_is_refused(batch, rng):
    with pytest.raises(ValueError, match="cells must be from 1 to 6, the shorter side of the images, got 7"):
        jax.eval_shape(lambda: mixed_batch(rng, batch, 1.0, 0, recipe_of(method="gridmix", cells=7))[:2])


def test_several_alphas_of_any_method_are_each_alone_and_zero_is_erm():
    config = changed(MLP, method="fmix", alphas=(0.0, 0.5))
    assert [each.mixing.name for each in config.each_alpha()] == ["erm", "fmix"]
    assert all(isinstance(each.mixing, Mixed) == (each.mixing.alphas != (0.0,)) for each in config.each_alpha())
