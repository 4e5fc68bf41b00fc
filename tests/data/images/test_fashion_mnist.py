"""Laws of reading Fashion-MNIST from the original files."""

import gzip

import numpy as np
import pytest
from small_archives import place

from mixup_jax.data.images import fashion_mnist
from mixup_jax.data.sources import load


def assert_is(dataset, arrays):
    train_image, train_label, test_image, test_label = arrays
    assert np.array_equal(dataset.train_image[..., 0], train_image)
    assert np.array_equal(dataset.train_label, train_label)
    assert np.array_equal(dataset.test_image[..., 0], test_image)
    assert np.array_equal(dataset.test_label, test_label)
    assert (dataset.name, dataset.mark, len(dataset.classes)) == ("fashion_mnist", "REAL", 10)
    assert (dataset.mean, dataset.std) == ((0.2860,), (0.3530,))


@pytest.mark.parametrize("where", ["data/downloads/fashion_mnist", "data/downloads", "data", "debian"])
def test_the_files_give_their_images_and_labels_in_order(tiny_fashion, tmp_path, where):
    files, arrays = tiny_fashion
    (tmp_path / "data").mkdir()
    place(tmp_path / where, files)
    assert_is(load("fashion_mnist", tmp_path / "data"), arrays)


def test_files_that_were_compressed_again_are_the_same_data(tiny_fashion, tmp_path):
    files, arrays = tiny_fashion
    place(
        tmp_path / "downloads/fashion_mnist",
        {name: gzip.compress(gzip.decompress(file), 1, mtime=7) for name, file in files.items()},
    )
    assert_is(load("fashion_mnist", tmp_path), arrays)


@pytest.mark.parametrize("damage", [lambda file: file[:-20], lambda file: b"no gzip", lambda file: b""])
def test_a_truncated_file_is_named(tiny_fashion, tmp_path, damage):
    files, _ = tiny_fashion
    name = fashion_mnist.ARCHIVES[2].name
    place(tmp_path / "downloads/fashion_mnist", {**files, name: damage(files[name])})
    with pytest.raises(ValueError, match=f"{name} is (incomplete or )?damaged"):
        load("fashion_mnist", tmp_path)


def test_other_content_is_refused(tiny_fashion, tmp_path):
    files, _ = tiny_fashion
    name = fashion_mnist.ARCHIVES[1].name
    place(
        tmp_path / "downloads/fashion_mnist", {**files, name: gzip.compress(gzip.decompress(files[name])[:-1] + b"\t")}
    )
    with pytest.raises(ValueError, match=f"{name} is damaged: the sha256 of its content is"):
        load("fashion_mnist", tmp_path)
