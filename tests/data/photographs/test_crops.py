"""Laws of the boxes: they lie in the image, and have the sizes and shapes that the paper's recipe draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import ks_1samp, ks_2samp

from mixup_jax.data.photographs.crops import centre_crop, distorted_crop, random_crop, shorter_side

SIDES = st.integers(1, 5000)


@given(SIDES, SIDES, st.integers(0, 10), st.floats(0.1, 1.0))
def test_a_box_lies_in_its_image(height, width, seed, share):
    drawn = (crop(np.random.default_rng(seed), height, width) for crop in (random_crop, distorted_crop))
    for box in (*drawn, centre_crop(height, width, 224), centre_crop(height, width, 160, share)):
        assert 0 <= box.top < box.top + box.height <= height
        assert 0 <= box.left < box.left + box.width <= width


def test_areas_are_uniform_from_8_to_100_per_cent_and_shapes_between_3_to_4_and_4_to_3():
    generator = np.random.default_rng(0)
    boxes = [random_crop(generator, 1000, 1000) for _ in range(4000)]
    area = np.array([box.height * box.width / 1e6 for box in boxes])
    aspect = np.array([box.width / box.height for box in boxes])
    assert 0.079 < area.min() < 0.09
    assert area.max() <= 1
    assert abs(np.log(aspect).mean()) < 0.01
    assert 0.745 < aspect.min() < 0.76
    assert 1.32 < aspect.max() < 1.34
    small = area[area < 0.5]  # larger boxes of a long shape do not fit and are drawn again
    np.testing.assert_allclose(np.quantile(small, (0.25, 0.5, 0.75)), (0.185, 0.29, 0.395), atol=0.02)


def test_an_image_too_long_for_any_box_gives_its_largest_centre():
    box = random_crop(np.random.default_rng(0), 10, 1000)
    assert (box.top, box.height, box.width) == (0, 10, 13)
    assert abs(box.left - (1000 - 13) // 2) <= 1


def draws(crop, height, width, count=4000):
    """Return area, as a share of the image, aspect ratio, and place in the room that is left, of many boxes."""
    generator = np.random.default_rng(0)
    top, left, high, wide = np.array([crop(generator, height, width) for _ in range(count)]).T
    place = np.concatenate(
        [(top / (height - high + 1))[height - high > 200], (left / (width - wide + 1))[width - wide > 200]]
    )
    return {"area": high * wide / (height * width), "aspect": wide / high, "place": place}


def torchvision_form(height, width, count=4000):
    """Without whole pixels: a uniform area and a log-uniform shape, both drawn again where they do not fit."""
    generator = np.random.default_rng(1)
    area = 0.08 + 0.92 * generator.random(10 * count)
    aspect = (3 / 4) ** (1 - 2 * generator.random(10 * count))
    high, wide = (np.sqrt(height * width * area * each) for each in (1 / aspect, aspect))
    fits = (high <= height) & (wide <= width)
    return {"area": area[fits][:count], "aspect": aspect[fits][:count]}


def tensorflow_form(height, width, count=4000):
    """Without whole pixels: a uniform shape, and the height uniform among those with such an area that fit."""
    generator = np.random.default_rng(1)
    aspect = 0.75 + 0.58 * generator.random(count)
    least, most = (np.sqrt(share * height * width / aspect) for share in (0.05, 1.0))
    high = least + (np.minimum(np.minimum(most, height), width / aspect) - least) * generator.random(count)
    return {"area": high**2 * aspect / (height * width), "aspect": aspect}


@pytest.mark.parametrize("shape", [(1125, 1500), (1500, 1000), (1000, 1000)])
@pytest.mark.parametrize(("crop", "definition"), [(random_crop, torchvision_form), (distorted_crop, tensorflow_form)])
def test_areas_and_shapes_are_distributed_as_defined_and_places_uniformly(crop, definition, shape):
    ours, theirs = draws(crop, *shape), definition(*shape)
    for name in theirs:
        assert ks_2samp(ours[name], theirs[name]).pvalue > 0.01, name
    assert ks_1samp(ours["place"], lambda place: place).pvalue > 0.01


def test_the_two_forms_differ_as_published():
    inception, distorted = (draws(crop, 1000, 1500) for crop in (random_crop, distorted_crop))
    assert (distorted["area"] < 0.08).mean() > 0.04
    assert 0.05 <= distorted["area"].min() < 0.052
    assert np.median(distorted["area"]) < np.median(inception["area"]) - 0.1
    np.testing.assert_allclose(distorted["aspect"].mean(), (0.75 + 1.33) / 2, atol=0.01)


@pytest.mark.parametrize(("height", "width"), [(10, 1000), (1000, 10), (1, 1), (1, 30), (30, 1)])
def test_where_no_box_has_its_share_of_the_area_tensorflows_form_is_the_whole_image(height, width):
    assert distorted_crop(np.random.default_rng(0), height, width) == (0, 0, height, width)


def resize_and_centre_crop(ramp, resized, size):
    """Resize the shorter side, and the other one in proportion, rounded down; cut out the centre, as torchvision."""
    shorter = min(ramp.shape)
    wide, high = (resized * side // shorter for side in ramp.T.shape)
    whole = np.asarray(Image.fromarray(ramp).resize((wide, high), Image.Resampling.BILINEAR))
    top, left = round((high - size) / 2), round((wide - size) / 2)
    return whole[top : top + size, left : left + size]


@pytest.mark.parametrize("size", [160, 224])
@pytest.mark.parametrize("share", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (224, 224), (1001, 800), (640, 1920)])
def test_the_centre_is_what_is_left_of_an_image_resized_and_cut_as_torchvision_does(shape, share, size):
    rows, columns = (axis.astype(np.float32) for axis in np.indices(shape) + 0.5)  # each pixel tells its place
    resized, box = shorter_side(size, share), centre_crop(*shape, size, share)
    inner = slice(size // 4, size - size // 4)  # free of the borders
    down, right = (resize_and_centre_crop(ramp, resized, size)[inner, inner] for ramp in (rows, columns))
    middle = np.array([box.top + box.height / 2, box.left + box.width / 2])
    half_a_pixel = 0.5 * box.height / size
    np.testing.assert_allclose([down.mean(), right.mean()], middle, atol=1 + half_a_pixel)
    sides = size * np.array([np.diff(down, axis=0).mean(), np.diff(right, axis=1).mean()])
    np.testing.assert_allclose(sides, box.height, rtol=1 / resized, atol=1)


def test_seven_eighths_are_what_was_always_taken():
    for size in range(1, 4097):
        assert shorter_side(size) == round(size * 256 / 224)


def test_the_centre_is_seven_eighths_of_the_shorter_side():
    assert centre_crop(256, 300, 224) == (16, 38, 224, 224)
    assert centre_crop(500, 375, 224) == (86, 23, 328, 328)
