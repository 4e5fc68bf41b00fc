"""Laws of random erasing."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mixup_jax.augment.erasing import ASPECT, erase

compiled = jax.jit(erase, static_argnames="probability")
COUNT, SIDE = 2000, 32


@pytest.fixture(scope="module")
def erased():
    """Which pixels of 2000 images were erased, with probability 1/4."""
    image = jnp.zeros((COUNT, SIDE, SIDE, 2))
    return np.asarray(compiled(jax.random.key(1), image, 0.25))


def test_a_share_of_the_images_loses_one_full_box(erased):
    inside = erased.any(axis=3)
    there = inside.any(axis=(1, 2))
    assert abs(there.sum() - COUNT / 4) < 4 * (COUNT * 3 / 16) ** 0.5
    for each in inside[there]:
        rows, columns = each.any(axis=1), each.any(axis=0)
        np.testing.assert_array_equal(each, rows[:, None] & columns[None])
        for line in (rows, columns):
            [where] = np.nonzero(line)
            assert where[-1] - where[0] + 1 == len(where) < SIDE


def test_areas_are_uniform_and_aspects_log_uniform(erased):
    inside = erased.any(axis=3)
    inside = inside[inside.any(axis=(1, 2))]
    high, wide = inside.any(axis=2).sum(axis=1), inside.any(axis=1).sum(axis=1)
    area, aspect = high * wide / SIDE**2, np.log(high / wide)
    assert 0.01 < area.min() < 0.05
    assert 0.3 < area.max() < 0.36
    assert abs(area.mean() - (0.02 + 1 / 3) / 2) < 0.02
    assert abs(aspect.mean()) < 0.15
    assert abs(aspect).max() < np.log(ASPECT[1]) + 0.3
    assert abs(aspect.std() - 2 * np.log(ASPECT[1]) / 12**0.5) < 0.08


def test_every_place_is_as_likely_as_its_mirror_image(erased):
    share = erased.any(axis=3).mean(axis=0)
    np.testing.assert_allclose(share, share[::-1, ::-1], atol=0.03)
    assert share[0].max() > 0


def test_what_is_erased_is_standard_normal(erased):
    values = erased[erased != 0]
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02


def test_boxes_that_never_fit_leave_the_image(rng):
    image = jnp.ones((50, 1, 9, 1))
    np.testing.assert_array_equal(compiled(rng, image, 1.0), image)


def test_probability_zero_is_nothing_and_others_are_refused(rng):
    image = jnp.ones((2, 4, 4, 1))
    np.testing.assert_array_equal(erase(rng, image, 0.0), image)
    with pytest.raises(ValueError, match=r"probability is 1\.5; it must be between 0 and 1"):
        erase(rng, image, 1.5)


@pytest.mark.thorough
def test_an_example_is_the_same_in_a_part_of_the_batch_and_on_eight_devices(rng):
    image = jax.random.normal(rng, (16, 12, 10, 3))
    whole = compiled(rng, image, 0.5)
    positions = jnp.array([14, 3, 7])
    np.testing.assert_array_equal(whole[positions], compiled(rng, image[positions], 0.5, positions))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split, everywhere = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    function = jax.jit(partial(erase, probability=0.5), in_shardings=(everywhere, split), out_shardings=split)
    np.testing.assert_array_equal(function(rng, image), whole)
    text = function.lower(rng, image).compile().as_text()
    assert not re.search(r"= .*(all-gather|all-to-all|collective-permute|all-reduce)", text)
