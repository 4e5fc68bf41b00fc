"""Laws of the training modes: they are the library's mixing plans, and nothing else."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.wafer.config import MapMixing
from experiments.wafer.mix_maps import RULES, leave_impossible, mix_maps
from experiments.wafer.patterns import DEFECTS, EXCLUSIVE, WHOLE_WAFER
from mixup_jax import Mix, draw, mix
from mixup_jax.methods import union

SIZE = 40


@pytest.fixture(scope="module")
def batch():
    """Maps with one defect each, all types, and some wafers smaller than others."""
    rng_fail, rng_exists = jax.random.split(jax.random.key(0))
    exists = jax.random.bernoulli(rng_exists, 0.9, (SIZE, 12, 12)).astype(jnp.float32)
    fail = jax.random.bernoulli(rng_fail, 0.2, (SIZE, 12, 12)) * exists
    return {"fail": fail, "exists": exists, "label": jnp.eye(8)[jnp.arange(SIZE) % 8]}


def composed(batch, **options):
    program = jax.jit(partial(mix_maps, composing=MapMixing(**options), defects=DEFECTS))
    return program(jax.random.key(1), batch)


def plan_of():
    """The plan that `mix_maps` draws from this key for two maps."""
    [key] = jax.random.split(jax.random.key(1), 1)
    return draw(jax.random.split(key)[0], SIZE, 1.0)


def test_erm_leaves_the_batch_alone(batch):
    assert mix_maps(jax.random.key(1), batch, MapMixing(mode="erm"), DEFECTS) is batch


@pytest.mark.thorough
def test_every_mode_follows_the_librarys_plan(batch):
    plan = plan_of()
    blended, both = mix(plan, batch["fail"]), union(plan, batch["label"])
    expected = {
        "mixup": (blended, mix(plan, batch["label"])),
        "mixup-multi-hot": (blended, both),
        "overlay": (union(plan, batch["fail"]), both),
    }
    for mode, (fail, label) in expected.items():
        found = composed(batch, mode=mode)
        np.testing.assert_allclose(found["fail"], fail, rtol=1e-6)
        np.testing.assert_allclose(found["label"], label, rtol=1e-6)
        assert np.array_equal(found["exists"], union(plan, batch["exists"]))


def test_a_mixed_wafer_exists_where_either_does_and_fails_nowhere_else(batch):
    for mode in RULES:
        found = composed(batch, mode=mode)
        assert (found["fail"] <= found["exists"]).all()
        assert found["fail"].min() >= 0


@pytest.mark.thorough
def test_mixup_keeps_the_mass_of_labels_and_overlay_holds_whole_ones(batch):
    np.testing.assert_allclose(composed(batch, mode="mixup")["label"].sum(axis=1), 1, rtol=1e-6)
    for options in ({}, {"maps": 4}, {"maps": 4, "probability": 0.5, "pairs": "possible"}):
        found = composed(batch, **options)
        for name in ("fail", "label"):
            assert set(np.unique(found[name])) <= {0.0, 1.0}
        assert (found["label"] >= batch["label"]).all()
        assert (found["fail"] >= batch["fail"]).all()
        number = found["label"].sum(axis=1)
        assert number.mean() > 1
        assert number.max() <= MapMixing(**options).maps


@pytest.mark.thorough
def test_the_probability_is_the_share_of_further_maps(batch):
    big = jax.tree.map(lambda leaf: jnp.tile(leaf, (25,) + (1,) * (leaf.ndim - 1)), batch)
    changed = composed(big, probability=0.3)["label"].sum(axis=1) > 1
    assert abs(float(changed.mean()) - 0.3 * 7 / 8) < 0.06


@pytest.mark.thorough
def test_what_is_laid_over_a_map_is_the_others_defect_where_it_is_given(batch):
    nothing = batch | {"defect": jnp.zeros_like(batch["fail"])}
    found = composed(nothing, maps=4, background="match")
    assert np.array_equal(found["fail"], batch["fail"])
    assert np.array_equal(found["label"], composed(batch, maps=4)["label"])
    everything = composed(batch | {"defect": batch["fail"]}, maps=4, background="match")
    assert np.array_equal(everything["fail"], composed(batch, maps=4)["fail"])


@pytest.mark.thorough
def test_impossible_pairs_are_left_alone(batch):
    found = composed(batch, maps=4, pairs="possible")["label"] > 0
    for first, second in EXCLUSIVE:
        assert not (found[:, DEFECTS.index(first)] & found[:, DEFECTS.index(second)]).any()
    for name in WHOLE_WAFER:
        assert (found[found[:, DEFECTS.index(name)]].sum(axis=1) == 1).all()
    assert found.sum(axis=1).max() > 1


def test_what_is_possible_is_not_changed_and_other_types_are_all_possible():
    plan = Mix(lam=jnp.full(2, 0.4), partner=jnp.array([1, 0]))
    center_and_scratch = jnp.eye(8)[jnp.array([0, 6])]
    assert leave_impossible(plan, center_and_scratch, center_and_scratch, DEFECTS).lam.tolist() == plan.lam.tolist()
    own_types = jnp.eye(2)
    assert leave_impossible(plan, own_types, own_types, ("Arc", "Blob")).lam.tolist() == plan.lam.tolist()
