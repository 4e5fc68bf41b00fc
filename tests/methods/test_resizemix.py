"""Laws of ResizeMix: boxes inside of the image, the whole partner in each, and a plan that says it all."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import Mix, mix
from mixup_jax.methods import draw_resizemix, mix_by_rule, paste_resized

carry_out = jax.jit(paste_resized)


LAM = np.linspace(0, 1, 21, dtype=np.float32)
PARTNER = np.roll(np.arange(21), 1)


@pytest.fixture
def draws(rng, fix_lambdas):
    """Return a function that draws a plan whose examples have known lambdas."""

    def draws(lam, size, **options):
        fix_lambdas("resizemix", lam)
        return jax.jit(lambda rng: draw_resizemix(rng, (len(lam), *size), **options))(rng)

    return draws


def boxes(plan):
    """Return top, left, height and width of each box."""
    rows, columns = ~np.asarray(plan.mask).all(axis=2), ~np.asarray(plan.mask).all(axis=1)
    return np.stack([rows.argmax(axis=1), columns.argmax(axis=1), rows.sum(axis=1), columns.sum(axis=1)], axis=1)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_boxes_are_whole_and_have_the_share_that_was_drawn(draws, size):
    plan = draws(LAM, size, per="example")
    expected = np.ones((21, *size), bool)
    for mask, (top, left, height, width) in zip(expected, boxes(plan), strict=True):
        mask[top : top + height, left : left + width] = False
    np.testing.assert_array_equal(plan.mask, expected)
    for side, length in zip(boxes(plan)[:, 2:].T, size, strict=True):
        np.testing.assert_array_equal(side, np.maximum((0.1 + 0.7 * (1 - LAM)) * length, 1).astype(int))


def test_boxes_are_anywhere_inside_with_equal_probability(draws):
    plan = draws(np.full(4000, 0.5), (7, 5), low=0.6, high=0.6, per="example")  # 4 x 3 pixels: 4 x 3 places
    places, counts = np.unique(boxes(plan), axis=0, return_counts=True)
    assert [place[:2] for place in places.tolist()] == [[top, left] for top in range(4) for left in range(3)]
    assert abs(counts - 4000 / 12).max() < 5 * np.sqrt(4000 / 12)


def test_one_box_a_batch(draws):
    plan = draws(LAM, (8, 8), per="batch")
    assert len(np.unique(plan.mask, axis=0)) == 1


@pytest.mark.parametrize(("dtype", "samples"), [(np.float32, 4), (np.uint8, 1)])
def test_in_the_box_is_the_whole_partner_shrunk_and_outside_nothing_changes(draws, dtype, samples):
    x = np.random.default_rng(0).integers(0, 256, (21, 7, 5, 3)).astype(dtype)
    plan = draws(LAM, (7, 5), per="example")
    mixed = np.asarray(carry_out(plan, x))
    for i, (top, left, height, width) in enumerate(boxes(plan).tolist()):
        rows, columns = (
            np.floor((np.arange(side * samples) + 0.5) * length / (side * samples)).astype(int)
            for side, length in ((height, 7), (width, 5))
        )
        small = x[PARTNER[i]][np.ix_(rows, columns)].reshape(height, samples, width, samples, 3).mean(axis=(1, 3))
        expected = x[i].copy()
        expected[top : top + height, left : left + width] = small
        np.testing.assert_array_equal(mixed[i], expected)


def test_shrinking_by_a_whole_number_is_the_mean_of_pixels(draws):
    x = np.random.default_rng(0).normal(size=(21, 8, 8)).astype(np.float32)
    plan = draws(LAM, (8, 8), low=0.5, high=0.5, per="example")
    mixed = np.asarray(carry_out(plan, x))
    means = x.reshape(21, 4, 2, 4, 2).mean(axis=(2, 4))
    for i, (top, left, _, _) in enumerate(boxes(plan).tolist()):
        np.testing.assert_allclose(mixed[i, top : top + 4, left : left + 4], means[PARTNER[i]], atol=1e-6)


def test_a_box_as_large_as_the_image_is_the_partner_and_an_empty_one_nothing():
    x, y = np.random.default_rng(0).normal(size=(21, 7, 5, 3)).astype(np.float32), np.eye(21, dtype=np.float32)
    for kept in (0, 1):
        lam, mask = np.full(21, kept, np.float32), np.full((21, 7, 5), bool(kept))
        plan = Mix(jnp.asarray(lam), jnp.asarray(PARTNER), mask=jnp.asarray(mask))
        for mixed, leaf in zip(carry_out(plan, (x, y)), (x, y), strict=True):
            np.testing.assert_array_equal(mixed, leaf if kept else leaf[PARTNER])


def test_partners_may_be_in_another_batch(draws):
    partner = np.random.default_rng(0).integers(0, 30, 21)
    plan = replace(draws(LAM, (7, 5), per="example"), partner=jnp.asarray(partner))
    other = np.broadcast_to(np.arange(1, 31, dtype=np.float32)[:, None, None], (30, 7, 5))
    expected = np.where(plan.mask, 0, partner[:, None, None] + 1.0)
    np.testing.assert_allclose(carry_out(plan, np.zeros((21, 7, 5), np.float32), other), expected, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.5, 0.4), (0.5, 1.1), (float("nan"), 0.5)])
def test_a_range_that_makes_no_sense_is_an_error(rng, low, high):
    with pytest.raises(ValueError, match=rf"low and high .* got {low} and {high}"):
        draw_resizemix(rng, (6, 7, 5), low=low, high=high)


@pytest.mark.parametrize("carry", [mix, lambda plan, tree: mix_by_rule(plan, tree, "mix")])
def test_mix_refuses_the_images_of_such_a_plan_and_takes_its_labels(draws, carry):
    plan = draws(LAM, (7, 5), per="example")
    y = np.eye(21, dtype=np.float32)
    np.testing.assert_array_equal(carry(plan, y), paste_resized(plan, y))
    with pytest.raises(ValueError, match=r"paste_resized for leaf\['image'\], float32\[21,7,5\]"):
        carry(plan, {"image": np.zeros((21, 7, 5), np.float32), "label": y})


def test_a_plan_without_boxes_is_an_error():
    with pytest.raises(ValueError, match="draw_resizemix"):
        paste_resized(Mix(jnp.ones(6), jnp.arange(6)), np.zeros((6, 7, 5)))
