"""Laws of the recipe in one call: mixup, CutMix or nothing, labels smoothed; what is switched off costs nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax import mixup
from mixup_jax.methods import cutmix, mixup_cutmix

SIZE, CLASSES = 8, 5
X = np.random.default_rng(0).normal(size=(SIZE, 7, 6, 3)).astype(np.float32)
IDS = np.array([0, 1, 2, 3, 4, 0, 1, 2], np.int32)
HOT = np.eye(CLASSES, dtype=np.float32)[IDS]

recipe = partial(mixup_cutmix, classes=CLASSES)
compiled = jax.jit(lambda rng, numbers: recipe(rng, X, IDS, **numbers))
"""With all numbers traced."""
NUMBERS = {
    "mixup_alpha": 0.8,
    "cutmix_alpha": 1.0,
    "probability": 1.0,
    "switch_probability": 0.5,
    "smoothing": 0.1,
    "until": 10,
    "step": 0,
}


def smoothed(smoothing=0.1):
    return np.asarray(optax.smooth_labels(jnp.asarray(HOT), smoothing))


@pytest.fixture(scope="module", autouse=True)
def quick(quick_beta):
    """Compile no Beta distribution."""


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("partner", ["flip", "derangement"])
def test_with_the_other_one_off_it_is_mixup_or_cutmix_of_the_key_of_its_own(rng, per, partner):
    options = {"per": per, "partner": partner}
    rng_mixup, rng_cutmix, _ = jax.random.split(rng, 3)
    target = smoothed()
    assert_same(recipe(rng, X, IDS, cutmix_alpha=0.0, **options), mixup(rng_mixup, X, target, 0.8, **options))
    assert_same(recipe(rng, X, IDS, mixup_alpha=0.0, **options), cutmix(rng_cutmix, X, target, 1.0, **options))


@pytest.mark.thorough
def test_numbers_that_are_traced_give_what_constants_give_in_one_program(rng):
    changes = [{}, {"mixup_alpha": 0.0}, {"cutmix_alpha": 0.0}, {"mixup_alpha": 0.0, "cutmix_alpha": 0.0}]
    changes += [{"probability": 0.0}, {"smoothing": 0.0}, {"until": 0}, {"switch_probability": 1.0}]
    program = jax.jit(lambda rng, numbers: recipe(rng, X, IDS, **numbers))
    for change in changes:
        assert_same(program(rng, NUMBERS | change), recipe(rng, X, IDS, **NUMBERS | change))
    assert program._cache_size() == 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("change", [{"probability": 0.0}, {"mixup_alpha": 0.0, "cutmix_alpha": 0.0}, {"step": 10}])
def test_where_nothing_is_mixed_labels_are_smoothed_all_the_same(rng, change):
    x, y = compiled(rng, NUMBERS | change)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(y, smoothed(), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_smoothing_before_is_smoothing_after_and_keeps_the_mass_of_the_labels(rng, smoothing):
    x, y = compiled(rng, NUMBERS | {"smoothing": smoothing})
    x_sharp, y_sharp = compiled(rng, NUMBERS | {"smoothing": 0.0})
    np.testing.assert_array_equal(x, x_sharp)
    np.testing.assert_allclose(y, optax.smooth_labels(y_sharp, smoothing), atol=1e-6)
    np.testing.assert_allclose(np.sum(y, axis=1), 1, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("per", ["batch", "example"])
def test_shares_of_nothing_mixup_and_cutmix_are_the_probabilities(rng, per):
    x, ids = np.zeros((2, 8, 8, 1), np.float32), np.array([0, 1])
    x[1] = 1
    draw = jax.jit(jax.vmap(lambda key: mixup_cutmix(key, x, ids, classes=2, per=per, probability=0.8, smoothing=0.0)))
    images, labels = draw(jax.random.split(rng, 2000))
    inner = (images > 0) & (images < 1)
    mixed = labels[:, 0, 0] < 1
    blended = inner[:, 0].all(axis=(1, 2, 3))
    np.testing.assert_allclose([1 - mixed.mean(), blended.mean()], [0.2, 0.4], atol=0.04)  # small boxes are nothing
    np.testing.assert_allclose(labels[..., 1], images.mean(axis=(2, 3, 4)), atol=1e-6)


def test_bytes_are_pasted_where_nothing_can_be_blended_and_refused_where_it_can(rng):
    image = np.random.default_rng(0).integers(0, 256, X.shape, np.uint8)
    assert recipe(rng, image, IDS, mixup_alpha=0)[0].dtype == np.uint8
    with pytest.raises(TypeError, match=r"uint8.*convert images"):
        recipe(rng, image, IDS)


def test_an_id_that_is_no_class_has_no_label(rng):
    _, y = recipe(rng, X, np.where(IDS == 2, -1, IDS), probability=0.0)
    np.testing.assert_allclose(y, np.where(IDS[:, None] == 2, 0.0, smoothed()), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": HOT}, TypeError, r"labels must be integer class ids .*float32\[8,5\]"),
        ({"labels": IDS[:4]}, ValueError, "same length, got 8 and 4"),
        ({"classes": 0}, ValueError, "classes must be .* at least 1, got 0"),
        ({"probability": 1.5}, ValueError, r"probability must be in \[0, 1\], got 1.5"),
        ({"switch_probability": float("nan")}, ValueError, r"switch_probability must be in \[0, 1\], got nan"),
        ({"smoothing": -0.1}, ValueError, r"smoothing must be in \[0, 1\], got -0.1"),
        ({"smoothing": np.ones(2, np.float32)}, ValueError, r"smoothing must be a scalar, got shape \(2,\)"),
        ({"mixup_alpha": -1.0}, ValueError, "alpha must be .*got -1"),
        ({"cutmix_alpha": float("inf")}, ValueError, "alpha must be .*got inf"),
        ({"until": 5}, ValueError, "until is given without step"),
        ({"step": 5}, ValueError, "step is given without until"),
        ({"step": 5.5, "until": 6}, TypeError, "step must be an integer.*got float32"),
    ],
)
def test_bad_input_is_refused(rng, options, error, message):
    given = {"images": X, "labels": IDS, "classes": CLASSES} | options
    with pytest.raises(error, match=message) as refusal:
        mixup_cutmix(rng, given.pop("images"), given.pop("labels"), **given)
    assert "\n" not in str(refusal.value)
