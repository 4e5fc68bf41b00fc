"""Laws of masks: rectangles, boxes, the largest values, and the label weight counted from a mask."""

import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import Mix, mix
from mixup_jax.methods import (
    cutmix,
    draw_cutmix,
    draw_fmix,
    draw_gridmix,
    draw_resizemix,
    fmix,
    gridmix,
    resizemix,
    saliencymix,
)
from mixup_jax.methods.regions import box, box_at, boxes, largest, paste, positions

BOUNDS = [
    (0, 0, 7, 5),
    (2, 1, 5, 4),
    (-3, 2, 4, 9),
    (6, 4, 20, 20),
    (3, 3, 3, 5),
    (9, 9, 12, 12),
]  # top left bottom right


def test_a_rectangle_is_false_inside_and_clipped_at_the_border():
    masks = jax.jit(lambda bounds: box(list(bounds[:2]), list(bounds[2:]), (7, 5)))(np.array(BOUNDS).T)
    for mask, (top, left, bottom, right) in zip(masks, BOUNDS, strict=True):
        expected = np.ones((7, 5), bool)
        expected[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = False
        np.testing.assert_array_equal(mask, expected)


def test_a_box_has_the_share_of_each_side_rounded_down_around_its_center_and_is_clipped():
    lam, row, column = (each.ravel() for each in np.meshgrid(np.linspace(0, 1, 21), np.arange(7), np.arange(5)))
    masks = jax.jit(lambda *center, lam: box_at(center, lam, (7, 5)))(row, column, lam=lam.astype(np.float32))
    for mask, share, i, j in zip(np.asarray(masks), lam, row, column, strict=True):
        height, width = (int(np.sqrt(np.float32(1) - np.float32(share)) * length) for length in (7, 5))
        top, left = i - height // 2, j - width // 2
        expected = np.ones((7, 5), bool)
        expected[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = False
        np.testing.assert_array_equal(mask, expected)
        assert mask[i, j] == (height * width == 0)


def test_the_centers_of_boxes_are_uniform(rng):
    lam = np.full(4000, 1 - 1 / 25, np.float32)
    masks = jax.jit(lambda rng, lam: boxes(rng, lam, (5, 5)))(rng, lam)  # one pixel each
    counts = (~np.asarray(masks)).sum(axis=0)
    assert counts.sum() == 4000
    assert abs(counts - 160).max() < 5 * np.sqrt(160)


VALUES = np.random.default_rng(0).normal(size=(4, 35)).astype(np.float32)
VALUES[1] = np.round(VALUES[1]) + 0.0  # many that are equal
VALUES[2] = -2.5
VALUES[3, :3] = np.inf, -np.inf, 0.0


@pytest.mark.parametrize("count", [0, 1, 17, 34, 35])
def test_the_largest_values_are_exactly_so_many_and_the_first_of_equal_ones(count):
    kept = np.asarray(largest(jnp.asarray(VALUES), jnp.asarray(np.full(4, count))))
    for row, values in zip(kept, VALUES, strict=True):
        expected = np.zeros(35, bool)
        expected[np.argsort(-values, kind="stable")[:count]] = True
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("dtype", [bool, np.float32])
@pytest.mark.parametrize("masks", [1, 6])
def test_lambda_is_the_mean_of_the_mask(dtype, masks):
    mask = np.random.default_rng(0).random((masks, 7, 5), np.float32)
    mask = mask < 0.3 if dtype is bool else mask
    exact = np.broadcast_to(mask, (6, 7, 5)).astype(np.float64).mean(axis=(1, 2))
    plan = Mix(jnp.asarray(np.full(6, 0.5, np.float32)), jnp.asarray(np.array([1, 2, 0, 4, 5, 3])), block=3)
    pasted = jax.jit(paste)(plan, jnp.asarray(mask))
    np.testing.assert_array_equal(pasted.mask, np.broadcast_to(mask, (6, 7, 5)))
    np.testing.assert_allclose(pasted.lam, exact, rtol=3e-7)
    np.testing.assert_array_equal(pasted.partner, plan.partner)
    assert (pasted.mask.dtype, pasted.lam.dtype, pasted.block) == (dtype, np.float32, 3)


def test_a_lambda_that_is_nan_stays_nan():
    plan = Mix(jnp.asarray(np.array([0.5, np.nan], np.float32)), jnp.arange(2))
    np.testing.assert_array_equal(jax.jit(paste)(plan, jnp.asarray(np.ones((1, 4, 4), bool))).lam, [1, np.nan])


def test_the_size_of_images_is_that_of_the_first_leaf():
    assert positions({"a": np.zeros((2, 7, 5, 3)), "b": np.zeros((2, 7, 5))}) == (2, 7, 5)
    assert positions({"a": np.zeros((2, 9, 3)), "b": np.zeros((2, 9))}, dims=1) == (2, 9)
    assert positions({"a": np.zeros((2, 6, 7, 5, 3)), "b": np.zeros((2, 6, 7, 5))}, dims=3) == (2, 6, 7, 5)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        *[(jnp.zeros((8, channels, 32, 32)), r"channels.*moveaxis") for channels in (1, 2, 3, 4, 5, 16)],
        (jnp.zeros((8, 4, 7, 7)), r"channels.*moveaxis"),
        ({"a": jnp.zeros((4, 8, 8, 3)), "b": jnp.zeros((4, 4, 4))}, "of one size, got"),
        (jnp.zeros((4, 8)), r"\(batch, height, width\).* got shape \(4, 8\).*1 cuts sequences"),
        (jnp.zeros((4, 8, 6, 6, 3)), r"dims is 2, got shape \(4, 8, 6, 6, 3\).*3 video"),
        (jnp.zeros((4, 16, 2)), r"channels last, shape \(4, 16, 2\).*dims=1"),
        ([jnp.zeros((8, 8, 3))] * 8, r"list of 8 arrays.*jnp.stack"),
    ],
)
def test_what_is_no_batch_of_images_of_one_size_is_refused(rng, x, message):
    with pytest.raises(ValueError, match=message):
        cutmix(rng, x, jnp.ones((len(jax.tree.leaves(x)[0]), 2)), 1.0)


