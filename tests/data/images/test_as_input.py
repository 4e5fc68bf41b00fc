"""Laws of pictures as inputs: the same pixels by every way, as the run's own test images were made."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.as_input import AsInput
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs.crops import centre_crop
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.jpeg import decode_part


@pytest.fixture
def photograph():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)).resize((240, 180))


@pytest.mark.parametrize("interpolation", ["linear", "bicubic"])
@pytest.mark.parametrize("share", [0.875, 1.0])
def test_a_photograph_is_cut_as_the_test_photographs_of_the_run(photograph, tmp_path, interpolation, share):
    as_input, file = AsInput((32, 32, 3), share, interpolation, streamed=True), tmp_path / "a.jpg"
    photograph.save(file, quality=95)
    own = decode_part(file.read_bytes(), partial(centre_crop, size=32, share=share), 32, interpolation)
    np.testing.assert_array_equal(as_input(file), own)
    photograph.save(tmp_path / "a.png")
    near = as_input(tmp_path / "a.png").astype(int) - own
    assert np.abs(near).mean() < 12  # JPEG's own error, and its smaller decoding
    np.testing.assert_array_equal(as_input(tmp_path / "a.png"), as_input(photograph))


def test_a_photograph_is_turned_as_its_camera_says(photograph, tmp_path):
    as_input, exif = AsInput((32, 32, 3), 0.875, "bicubic", streamed=True), Image.Exif()
    exif[0x0112] = 8
    photograph.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "a.png", exif=exif)
    tally = Tally()
    np.testing.assert_array_equal(as_input(tmp_path / "a.png", tally), as_input(photograph))
    assert "EXIF" in tally.notes("of 1")[0]
    photograph.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "a.jpg", exif=exif, quality=95)
    near = as_input(tmp_path / "a.jpg").astype(int) - as_input(photograph)
    assert np.abs(near).mean() < 4


@pytest.mark.thorough
@pytest.mark.parametrize("interpolation", ["linear", "bicubic"])
def test_the_files_of_a_folder_are_its_test_images(photograph, tmp_path, interpolation):
    for part, name in itertools.product(("train", "test"), ("cat", "dog")):
        (folder := tmp_path / "own" / part / name).mkdir(parents=True)
        for turn, suffix in enumerate((".jpg", ".png", ".gif", ".bmp", ".webp")):
            exif = Image.Exif()
            exif[0x0112] = 1 + (turn + len(part) + len(name)) % 8
            options = {} if suffix in (".gif", ".bmp") else {"exif": exif}
            colour = "L" if suffix == ".png" and name == "cat" else "RGB"
            photograph.convert(colour).save(folder / f"{part}{turn}{suffix}", **options)
    Image.merge("CMYK", [photograph.convert("L")] * 4).save(tmp_path / "own" / "test" / "dog" / "c.jpg")
    data = load_photographs(tmp_path / "own", Pictures(size=24))
    data = replace(data, interpolation=interpolation, test_crop=0.9)
    as_input = AsInput(data.test_shape, 0.9, interpolation, streamed=True)
    for index in range(data.test_count):
        file = data.test[index].name
        np.testing.assert_array_equal(as_input(tmp_path / "own" / file), data.test_example(index)["image"], file)


@pytest.mark.parametrize(("shape", "size"), [((20, 40, 1), (100, 50)), ((20, 40, 3), (40, 20)), ((7, 7, 1), (36, 400))])
def test_of_data_in_memory_the_largest_part_of_the_same_shape_is_taken(shape, size):
    ramp = np.linspace(0, 255, size[0], dtype=np.uint8)[None].repeat(size[1], axis=0)
    found = AsInput(shape)(Image.fromarray(ramp))
    assert (found.shape, found.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(found, found[..., :1].repeat(shape[2], axis=2))
    shown = min(size[0], size[1] * shape[1] / shape[0]) / size[0]  # share of the width
    assert np.ptp(found[0].astype(int)) == pytest.approx(255 * shown * (1 - 1 / shape[1]), abs=12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_any_mode_of_8_bits_is_taken(photograph, mode):
    for channels in (1, 3):
        picture = photograph.convert("L").convert(mode) if mode in ("1", "LA") else photograph.convert(mode)
        assert AsInput((8, 8, channels))(picture).shape == (8, 8, channels)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_bits_are_refused(mode):
    with pytest.raises(ValueError, match="more than 8 bits"):
        AsInput((8, 8, 1))(Image.new(mode, (8, 8)))
