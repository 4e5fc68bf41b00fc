"""Laws of the boxes: they lie in the image, and have the sizes and shapes that the paper's recipe draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixup_jax.data.imagenet.crops import centre_crop, random_crop

SIDES = st.integers(1, 5000)


@given(SIDES, SIDES, st.integers(0, 10))
def test_a_box_lies_in_its_image(height, width, seed):
    for box in (random_crop(np.random.default_rng(seed), height, width), centre_crop(height, width, 224)):
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


def test_the_centre_is_seven_eighths_of_the_shorter_side():
    assert centre_crop(256, 300, 224) == (16, 38, 224, 224)
    assert centre_crop(500, 375, 224) == (86, 23, 328, 328)
