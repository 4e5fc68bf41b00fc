"""Laws of data sets prepared by TFDS: read without TensorFlow, put back into the original's order."""

import json
import logging
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from small_archives import encoded, place, prepare_by_tfds

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import tfds as prepared
from mixup_jax.data.sources import load

N = {"train": 23, "test": 11}


def prepare(folder, name, images, labels=None, file_format="PNG", ids=True, text_keys=False):
    """Prepare a data set with TFDS's own writer, which shuffles by the examples' numbers, or by texts."""
    import tensorflow_datasets as tfds

    def records(split):
        for i, image in enumerate(images[split]):
            label = labels[split][i] if labels else i % 10
            record = {"image": encoded(image, file_format), "label": label}
            record |= {"id": f"{split}_{i:05d}"} if ids else {}
            yield f"{split}_{i:05d}" if text_keys else i, record

    image = tfds.features.Image(shape=images["train"].shape[1:])
    features = {"image": image, "label": tfds.features.ClassLabel(num_classes=10)}
    features |= {"id": tfds.features.Text()} if ids else {}
    prepare_by_tfds(folder, name, "3.0.2", features, {split: records(split) for split in images})


def random_images(shape):
    generator = np.random.default_rng(0)
    return {split: generator.integers(0, 256, (n, *shape), dtype=np.uint8) for split, n in N.items()}


@pytest.mark.parametrize("where", ["tfds", "."])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_comes_back_in_the_order_of_the_archive(tmp_path, where, name):
    images = random_images((32, 32, 3))
    prepare(tmp_path / where, name, images)
    dataset = load(name, tmp_path)
    assert np.array_equal(dataset.train_image, images["train"])
    assert np.array_equal(dataset.test_image, images["test"])
    assert np.array_equal(dataset.train_label, np.arange(N["train"]) % 10)
    assert dataset.mark == "REAL"


def test_a_copy_whose_ids_follow_the_classes_stays_shuffled(tmp_path):
    """Its first images are a sample of all classes; in the order of the ids they would be of one."""
    labels = {split: [10 * i // n for i in range(n)] for split, n in N.items()}
    prepare(tmp_path, "cifar10", random_images((32, 32, 3)), labels, text_keys=True)
    stored = prepared.decode(tmp_path / "cifar10/3.0.2", "train", (32, 32, 3))
    dataset = load("cifar10", tmp_path)
    assert np.array_equal(dataset.train_label, stored.label)
    assert (np.diff(dataset.train_label) < 0).any()


def test_jpeg_images_are_marked_lossy(tmp_path, caplog):
    prepare(tmp_path, "cifar10", random_images((32, 32, 3)), file_format="JPEG")
    with caplog.at_level(logging.INFO):
        assert load("cifar10", tmp_path).mark == "LOSSY"
        assert load("cifar10", tmp_path).mark == "LOSSY"  # from the cache
    assert caplog.text.count("cifar10: LOSSY") == 2


def test_the_shuffling_of_numbered_examples_can_be_undone(tmp_path):
    images = random_images((28, 28, 1))
    prepare(tmp_path, "fashion_mnist", images, ids=False)
    for split, expected in images.items():
        stored = prepared.decode(tmp_path / "fashion_mnist/3.0.2", split, (28, 28, 1))
        order = prepared.original_order(split, N[split])
        assert not np.array_equal(stored.image, expected)
        assert np.array_equal(stored.image[order], expected)


def test_fashion_mnist_is_the_same_from_both_sources(tiny_fashion, tmp_path):
    files, (train_image, train_label, test_image, test_label) = tiny_fashion
    place(tmp_path / "original", files)
    images = {"train": train_image[..., None], "test": test_image[..., None]}
    prepare(tmp_path, "fashion_mnist", images, {"train": train_label, "test": test_label}, ids=False)
    original, again = load("fashion_mnist", tmp_path / "original"), load("fashion_mnist", tmp_path)
    for field in fields(Dataset):
        assert np.array_equal(getattr(original, field.name), getattr(again, field.name))


def test_another_order_than_the_published_is_said(tmp_path, caplog):
    prepare(tmp_path, "fashion_mnist", random_images((28, 28, 1)), ids=False)
    load("fashion_mnist", tmp_path)
    assert "kept as stored" in caplog.text


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[: len(content) // 2], None])
def test_damaged_files_are_named(tmp_path, damage):
    prepare(tmp_path, "cifar10", random_images((32, 32, 3)))
    (file,) = tmp_path.glob("cifar10/3.0.2/*-test*")
    if damage:
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    with pytest.raises(ValueError, match=r"cifar10/3.0.2: split test cannot be read \(.*\); prepare it again"):
        load("cifar10", tmp_path)


def test_images_of_another_shape_are_refused(tmp_path):
    prepare(tmp_path, "cifar10", random_images((28, 28, 1)))
    with pytest.raises(ValueError, match=r"an image is uint8 \(28, 28\), not uint8 \(32, 32, 3\)"):
        load("cifar10", tmp_path)


def test_the_newest_version_in_array_record_is_taken(tmp_path, caplog):
    for version, file_format in (("3.0.9", "array_record"), ("3.0.10", "array_record"), ("4.0.0", "tfrecord")):
        place(tmp_path / "cifar10" / version, {"dataset_info.json": json.dumps({"fileFormat": file_format}).encode()})
    assert prepared.find("cifar10", tmp_path) == tmp_path / "cifar10" / "3.0.10"
    assert "4.0.0 is in tfrecord format: prepare it again with file_format='array_record'" in caplog.text
    assert prepared.find("cifar100", tmp_path) is None


@pytest.mark.thorough
def test_tensorflow_is_not_imported(tmp_path):
    prepare(tmp_path, "cifar10", random_images((32, 32, 3)))
    code = (
        "import sys; from mixup_jax.data.sources import load; load('cifar10', sys.argv[1]); "
        "assert 'tensorflow_datasets' in sys.modules; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
