"""Laws of CutMix: what is pasted is what the label says, to the pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import mix
from mixup_jax.methods import cutmix, draw_cutmix

SETTINGS = [((8, 8), "batch"), ((7, 5), "example")]
Y = np.eye(6, dtype=np.float32)

draw = jax.jit(draw_cutmix, static_argnames=("size", "per", "partner", "minmax"))
carry_out = jax.jit(mix)


def draws(rng, size, per):
    """Draw 20 plans for batches of 6 in which nobody meets himself."""
    return [draw(key, (6, *size), 1.0, per=per, partner="derangement") for key in jax.random.split(rng, 20)]


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "per"), SETTINGS)
def test_the_label_weight_is_the_number_of_pixels_really_pasted(rng, size, per):
    image = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None], (6, *size))
    for plan in draws(rng, size, per):
        x, y = carry_out(plan, (image, Y))
        for i in range(6):
            pixels = np.bincount(np.asarray(x[i]).ravel(), minlength=6)
            np.testing.assert_allclose(y[i], pixels / pixels.sum(), rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize(("size", "per"), SETTINGS)
def test_every_box_is_a_rectangle_and_lambda_its_count(rng, size, per):
    for plan in draws(rng, size, per):
        pasted = ~np.asarray(plan.mask)
        np.testing.assert_array_equal(pasted, pasted.any(axis=2, keepdims=True) & pasted.any(axis=1, keepdims=True))
        np.testing.assert_allclose(plan.lam, 1 - pasted.mean(axis=(1, 2)), rtol=2e-7)


@pytest.mark.parametrize(("size", "per"), SETTINGS)
def test_one_box_a_batch_or_one_an_example(rng, size, per):
    different = [len(np.unique(plan.mask, axis=0)) for plan in draws(rng, size, per)]
    assert set(different) == {1} if per == "batch" else np.mean(different) > 4


@pytest.mark.thorough
@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_the_mean_area_is_that_of_clipped_boxes(rng, alpha):
    area = 1 - np.asarray(draw(rng, (4000, 8, 8), alpha, per="example").lam)
    lam = np.random.default_rng(0).beta(alpha, alpha, 100_000)
    side = np.floor(np.sqrt(1 - lam) * 8).astype(int)[:, None]
    start = np.arange(8) - side // 2
    covered = np.minimum(start + side, 8) - np.maximum(start, 0)
    expected = np.mean(covered.mean(axis=1) ** 2) / 64  # row and column are independent
    assert abs(area.mean() - expected) < 5 * area.std() / np.sqrt(4000)


def test_alpha_zero_is_the_identity_for_a_number_and_for_a_traced_alpha(rng):
    x = np.random.default_rng(0).normal(size=(6, 7, 5, 3)).astype(np.float32)
    number = jax.jit(lambda rng: cutmix(rng, x, Y, 0))(rng)
    traced = carry_out(draw(rng, (6, 7, 5), 0.0, per="example", partner="derangement"), (x, Y))
    for result in (number, traced):
        np.testing.assert_array_equal(result[0], x)
        np.testing.assert_array_equal(result[1], Y)


@pytest.mark.parametrize("alpha", [-1.0, np.nan])
def test_a_traced_alpha_that_makes_no_sense_is_seen_as_nan(rng, alpha):
    assert np.isnan(draw(rng, (6, 7, 5), alpha, per="example", partner="derangement").lam).all()


@pytest.mark.parametrize(("size", "per"), SETTINGS)
def test_bytes_come_through_bit_for_bit_and_a_segmentation_map_is_cut_along(rng, size, per):
    image = np.random.default_rng(0).integers(0, 256, (6, *size, 3), np.uint8)
    tree = {"image": image, "map": (image[..., 0] // 32).astype(np.int32)}
    for plan in draws(rng, size, per):
        mixed = carry_out(plan, tree)
        expected = np.where(np.asarray(plan.mask)[..., None], image, image[np.asarray(plan.partner)])
        assert (mixed["image"].dtype, mixed["map"].dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(mixed["image"], expected)
        np.testing.assert_array_equal(mixed["map"], expected[..., 0] // 32)


def test_a_second_batch_is_pasted_from(rng):
    plan = draws(rng, (8, 8), "batch")[0]
    mixed = carry_out(plan, np.zeros((6, 8, 8, 3), np.uint8), np.ones((9, 8, 8, 3), np.uint8))
    np.testing.assert_array_equal(mixed[..., 0], ~np.asarray(plan.mask))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("minmax", "heights", "widths"),
    [
        ((0.2, 0.8), range(2, 8), range(1, 4)),
        ((0.5, 0.5), [5], [2]),
        ((1.0, 1.0), [10], [5]),
    ],
)
def test_between_minmax_every_side_and_every_place_inside_is_as_likely_as_the_next(rng, minmax, heights, widths):
    plan = draw(rng, (4000, 10, 5), 1.0, per="example", minmax=minmax)
    pasted = ~np.asarray(plan.mask)
    np.testing.assert_array_equal(pasted, pasted.any(axis=2, keepdims=True) & pasted.any(axis=1, keepdims=True))
    np.testing.assert_allclose(plan.lam, 1 - pasted.mean(axis=(1, 2)), atol=1e-6)
    rows, columns = pasted.any(axis=2), pasted.any(axis=1)
    top, left, height, width = rows.argmax(axis=1), columns.argmax(axis=1), rows.sum(axis=1), columns.sum(axis=1)
    for start, side, length, expected in ((top, height, 10, heights), (left, width, 5, widths)):
        places = [(each, place) for each in expected for place in range(length - each + 1)]
        share = np.array([1 / len(expected) / (length - each + 1) for each, _ in places])
        counts = np.array([((side == each) & (start == place)).sum() for each, place in places])
        assert counts.sum() == 4000
        assert (np.abs(counts - 4000 * share) <= 5 * np.sqrt(4000 * share)).all()
    if len(heights) > 1:
        assert abs(np.corrcoef(height, width)[0, 1]) < 0.08  # one does not tell the other


@pytest.mark.thorough
def test_minmax_pastes_one_box_a_batch_and_nothing_at_alpha_zero(rng):
    plan = draw(rng, (6, 10, 5), 1.0, minmax=(0.2, 0.8))
    assert len(np.unique(plan.mask, axis=0)) == 1
    assert (np.asarray(plan.lam) < 1).all()
    np.testing.assert_array_equal(draw(rng, (6, 10, 5), 0.0, minmax=(0.2, 0.8)).lam, np.ones(6))


X = np.zeros((4, 8, 8), np.float32)
BAD_CALLS = [
    (lambda rng: cutmix(rng, X, Y[:4], -1.0), ValueError, "alpha"),
    (lambda rng: cutmix(rng, X[:, 0], Y[:4], 1.0), ValueError, r"x must be \(batch, height, width\)"),
    (lambda rng: cutmix(rng, X, np.arange(4), 1.0), TypeError, r"int.*\[4\].*one_hot"),
    (lambda rng: cutmix(rng, X, Y[:3], 1.0), ValueError, "same length, got 4 and 3"),
    (lambda rng: draw_cutmix(rng, (4, 8, 8), 1.0, block=3), ValueError, "block"),
    (lambda rng: draw_cutmix(rng, (4, 8, 8), jnp.ones(2)), ValueError, "alpha must be a scalar"),
    (lambda rng: draw_cutmix(rng, (4, 8, 8), 1.0, minmax=(0.8, 0.2)), ValueError, r"minmax .* got \(0\.8, 0\.2\)"),
    (lambda rng: cutmix(rng, X, Y[:4], 1.0, minmax=(0.2, 1.2)), ValueError, r"minmax .* got \(0\.2, 1\.2\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument_at_trace_time(rng, call, error, message):
    with pytest.raises(error, match=message):
        jax.eval_shape(call, rng)
