"""Laws of picture files: the pixels are those that one sees, or the file is refused; conversions are counted."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features
from small_archives import saved

from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.picture_files import read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6  # PNG's colour types


def png(colour, bits=16, value=300):
    """A PNG of 5 x 4 pixels that all hold one value: Pillow itself writes none of 16 bits in colour."""
    channels = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}[colour]
    row = b"\0" + np.full(5 * channels, value, f">u{bits // 8}").tobytes()
    header = struct.pack(">IIBBBBB", 5, 4, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(4 * row)), (b"IEND", b""))
    framed = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def tiff(array):
    return saved(Image.fromarray(array), "TIFF")


def read(tmp_path, content):
    """Return a picture's pixels and what was said."""
    (tmp_path / "a.png").write_bytes(content)
    tally = Tally()
    return read_picture(tmp_path / "a.png", tally, "a.png"), tally.notes("of 1 images")


def tiff_of_16_bits_a_channel():
    """Change what a TIFF of 8 bits and twice the width says of itself."""
    content = bytearray(saved(Image.fromarray(np.zeros((4, 10, 3), np.uint8)), "TIFF"))
    width, bits = content.index(struct.pack("<HHI", 256, 4, 1)), content.index(struct.pack("<HHH", 8, 8, 8))
    content[width + 8 : width + 12] = struct.pack("<I", 5)
    content[bits : bits + 6] = struct.pack("<HHH", 16, 16, 16)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        *(png(colour) for colour in (GREY, RGB, GREY_ALPHA, RGB_ALPHA)),
        tiff(np.zeros((4, 5), np.uint16)),
        tiff(np.zeros((4, 5), np.int32)),
        tiff(np.zeros((4, 5), np.float32)),
        tiff_of_16_bits_a_channel(),
        b"P5 5 4 4095\n" + bytes(40),
        b"P6 5 4 65535\n" + bytes(120),
    ],
)
def test_more_than_8_bits_a_channel_are_refused_whatever_the_format_and_mode(tmp_path, content):
    with pytest.raises(ValueError, match=r"a.png cannot be read as an image \(it has (12|16|32) bits a channel"):
        read(tmp_path, content)


@pytest.mark.parametrize("colour", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_8_bits_a_channel_are_read(tmp_path, colour):
    image, _ = read(tmp_path, png(colour, bits=8, value=255))
    assert (image == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_the_orientation_of_exif_is_applied_and_said(tmp_path, orientation, file_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, notes = read(tmp_path, saved(Image.fromarray(PIXELS), file_format, exif=exif))
    turned = [
        *(PIXELS, PIXELS[:, ::-1], PIXELS[::-1, ::-1], PIXELS[::-1]),
        *(np.rot90(PIXELS, 2)[::-1, ::-1].transpose(1, 0, 2), np.rot90(PIXELS, -1)),
        *(np.rot90(PIXELS, 2).transpose(1, 0, 2), np.rot90(PIXELS)),
    ]
    np.testing.assert_array_equal(image, turned[orientation - 1])
    assert any("EXIF" in note for note in notes) == (orientation != 1)


def test_transparency_is_laid_on_white_and_said(tmp_path):
    layers = np.dstack([PIXELS, np.full((6, 5), 255, np.uint8)])
    opaque, nothing = read(tmp_path, saved(Image.fromarray(layers), "PNG"))
    np.testing.assert_array_equal(opaque, PIXELS)
    assert not nothing
    layers[0, 0, 3] = 0
    seen, (note,) = read(tmp_path, saved(Image.fromarray(layers), "PNG"))
    assert seen[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(seen[1:], PIXELS[1:])
    assert "transparent, laid on white" in note


@pytest.mark.parametrize(("mode", "hidden", "channels"), [("L", 7, 1), ("RGB", (7, 7, 7), 3), ("P", 0, 3), ("1", 0, 1)])
def test_a_colour_that_stands_for_transparency_is_laid_on_white_too(tmp_path, mode, hidden, channels):
    picture = Image.new(mode, (5, 4), hidden)
    image, notes = read(tmp_path, saved(picture, "PNG", transparency=hidden))
    assert image.shape == (4, 5, channels)
    assert (image == 255).all()
    assert "transparent" in notes[0]


def test_other_colour_spaces_become_rgb_and_are_said(tmp_path):
    picture = Image.new("CMYK", (5, 4), (0, 255, 255, 0))
    image, (note,) = read(tmp_path, saved(picture, "TIFF"))
    assert image[0, 0].tolist() == [255, 0, 0]
    assert "CMYK converted to RGB" in note


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_said(tmp_path, file_format):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("white", "black")]
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = saved(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    image, (note,) = read(tmp_path, content)
    assert (image == 255).all()
    assert "several frames" in note


@pytest.mark.parametrize(
    ("file_format", "options"), [("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("PNG", {})]
)
def test_formats_without_loss_give_their_pixels(tmp_path, file_format, options):
    image, notes = read(tmp_path, saved(Image.fromarray(PIXELS), file_format, **options))
    np.testing.assert_array_equal(image, PIXELS)
    assert not notes


def test_avif_says_its_bits(tmp_path):
    if not features.check("avif"):
        pytest.skip("this build of Pillow reads no AVIF")
    content = saved(Image.fromarray(PIXELS).resize((16, 16)), "AVIF")
    assert read(tmp_path, content)[0].shape == (16, 16, 3)
    deep = bytearray(content.replace(b"\x03\x08\x08\x08", b"\x03\x0a\x0a\x0a"))
    deep[deep.index(b"av1C") + 6] |= 0x40  # the codec's own header says so, too
    with pytest.raises(ValueError, match="it has 10 bits a channel"):
        read(tmp_path, bytes(deep))