def test_a_size_that_is_not_batch_height_width_is_refused(rng):
    for draw_method in (draw_cutmix, draw_fmix, draw_gridmix, draw_resizemix):
        unchecked = inspect.unwrap(draw_method)  # the type checker of the tests would be first
        with pytest.raises(
            ValueError, match=r"\(batch, height, width\), as dims is 2, got \(4, 8, 8, 3\).*x.shape\[:3\]"
        ):
            unchecked(rng, (4, 8, 8, 3), 1.0)
        with pytest.raises(ValueError, match=r"got float32\[4,8,8,3\].*x.shape\[:3\]"):
            unchecked(rng, jnp.zeros((4, 8, 8, 3)), 1.0)


def test_a_mask_for_the_channels_last_is_not_laid_on_channels_first(rng):
    plan = draw_cutmix(rng, (4, 8, 8), 1.0)
    with pytest.raises(ValueError, match="moveaxis"):
        mix(plan, jnp.zeros((4, 3, 8, 8)))


SIZES = {1: (9,), 2: (7, 5), 3: (4, 6, 5)}
ONE_CALL = {cutmix: draw_cutmix, fmix: draw_fmix, gridmix: draw_gridmix}


@pytest.mark.thorough
@pytest.mark.parametrize("dims", SIZES)
@pytest.mark.parametrize("method", ONE_CALL)
def test_sequences_images_and_volumes_are_cut_along_their_own_axes(rng, fix_lambdas, method, dims):
    lam = np.linspace(0, 1, 11, dtype=np.float32)
    fix_lambdas(method.__name__, lam)
    draw_plan = ONE_CALL[method]
    plan = jax.jit(lambda rng: draw_plan(rng, (11, *SIZES[dims]), 1.0, dims=dims, per="example"))(rng)
    assert plan.mask.shape == (11, *SIZES[dims])
    np.testing.assert_allclose(plan.lam, np.asarray(plan.mask).reshape(11, -1).mean(axis=1), rtol=2e-7)
    assert (plan.lam[0], plan.lam[-1]) == (0, 1) or method is cutmix  # a box may reach beyond the border
    if method is fmix:
        np.testing.assert_allclose(plan.lam, lam, atol=0.51 / np.prod(SIZES[dims]))
    x = np.arange(11, dtype=np.float32).reshape(-1, *[1] * dims, 1) * np.ones((*SIZES[dims], 2), np.float32)
    mixed, y = jax.jit(lambda rng, x, y: method(rng, x, y, 1.0, dims=dims, per="example"))(rng, x, np.eye(11))
    expected = np.where(np.asarray(plan.mask)[..., None], x, x[np.asarray(plan.partner)])
    np.testing.assert_array_equal(mixed, expected)
    np.testing.assert_allclose(np.diagonal(y), plan.lam, rtol=1e-6)


def test_a_box_in_a_volume_has_the_cube_root_of_its_share_of_each_side():
    center, lam = [jnp.array([4])] * 3, jnp.array([1 - 0.125])
    assert int((~box_at(center, lam, (8, 8, 8))).sum()) == 4**3
    assert int((~box_at(center[:1], lam, (8,))).sum()) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("method", [cutmix, fmix, gridmix, resizemix, saliencymix])
def test_what_is_pasted_comes_from_the_other_batch(rng, fix_lambdas, method):
    fix_lambdas(method.__name__, [0.5] * 4)
    x, y = np.zeros((4, 6, 6), np.float32), np.zeros((4, 2), np.float32)
    mixed, label = jax.jit(lambda rng: method(rng, x, y, 1.0, other=(x + 1, y + 1)))(rng)
    np.testing.assert_allclose(label[:, 0], np.asarray(mixed).mean(axis=(1, 2)), rtol=1e-6)
    assert 0 < float(label[0, 0]) < 1
    with pytest.raises(ValueError, match="x and other must have the same length, got 4 and 3"):
        method(rng, x, y, 1.0, other=(x[:3], y[:3]))


@pytest.mark.parametrize("classes", [9, 5])
def test_labels_are_not_cut_by_a_mask_of_as_many_positions(classes):
    mask = jnp.asarray(np.arange(9)[None] < np.full((4, 1), 6))
    plan = Mix(jnp.full(4, 6 / 9), jnp.array([1, 0, 3, 2]), mask=mask)
    labels = np.eye(4, classes, dtype=np.float32)
    if classes == 9:
        with pytest.raises(ValueError, match=r"positions or classes.*mask=None"):
            mix(plan, labels)
        plan = replace(plan, mask=None)
    np.testing.assert_allclose(np.diagonal(mix(plan, labels)), 6 / 9, rtol=1e-6)
