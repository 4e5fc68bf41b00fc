"""Laws of decoding a part: it shows what a whole decoding shows there, and nothing damaged passes."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from mixup_jax.data.photographs import jpeg
from mixup_jax.data.photographs.crops import Box

PHOTOGRAPH = load_sample_images().images[0]  # 427 x 640
LARGE = np.asarray(Image.fromarray(PHOTOGRAPH).resize((1920, 1280)))


def encoded(pixels, file_format="JPEG", mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def by_pillow(content, box, size):
    with Image.open(io.BytesIO(content)) as picture:
        corners = (box.left, box.top, box.left + box.width, box.top + box.height)
        return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, corners))


FILES = {
    "usual": encoded(PHOTOGRAPH, quality=90),
    "fine colours": encoded(PHOTOGRAPH, quality=95, subsampling=0),
    "progressive": encoded(PHOTOGRAPH, quality=90, progressive=True),
    "grey": encoded(PHOTOGRAPH, mode="L"),
    "four colours": encoded(PHOTOGRAPH, mode="CMYK"),
    "a PNG in truth": encoded(PHOTOGRAPH, "PNG"),
    "large": encoded(LARGE, quality=90),
}
BOXES = (Box(0, 0, 427, 427), Box(3, 101, 150, 200), Box(300, 440, 120, 160), Box(427 - 90, 640 - 120, 90, 120))


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("name", FILES)
def test_a_part_shows_what_the_whole_image_shows_there(name, box):
    size = min(box.height, box.width) // 3 * 2
    part = jpeg.decode_part(FILES[name], lambda *_: box, size)
    assert (part.shape, part.dtype) == ((size, size, 3), np.uint8)
    other = by_pillow(FILES[name], box, size)
    assert np.abs(part.astype(int) - other).mean() < 8
    shifted = by_pillow(FILES[name], box._replace(top=max(0, box.top - 8), left=max(0, box.left - 8)), size)
    if min(box.top, box.left) > 8:  # the place is right to a few pixels
        assert np.abs(part.astype(int) - other).mean() < np.abs(part.astype(int) - shifted).mean()


@pytest.mark.parametrize("name", FILES)
def test_bicubic_is_pillows_to_the_bit(name):
    with Image.open(io.BytesIO(FILES[name])) as picture:
        whole = picture.convert("RGB")
    for box in (*BOXES, Box(0, 0, whole.height, whole.width)):
        part = whole.crop((box.left, box.top, box.left + box.width, box.top + box.height))
        for size in (48, 224):
            expected = np.asarray(part.resize((size, size), Image.Resampling.BICUBIC))
            np.testing.assert_array_equal(
                jpeg.decode_part(FILES[name], lambda *_, box=box: box, size, "bicubic"), expected
            )


@pytest.mark.parametrize("name", ["usual", "grey", "progressive"])
def test_rows_below_the_part_are_not_needed(name):
    box, whole = Box(40, 30, 200, 300), FILES[name]
    part = jpeg.decode_part(whole, lambda *_: box, 200)
    everything = jpeg.decode_part(whole, lambda height, width: Box(0, 0, height, width), 427)
    assert everything.shape == (427, 427, 3)
    shorter = jpeg._first_rows(whole, 256)
    assert (shorter is None) == (name == "progressive")
    if shorter is not None:
        np.testing.assert_array_equal(part, jpeg.decode_part(shorter, lambda *_: box, 200))


def test_a_part_much_too_large_is_decoded_at_a_lower_resolution():
    box = Box(0, 0, 1280, 1280)
    part, other = jpeg.decode_part(FILES["large"], lambda *_: box, 160), by_pillow(FILES["large"], box, 160)
    assert np.abs(part.astype(int) - other).mean() < 4


@pytest.mark.parametrize("damaged", [FILES["usual"][:9000], FILES["usual"][:100], b"no image at all", b""])
def test_what_is_damaged_is_found(damaged):
    with pytest.raises(ValueError, match=r"truncated|no JPEG|Truncated"):
        jpeg.check(damaged)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99, 0.9999])
@pytest.mark.parametrize("name", ["usual", "progressive", "grey"])
def test_a_file_cut_short_is_refused_by_the_preparation_and_by_every_decoding(name, share):
    cut = FILES[name][: int(share * len(FILES[name]))]
    with pytest.raises(ValueError, match="truncated"):
        jpeg.check(cut)
    for box in BOXES:  # also where the part lies above what is missing
        with pytest.raises(ValueError, match="truncated"):
            jpeg.decode_part(cut, lambda *_, box=box: box, 90)


def test_what_lies_behind_the_end_of_an_image_does_not_matter():
    longer = FILES["usual"] + b"made by a camera"
    jpeg.check(longer)
    for box in BOXES:
        expected = jpeg.decode_part(FILES["usual"], lambda *_, box=box: box, 90)
        np.testing.assert_array_equal(jpeg.decode_part(longer, lambda *_, box=box: box, 90), expected)


@pytest.mark.parametrize("name", FILES)
def test_what_is_whole_passes(name):
    jpeg.check(FILES[name])


def test_a_small_file_of_billions_of_pixels_is_refused(monkeypatch):
    monkeypatch.setattr(jpeg, "MOST_PIXELS", 427 * 640 - 1)
    for content in (FILES["usual"], FILES["a PNG in truth"]):
        with pytest.raises(ValueError, match="640 x 427 pixels"):
            jpeg.check(content)
        with pytest.raises(ValueError, match="640 x 427 pixels"):
            jpeg.decode_part(content, lambda *_: BOXES[0], 8)


def test_decoding_is_left_to_one_thread():
    cv2.setNumThreads(3)
    jpeg._one_thread.cache_clear()
    jpeg.decode_part(FILES["usual"], lambda height, width: Box(0, 0, height, width), 8)
    assert cv2.getNumThreads() == 1
