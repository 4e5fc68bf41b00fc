"""Laws of the augmented examples that a step sees: which operations, from which keys, the same on any devices."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from tiny_runs import BATCH, DATA, MLP, Run, assert_equal, changed

from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.erasing import erase
from mixup_jax.augment.in_step import augment_in_step
from mixup_jax.augment.standard import normalize, pad_crop_flip
from mixup_jax.choices import RandAugment
from mixup_jax.steps.recipe import for_decoded, make_recipe
from mixup_jax.steps.train_step import ERASING, OPERATIONS, mixed_batch

ALL = {"augment": "randaugment", "operation_probability": 1.0, "color_jitter": 0.3, "erase": 0.5}


@pytest.fixture(scope="module")
def batch():
    return {"image": jnp.asarray(DATA.train_image[:BATCH]), "label": jnp.asarray(DATA.train_label[:BATCH])}


def see(rng, batch, recipe):
    return np.asarray(jax.jit(partial(mixed_batch, recipe=recipe))(rng, batch, 1.0, 0)[0])


def augmented(rng, image, erased=0.5):
    """Crop, operations, normalisation and erasing, in this order, from the keys that a step takes."""
    image = pad_crop_flip(rng, image, pad=1, flip=True)
    stages = stages_of(RandAugment(operation_probability=1.0), 0.3, image.shape[1:3], DATA.mean)
    image = augment_in_step(jax.random.fold_in(rng, OPERATIONS), image, stages)
    return erase(jax.random.fold_in(rng, ERASING), normalize(image, DATA.mean, DATA.std), erased)


@pytest.mark.thorough
def test_a_step_crops_augments_normalises_and_erases_own_and_partner_images_by_keys_of_their_own(rng, batch):
    rng_augment = jax.random.split(rng, 4)[0]
    erm = make_recipe(changed(MLP, alpha=0.0, **ALL), DATA)
    own = jax.jit(augmented)(rng_augment, batch["image"])
    np.testing.assert_allclose(see(rng, batch, erm), own, atol=1e-5)
    beside = batch | {"partner_image": batch["image"], "partner_label": batch["label"]}
    mixed = make_recipe(changed(MLP, partner="neighbours", neighbours=3, **ALL), DATA)
    image, _, plan = jax.jit(partial(mixed_batch, recipe=mixed))(rng, beside, 1.0, 0)
    other = jax.jit(augmented)(jax.random.fold_in(rng_augment, BATCH), batch["image"])
    lam = plan.lam[:, None, None, None]
    np.testing.assert_allclose(image, lam * own + (1 - lam) * other, atol=1e-5)
    assert (own != other).any(axis=(1, 2, 3)).sum() > BATCH // 2


@pytest.mark.thorough
def test_a_step_on_parts_of_the_batch_sees_what_a_step_on_the_whole_does(rng, batch):
    recipe = make_recipe(changed(MLP, block=2, **ALL), DATA)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = {"in_specs": (P(), P("data"), P(), P()), "out_specs": P("data")}
    share = replace(recipe, axis_name="data")
    mapped = jax.shard_map(lambda *inputs: mixed_batch(*inputs, share)[0], mesh=mesh, **specs)
    np.testing.assert_array_equal(jax.jit(mapped)(rng, batch, 1.0, 0), see(rng, batch, recipe))


@pytest.mark.thorough
def test_a_run_of_several_seeds_on_eight_devices_is_that_on_one():
    config = changed(MLP, seeds=2, **ALL)
    one, eight = Run(config, 1), Run(config, 8)
    (state, _), (other, _) = (run.train(run.start(), 2) for run in (one, eight))
    for ours, theirs in zip(*(jax.tree.leaves(each.params) for each in (state, other)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_photographs_are_augmented_on_the_host_and_only_erased_in_the_step(rng, batch):
    recipe = for_decoded(make_recipe(changed(MLP, alpha=0.0, **ALL), DATA))
    assert (recipe.pad_crop, recipe.flip) == (0, False)
    rng_erase = jax.random.fold_in(jax.random.split(rng, 4)[0], ERASING)
    expected = jax.jit(erase, static_argnums=2)(rng_erase, normalize(batch["image"], DATA.mean, DATA.std), 0.5)
    np.testing.assert_allclose(see(rng, batch, recipe), expected, atol=1e-5)


def test_images_of_two_channels_have_no_colours():
    two = replace(
        DATA,
        train_image=np.repeat(DATA.train_image, 2, axis=3),
        test_image=np.repeat(DATA.test_image, 2, axis=3),
        mean=DATA.mean * 2,
        std=DATA.std * 2,
    )
    assert make_recipe(changed(MLP, erase=0.5), two)
    for option in ({"augment": "three_augment"}, {"color_jitter": 0.5}):
        with pytest.raises(ValueError, match=r"augment and color_jitter are for images of .* have 2"):
            make_recipe(changed(MLP, **option), two)


@pytest.mark.thorough
def test_augmented_runs_repeat_bit_for_bit():
    run = Run(changed(MLP, **ALL), 2)
    assert_equal(run.train(run.start(), 3), run.train(run.start(), 3))
