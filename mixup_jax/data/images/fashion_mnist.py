"""Fashion-MNIST (Xiao et al., 2017): 60,000 + 10,000 grey images, 28x28.

All sources give the images in the order of the original files.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import tfds
from mixup_jax.data.files.archives import Archive
from mixup_jax.data.images.published import PublishedImages, load_published

NAME = "fashion_mnist"
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
MEAN, STD = (0.2860,), (0.3530,)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts the files
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
ARCHIVES = tuple(
    Archive(f"{URL}/{name}-ubyte.gz", size, sha256)
    for name, size, sha256 in (
        ("train-images-idx3", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )
)
# (shape, SHA-256) of each file's content after decompression, which Debian's repacking leaves as it is.
CONTENTS = (
    ((60000, 28, 28), "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    ((60000,), "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    ((10000, 28, 28), "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    ((10000,), "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)


def load_fashion_mnist(data_dir: Path) -> Dataset:
    """Load Fashion-MNIST from `data_dir` as `load_published` does."""
    data = PublishedImages(NAME, CLASSES, (28, 28, 1), MEAN, STD, ARCHIVES, _read_files, _published_order, (DEBIAN,))
    return load_published(data, data_dir)


def _read_files(paths: list[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    arrays = [_read_idx(path, shape, sha256) for path, (shape, sha256) in zip(paths, CONTENTS, strict=True)]
    return arrays[0][..., None], arrays[1].astype(np.int32), arrays[2][..., None], arrays[3].astype(np.int32)


def _idx_header(shape: tuple[int, ...]) -> bytes:
    """Return the first bytes of an IDX file of uint8: the type, the number of axes, and each axis, big-endian."""
    return bytes((0, 0, 8, len(shape))) + np.array(shape, ">i4").tobytes()


def _read_idx(path: Path, shape: tuple[int, ...], sha256: str) -> np.ndarray:
    """Read a gzip-compressed IDX file (uint8); ValueError where its content is not the published one."""
    header = _idx_header(shape)
    size = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is incomplete or damaged ({error}); delete it and run again") from error
    digest = hashlib.sha256(content).hexdigest()
    if len(content) != size or not content.startswith(header) or digest != sha256:
        raise ValueError(f"{path} is damaged: the sha256 of its content is {digest}, not {sha256}; replace it")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _published_order(stored: tfds.Split, split: str) -> np.ndarray | None:
    """Return the order of the IDX files if it gives their content, byte for byte."""
    order = tfds.original_order(split, len(stored.label))
    arrays = stored.image[order, ..., 0], stored.label[order].astype(np.uint8)
    digests = [hashlib.sha256(_idx_header(array.shape) + array.tobytes()).hexdigest() for array in arrays]
    published = [sha256 for _, sha256 in (CONTENTS[:2] if split == "train" else CONTENTS[2:])]
    return order if digests == published else None
