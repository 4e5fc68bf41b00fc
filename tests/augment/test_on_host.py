"""Each operation on the host is Pillow's at every level, exactly or with the difference that is stated here."""

import re
from itertools import product

import cv2
import numpy as np
import pytest
from pillow_operations import as_pillow_does, from_pillow, to_pillow

from mixup_jax.augment.drawn import Stage, stages_of
from mixup_jax.augment.levels import BIG_VISION, GEOMETRIC, TIMM, Operation
from mixup_jax.augment.on_host import apply, augment_on_host
from mixup_jax.choices.augment import BigVisionRandAugment, RandAugment, ThreeAugment

MEAN = (0.485, 0.456, 0.406)
CENTRE = np.array([40, 30], np.uint32)
LEVELS = range(11)


def photograph(height, width, channels):
    """Smooth shapes with some noise: it has edges, flat parts and most values."""
    generator = np.random.default_rng(height)
    coarse = generator.integers(10, 240, (7, 9, channels), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    noise = generator.integers(-6, 7, image.shape)
    return (image + noise).clip(3, 250).astype(np.uint8)


IMAGES = {"colour": photograph(96, 80, 3), "gray": photograph(96, 80, 1), "small": photograph(32, 32, 3)}


def timm_stage(image, level=9.0):
    height, width, channels = image.shape
    [stage] = stages_of(RandAugment(magnitude=level, magnitude_std=0.0), 0.0, (height, width), MEAN[:channels])
    return stage


def big_vision_stage(image, level=10.0):
    height, width, channels = image.shape
    [stage] = stages_of(BigVisionRandAugment(magnitude=level), 0.0, (height, width), MEAN[:channels])
    return stage


def arguments(stage, operation):
    """Both arguments of the only level of a stage: of either sign."""
    return {float(each) for each in stage.arguments[stage.operations.index(operation), 0]}


def assert_near(ours, theirs, operation):
    """Assert equality, but for resampling, where Pillow truncates, and blends, where OpenCV multiplies apart."""
    assert ours.dtype == np.uint8
    assert ours.shape == theirs.shape
    difference = ours.astype(int) - theirs
    if operation in GEOMETRIC:
        assert difference.min() >= -1
        assert difference.max() <= 1
    elif operation in (Operation.COLOR, Operation.SHARPNESS):
        assert abs(difference).max() <= 1
        assert (difference != 0).mean() < 0.004
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("operation", TIMM, ids=lambda each: each.name)
def test_an_operation_is_pillows_at_every_level_of_timm(kind, operation):
    image = IMAGES[kind]
    for level in LEVELS:
        stage = timm_stage(image, float(level))
        for argument in arguments(stage, operation):
            ours = apply(image, operation, argument, stage, CENTRE)
            assert_near(ours, as_pillow_does(image, operation, argument, stage.fill), operation)


@pytest.mark.parametrize("operation", TIMM, ids=lambda each: each.name)
def test_an_operation_is_timms_at_every_level(operation, monkeypatch):
    try:
        import timm.data.auto_augment as timm
    except (ImportError, RuntimeError) as error:  # the latter where torchvision was built for another torch
        pytest.skip(f"timm cannot be imported: {error}")
    image = IMAGES["colour"]
    names = {re.sub("Increasing|Rel", "", name).lower(): name for name in timm.rand_augment_choices("inc")}
    assert len(names) == len(TIMM)
    name = names[operation.name.replace("_", "").lower()]
    # at level 10 no bit is kept, which Pillow's posterize refuses since version 12
    for level in LEVELS[:-1] if operation == Operation.POSTERIZE else LEVELS:
        stage = timm_stage(image, float(level))
        hparams = {"img_mean": stage.fill, "interpolation": 2, "translate_pct": 0.45}
        theirs = timm.AugmentOp(name, prob=1.0, magnitude=level, hparams=hparams)
        for toss, sign in ((0.0, 0), (1.0, 1)):
            monkeypatch.setattr(timm.random, "random", lambda toss=toss: toss)
            argument = float(stage.arguments[TIMM.index(operation), 0, sign])
            ours = apply(image, operation, argument, stage, CENTRE)
            assert_near(ours, from_pillow(theirs(to_pillow(image))), operation)


@pytest.mark.parametrize("level", [0, 1, 5, 9, 10, 13, 15, 20])
@pytest.mark.parametrize("operation", sorted(set(BIG_VISION) - GEOMETRIC), ids=lambda each: each.name)
def test_an_operation_of_big_vision_is_its_formula(operation, level):
    """Pillow's but for contrast, sharpness, cutout and two tables that are computed in another precision there."""
    image = IMAGES["colour"]
    stage = big_vision_stage(image, float(level))
    [argument] = arguments(stage, operation)
    ours = apply(image, operation, argument, stage, CENTRE)
    if operation == Operation.CUTOUT:
        half = 4 * level
        theirs = image.copy()
        theirs[max(0, 40 - half) : 40 + half, max(0, 30 - half) : 30 + half] = 128
    elif operation in (Operation.CONTRAST, Operation.SHARPNESS):
        poorer = np.full(image.shape, 96 * 80 // 256) if operation == Operation.CONTRAST else smoothed(image)
        theirs = (poorer + np.float32(argument) * (image - poorer).astype(np.float32)).clip(0, 255).astype(np.uint8)
    else:
        theirs = as_pillow_does(image, operation, argument, stage.fill)
    assert_near(ours, theirs, operation)


def smoothed(image):
    """Weights 1 and 5 of 13, truncated; the border stays."""
    result = image.astype(int)
    rows, columns = image.shape[:2]
    part = [image[r : rows - 2 + r, c : columns - 2 + c].astype(int) for r in range(3) for c in range(3)]
    result[1:-1, 1:-1] = (sum(part) + 4 * part[4]) // 13
    return result


@pytest.mark.parametrize("level", [0, 1, 5, 10, 20])
@pytest.mark.parametrize("operation", sorted(GEOMETRIC), ids=lambda each: each.name)
def test_big_vision_takes_the_nearest_pixel_and_gray_outside(operation, level):
    image = IMAGES["colour"]
    height, width, _ = image.shape
    stage = big_vision_stage(image, float(level))
    row, column = np.mgrid[:height, :width].astype(float)
    for argument in arguments(stage, operation):
        angle = np.deg2rad(argument)
        x, y = column - (width - 1) / 2, row - (height - 1) / 2
        u, v = {
            Operation.ROTATE: (
                np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2,
                np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2,
            ),
            Operation.SHEAR_X: (column + argument * row, row),
            Operation.SHEAR_Y: (column, row + argument * column),
            Operation.TRANSLATE_X: (column + argument, row),
            Operation.TRANSLATE_Y: (column, row + argument),
        }[operation]
        ours = apply(image, operation, argument, stage, CENTRE)
        fits = np.zeros((height, width), bool)
        for half in product((0.499, 0.501), repeat=2):  # a source half-way between two pixels may be either
            right, down = np.floor(u + half[0]).astype(int), np.floor(v + half[1]).astype(int)
            inside = (right >= 0) & (right < width) & (down >= 0) & (down < height)
            there = image[down.clip(0, height - 1), right.clip(0, width - 1)]
            fits |= (ours == np.where(inside[:, :, None], there, 128)).all(axis=2)
        assert fits.all()


@pytest.mark.parametrize("radius", [0.1, 0.3, 0.7, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("kind", IMAGES)
def test_a_gaussian_blur_is_pillows_within_six_off_the_edges(kind, radius):
    """Pillow's is three box filters, each with the edge repeated."""
    image = IMAGES[kind]
    [stage] = stages_of(ThreeAugment(), 0.0, image.shape[:2], MEAN[: image.shape[2]])
    ours = apply(image, Operation.BLUR, radius, stage, CENTRE)
    theirs = as_pillow_does(image, Operation.BLUR, radius, stage.fill)
    difference = abs(ours.astype(int) - theirs)
    assert difference[6:-6, 6:-6].max() <= 6
    assert difference.mean() < 1


def test_every_form_is_a_function_of_seed_and_position():
    image = IMAGES["colour"]
    for augment in (RandAugment(), BigVisionRandAugment(), ThreeAugment()):
        stages = stages_of(augment, 0.3, image.shape[:2], MEAN)
        seen = [augment_on_host(np.random.default_rng((0, position)), image, stages) for position in range(8)]
        again = [augment_on_host(np.random.default_rng((0, position)), image, stages) for position in range(8)]
        np.testing.assert_array_equal(seen, again)
        assert len({each.tobytes() for each in seen}) > 4


def test_the_image_that_is_given_stays_as_it_was():
    image = IMAGES["colour"].copy()
    for stage in (timm_stage(image), big_vision_stage(image)):
        assert isinstance(stage, Stage)
        for operation in stage.operations:
            apply(image, operation, max(arguments(stage, operation)), stage, CENTRE)
    np.testing.assert_array_equal(image, IMAGES["colour"])
