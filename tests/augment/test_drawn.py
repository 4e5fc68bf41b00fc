"""What is drawn for an image, and what a level means: the tables of the sources, typed from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.augment.drawn import WORDS, choose, stages_of
from mixup_jax.augment.levels import BIG_VISION, TIMM, Operation
from mixup_jax.choices.augment import BigVisionRandAugment, NoAugment, RandAugment, ThreeAugment

SIZE, MEAN = (224, 192), (0.485, 0.456, 0.406)
DRAWS = 20_000

# operation: (level 0, level 3, level 9, level 10), the larger of the two signs
IN_TIMM = {
    Operation.ROTATE: (0, 9, 27, 30),
    Operation.POSTERIZE: (4, 3, 1, 0),
    Operation.SOLARIZE: (256, 180, 26, 0),
    Operation.SOLARIZE_ADD: (0, 33, 99, 110),
    Operation.COLOR: (1, 1.27, 1.81, 1.9),
    Operation.CONTRAST: (1, 1.27, 1.81, 1.9),
    Operation.BRIGHTNESS: (1, 1.27, 1.81, 1.9),
    Operation.SHARPNESS: (1, 1.27, 1.81, 1.9),
    Operation.SHEAR_X: (0, 0.09, 0.27, 0.3),
    Operation.SHEAR_Y: (0, 0.09, 0.27, 0.3),
    Operation.TRANSLATE_X: (0, 25.92, 77.76, 86.4),
    Operation.TRANSLATE_Y: (0, 30.24, 90.72, 100.8),
}
# (level 0, level 5, level 10, level 15, level 20)
IN_BIG_VISION = {
    Operation.ROTATE: (0, 15, 30, 45, 60),
    Operation.POSTERIZE: (0, 2, 4, 6, 8),
    Operation.SOLARIZE: (0, 128, 0, 128, 0),
    Operation.SOLARIZE_ADD: (0, 55, 110, 165, 220),
    Operation.COLOR: (0.1, 1.0, 1.9, 2.8, 3.7),
    Operation.CONTRAST: (0.1, 1.0, 1.9, 2.8, 3.7),
    Operation.BRIGHTNESS: (0.1, 1.0, 1.9, 2.8, 3.7),
    Operation.SHARPNESS: (0.1, 1.0, 1.9, 2.8, 3.7),
    Operation.SHEAR_X: (0, 0.15, 0.3, 0.45, 0.6),
    Operation.SHEAR_Y: (0, 0.15, 0.3, 0.45, 0.6),
    Operation.TRANSLATE_X: (0, 50, 100, 150, 200),
    Operation.TRANSLATE_Y: (0, 50, 100, 150, 200),
    Operation.CUTOUT: (0, 20, 40, 60, 80),
}


def stage_of(augment, jitter=0.0):
    [stage] = stages_of(augment, jitter, SIZE, MEAN)
    return stage


@pytest.mark.parametrize("operation", IN_TIMM, ids=lambda each: each.name)
def test_the_levels_of_timm_are_the_published_ones(operation):
    for level, argument in zip((0, 3, 9, 10), IN_TIMM[operation], strict=True):
        both = stage_of(RandAugment(magnitude=level, magnitude_std=0.0)).arguments[TIMM.index(operation), 0]
        assert both.max() == pytest.approx(argument)
        if operation.name.startswith(("ROTATE", "SHEAR", "TRANSLATE")):
            assert both.min() == pytest.approx(-argument)
        elif operation in (Operation.POSTERIZE, Operation.SOLARIZE, Operation.SOLARIZE_ADD):
            assert both.min() == both.max()
        else:
            assert both.min() == pytest.approx(max(0.1, 2 - argument))


@pytest.mark.parametrize("operation", IN_BIG_VISION, ids=lambda each: each.name)
def test_the_levels_of_big_vision_are_the_published_ones(operation):
    for level, argument in zip((0, 5, 10, 15, 20), IN_BIG_VISION[operation], strict=True):
        both = stage_of(BigVisionRandAugment(magnitude=level)).arguments[BIG_VISION.index(operation), 0]
        assert both.max() == pytest.approx(argument)
        moves = operation.name.startswith(("ROTATE", "SHEAR", "TRANSLATE"))
        assert both.min() == pytest.approx(-argument if moves else argument)


def draws(stage, place):
    """Many draws of a stage: by NumPy's generator, or by JAX's."""
    if place == "host":
        words = np.random.default_rng(0).integers(0, 2**32, (DRAWS, stage.count, WORDS), np.uint32)
        return [np.stack(each) for each in zip(*(choose(stage, one, np) for one in words), strict=True)]
    words = jax.random.bits(jax.random.key(0), (DRAWS, stage.count, WORDS))
    return [np.asarray(each) for each in jax.jit(jax.vmap(lambda one: choose(stage, one, jnp)))(words)]


def assert_even(values, count):
    _, found = np.unique(values, return_counts=True)
    assert len(found) == count
    expected = values.size / count
    assert abs(found - expected).max() < 5 * expected**0.5


@pytest.mark.parametrize("place", ["host", "step"])
def test_timm_draws_each_operation_alike_and_applies_half_of_them(place):
    which, applied, level, sign, _ = draws(stage_of(RandAugment()), place)
    assert_even(which, 15)
    assert_even(which[:, 0] * 15 + which[:, 1], 225)  # with replacement, independent of each other
    assert_even(applied, 2)
    assert_even(sign, 2)
    level = level / 32
    assert 9.5 > level[level < 10].mean() > 8.7
    assert abs((level < 9 - 1 / 64).mean() - 0.4875) < 0.01
    assert abs((level < 8.5 - 1 / 64).mean() - 0.1515) < 0.01  # one standard deviation below 9, but for half a cell
    assert abs((level == 10).mean() - 0.0242) < 0.004  # two above, cut


@pytest.mark.parametrize("place", ["host", "step"])
def test_big_vision_applies_all_that_it_draws(place):
    which, applied, level, _, _ = draws(stage_of(BigVisionRandAugment()), place)
    assert_even(which, 16)
    assert applied.all()
    assert not level.any()


@pytest.mark.parametrize("place", ["host", "step"])
def test_three_augment_applies_one_of_three_and_blurs_evenly(place):
    stage = stage_of(ThreeAugment())
    which, applied, level, _, _ = draws(stage, place)
    assert stage.operations == (Operation.COLOR, Operation.SOLARIZE, Operation.BLUR)
    assert_even(which, 3)
    assert applied.all()
    assert_even(level, 256)
    assert stage.arguments[0].max() == 0  # without colour
    assert (stage.arguments[1] == 128).all()
    assert 0.1 < stage.arguments[2].min() < 0.11 < 1.99 < stage.arguments[2].max() < 2


@pytest.mark.parametrize("place", ["host", "step"])
def test_colour_jitter_applies_all_three_in_every_order(place):
    stage = stage_of(NoAugment(), 0.3)
    which, applied, level, _, _ = draws(stage, place)
    assert applied.all()
    assert (np.sort(which, axis=1) == [0, 1, 2]).all()
    assert_even(which @ [9, 3, 1], 6)
    assert_even(level, 256)
    assert 0.7 < stage.arguments.min() < 0.702
    assert 1.298 < stage.arguments.max() < 1.3


def test_an_operation_probability_is_that_of_applying_one():
    _, applied, *_ = draws(stage_of(RandAugment(operation_probability=0.25)), "host")
    assert abs(applied.mean() - 0.25) < 0.01


def test_no_augmentation_is_no_stage():
    assert stages_of(NoAugment(), 0.0, SIZE, MEAN) == ()
