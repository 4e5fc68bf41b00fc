"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 50,000 + 10,000 colour images, 32x32.

Both sources, the original archive and TFDS's own preparation of it, give the images in the archive's order.
"""

import tarfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import archives, tfds
from mixup_jax.data.files.archives import Archive
from mixup_jax.data.images.published import PublishedImages, load_published

# Paper: the released code's constants for CIFAR-10. These are not the deviations of the pixels (0.247, 0.243, 0.262);
# the released code has none for CIFAR-100, which uses the same here.
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True)
class Cifar:
    """The layout of one of the two binary archives."""

    name: str
    archive: Archive
    classes: tuple[str, ...]
    train: tuple[str, ...]  # members of the archive
    test: tuple[str, ...]
    records: tuple[int, int]  # in a training member and in a test member
    label_bytes: int  # the class is the last of them


CIFAR10 = Cifar(
    name="cifar10",
    archive=Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        170052171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train=tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
    test=("cifar-10-batches-bin/test_batch.bin",),
    records=(10000, 10000),
    label_bytes=1,
)
CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree
wolf woman worm
"""
CIFAR100 = Cifar(
    name="cifar100",
    archive=Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        168513733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ),
    classes=tuple(CIFAR100_CLASSES.split()),
    train=("cifar-100-binary/train.bin",),
    test=("cifar-100-binary/test.bin",),
    records=(50000, 10000),
    label_bytes=2,
)


def load_cifar(cifar: Cifar, data_dir: Path) -> Dataset:
    """Load CIFAR from `data_dir` as `load_published` does."""
    read = partial(_read_archive, cifar)
    data = PublishedImages(cifar.name, cifar.classes, (32, 32, 3), MEAN, STD, (cifar.archive,), read, _archive_order)
    return load_published(data, data_dir)


def _archive_order(stored: tfds.Split, split: str) -> np.ndarray | None:
    """Return the order of the archive, if this is TFDS's own preparation.

    It is if undoing TFDS's shuffling sorts the "id" (train_00000, ...). Other copies may have other ids: sorted by
    class, say, which would make the first N images a sample of one class.
    """
    order = tfds.original_order(split, len(stored.label))
    ids = [stored.key[i] for i in order] if stored.key else []
    return order if ids == [f"{split}_{i:05d}".encode() for i in range(len(order))] else None


def _read_archive(cifar: Cifar, paths: list[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    (path,) = paths
    archives.verify(path, cifar.archive)
    try:
        return *_read_members(cifar, path, "train"), *_read_members(cifar, path, "test")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run again") from error


def _read_members(cifar: Cifar, path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the records of the training or test members: label bytes, then 3,072 bytes, colour by row by column."""
    members, records = (cifar.train, cifar.records[0]) if part == "train" else (cifar.test, cifar.records[1])
    record_bytes, rows = cifar.label_bytes + 3072, []
    with tarfile.open(path, "r:gz") as archive:
        for member in members:
            try:
                file = archive.extractfile(member)
            except KeyError:
                file = None
            content = file.read(records * record_bytes + 1) if file else b""
            if len(content) != records * record_bytes:
                raise ValueError(f"{path}: {member} is missing or does not hold {records} records of {record_bytes} B")
            rows.append(np.frombuffer(content, np.uint8).reshape(records, record_bytes))
    table = np.concatenate(rows)
    image = table[:, cifar.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(image), table[:, cifar.label_bytes - 1].astype(np.int32)
