"""Laws of random crops, mirror images and normalisation."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mixup_jax.augment.standard import normalize, pad_crop_flip

compiled = jax.jit(pad_crop_flip, static_argnames=("pad", "flip"))  # one compilation instead of one an operation


@pytest.fixture
def image():
    """32 images of 6 x 7 pixels, none of them 0: zeros come from the padding alone."""
    return jnp.asarray(np.random.default_rng(0).integers(1, 256, (32, 6, 7, 3), dtype=np.uint8))


def crops(image, pad):
    """All crops of the padded image and their mirror images."""
    height, width, _ = image.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    for row in range(2 * pad + 1):
        for column in range(2 * pad + 1):
            crop = padded[row : row + height, column : column + width]
            yield from (crop, crop[:, ::-1])


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float32, jnp.float16])
def test_the_result_is_a_crop_of_the_zero_padded_image_or_its_mirror_image(rng, image, dtype):
    result = compiled(rng, image.astype(dtype), pad=2, flip=True)
    assert result.dtype == dtype
    for before, after in zip(np.asarray(image), np.asarray(result), strict=True):
        assert any(np.array_equal(crop, after) for crop in crops(before, 2))


def test_float_images_move_without_rounding(rng):
    image = jax.random.normal(rng, (16, 5, 5, 1)) * 1e6
    moved = compiled(rng, image, pad=1, flip=True)
    assert np.isin(moved, np.append(np.asarray(image), 0)).all()


def test_every_offset_and_both_mirror_images_are_equally_likely(rng):
    image = jnp.broadcast_to(jnp.arange(1, 10, dtype=jnp.uint8).reshape(1, 3, 3, 1), (9000, 3, 3, 1))
    result = np.asarray(compiled(rng, image, pad=1, flip=True)).reshape(9000, 9)
    _, counts = np.unique(result, axis=0, return_counts=True)
    assert len(counts) == 18
    assert abs(counts - 500).max() < 5 * 500**0.5


def test_without_padding_and_mirroring_the_image_stays(rng, image):
    assert np.array_equal(compiled(rng, image, pad=0, flip=False), image)


def test_each_part_can_be_switched_off(rng, image):
    mirrored = compiled(rng, image, pad=0, flip=True)
    stays = np.array([np.array_equal(a, b) for a, b in zip(mirrored, image, strict=True)])
    mirrors = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(mirrored, image, strict=True)])
    assert (stays ^ mirrors).all()
    assert 0 < stays.sum() < 32
    cropped = compiled(rng, image, pad=2, flip=False)
    for before, after in zip(np.asarray(image), np.asarray(cropped), strict=True):
        assert any(np.array_equal(crop, after) for crop in list(crops(before, 2))[::2])


def test_an_example_does_not_depend_on_the_others(rng, image):
    whole = compiled(rng, image, pad=2, flip=True)
    assert np.array_equal(whole[:5], compiled(rng, image[:5], pad=2, flip=True))
    positions = jnp.array([30, 3, 17])
    part = compiled(rng, image[positions], pad=2, flip=True, positions=positions)
    assert np.array_equal(whole[positions], part)


def test_mirroring_does_not_change_where_the_crop_is(rng, image):
    both, crop_only = (compiled(rng, image, pad=2, flip=flip) for flip in (True, False))
    for a, b in zip(both, crop_only, strict=True):
        assert np.array_equal(a, b) or np.array_equal(a, b[:, ::-1])


@pytest.mark.thorough
def test_jit_is_eager(rng, image):
    assert np.array_equal(compiled(rng, image, pad=2, flip=True), pad_crop_flip(rng, image, pad=2, flip=True))


def test_seed_i_of_a_vmap_is_seed_i_alone(rng, image):
    keys = jax.random.split(rng, 3)
    many = jax.vmap(lambda key: compiled(key, image, pad=2, flip=True))(keys)
    for key, one in zip(keys, many, strict=True):
        assert np.array_equal(one, compiled(key, image, pad=2, flip=True))


def test_eight_devices_see_the_batch_of_one_and_send_no_image(rng, image):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    function = jax.jit(
        lambda rng, image: pad_crop_flip(rng, image, pad=2, flip=True), in_shardings=(whole, split), out_shardings=split
    )
    assert np.array_equal(function(rng, image), compiled(rng, image, pad=2, flip=True))
    text = function.lower(rng, image).compile().as_text()
    assert "4,6,7,3" in text  # each device has 4 images ...
    assert not re.search(r"= .*(all-gather|all-to-all|collective-permute|all-reduce)", text)  # ... and keeps them


def test_a_part_of_the_batch_under_pmap_is_that_part_of_the_whole(rng, image):
    parts = image.reshape(8, 4, 6, 7, 3)
    positions = jnp.arange(32).reshape(8, 4)
    function = jax.pmap(
        lambda image, positions: compiled(rng, image, pad=2, flip=True, positions=positions), axis_name="data"
    )
    result = np.asarray(function(parts, positions)).reshape(image.shape)
    assert np.array_equal(result, compiled(rng, image, pad=2, flip=True))


def test_errors_say_what_is_needed(rng, image):
    with pytest.raises(ValueError, match="pad is -1; it must be 0 or more"):
        compiled(rng, image, pad=-1, flip=True)
    with pytest.raises(TypeError, match=r"image is int32; .* needs uint8"):
        compiled(rng, image.astype(jnp.int32), pad=1, flip=True)
    for dtype in (jnp.int32, jnp.uint16):  # no such scale is known
        with pytest.raises(TypeError, match="normalize needs uint8"):
            normalize(image.astype(dtype), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ValueError, match="mean and std have 1 and 1 numbers; image has 3 channels"):
        normalize(image, (0.5,), (0.5,))


def test_normalize_inverts(image):
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    result = np.asarray(normalize(image, mean, std))
    assert result.dtype == np.float32
    np.testing.assert_allclose((result * np.array(std) + np.array(mean)) * 255, np.asarray(image), atol=1e-4)


def test_normalize_takes_floats_in_the_unit_interval(image):
    unit = image.astype(jnp.float32) / 255
    mean, std = jnp.array([0.1, 0.2, 0.3]), jnp.array([0.4, 0.5, 0.6])
    np.testing.assert_allclose(normalize(unit, mean, std), normalize(image, mean, std), atol=1e-6)


def test_padding_comes_before_normalising(rng):
    """The border is -mean/std, as in the released code, not 0."""
    image = jnp.full((8, 4, 4, 1), 255, jnp.uint8)
    result = normalize(compiled(rng, image, pad=2, flip=False), (0.5,), (0.25,))
    assert set(np.unique(result)) == {-2.0, 2.0}
