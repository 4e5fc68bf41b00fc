"""Targets of pictures: folders of images, photographs, the records that hold them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mixup_jax.data.imagenet.shards import Shards, write
from mixup_jax.data.images.folder import load_folder
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs import jpeg
from mixup_jax.data.photographs.crops import Box
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.streamed import Photograph

from .law import Target

PIXELS = np.arange(16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")


def picture(pixels: np.ndarray, file_format: str, **options: bool) -> bytes:
    """Encode uint8 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()


def pictures() -> list[bytes]:
    """Return a picture in several formats."""
    return [picture(PIXELS, each) for each in FORMATS] + [picture(PIXELS, "JPEG", progressive=True)]


def stream(folder: Path) -> None:
    """Open a folder of photographs of any format, and decode parts of each."""
    data = load_photographs(folder / "images", Pictures(size=8))
    for position in range(data.train_count):
        data.train_example(0, position)


def good_pictures(folder: Path) -> None:
    """Put good pictures beside the one that is damaged."""
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (folder / "images" / place).mkdir(parents=True)
        (folder / "images" / place / "good.png").write_bytes(picture(PIXELS, "PNG"))


def photograph(folder: Path) -> None:
    """Check a photograph, and decode a part of it."""
    encoded = (folder / "photograph").read_bytes()
    jpeg.decode_part(encoded, lambda height, width: Box(0, 0, max(1, height // 2), max(1, width // 2)), 8)
    jpeg.check(encoded)


def shard() -> list[bytes]:
    """Return a file of photographs."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.array_record"
        write(path, [Photograph(f"n01440764_{i}.JPEG", 0, picture(PIXELS, "JPEG")) for i in range(3)])
        return [path.read_bytes()]


def read_shard(folder: Path) -> None:
    """Read every photograph of a file."""
    shards = Shards([folder / "train.array_record"])
    for index in range(len(shards)):
        shards[index]


HEADERS = (
    b"IHDR",
    b"IDAT",
    b"\xff\xd8\xff\xc0",
    b"\xff\xdb",
    b"\xff\xc2",
    b"RIFF",
    b"WEBP",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
)
TARGETS = [
    Target(
        "image_folder",
        "images/train/a/bad.png",
        pictures,
        lambda folder: load_folder(folder / "images"),
        good_pictures,
        HEADERS,
    ),
    Target("streamed_folder", "images/train/a/bad.png", pictures, stream, good_pictures, HEADERS),
    Target("photograph", "photograph", pictures, photograph, words=HEADERS, names_file=False),
    Target("shard", "train.array_record", shard, read_shard),
]
