"""Laws of reading CIFAR-10 and CIFAR-100 from the original archive."""

from dataclasses import replace

import numpy as np
import pytest
from small_archives import described, place, tar_gz, use

from mixup_jax.data.images import cifar
from mixup_jax.data.sources import load


def assert_is(dataset, image, label):
    end = len(dataset.train_label)
    assert np.array_equal(dataset.train_image, image[:end])
    assert np.array_equal(dataset.train_label, label[:end])
    assert np.array_equal(dataset.test_image, image[end:])
    assert np.array_equal(dataset.test_label, label[end:])


@pytest.mark.parametrize("where", ["downloads/NAME", "downloads", "downloads/manual", "."])
def test_the_archive_gives_its_images_and_labels_in_order(tiny_cifar, tmp_path, where):
    spec, content, image, label = tiny_cifar
    place(tmp_path / "data" / where.replace("NAME", spec.name), {spec.archive.name: content})
    dataset = load(spec.name, tmp_path / "data")
    assert_is(dataset, image, label)
    assert (dataset.name, dataset.mark, dataset.classes) == (spec.name, "REAL", spec.classes)
    assert dataset.mean == (0.4914, 0.4822, 0.4465)
    assert dataset.std == (0.2023, 0.1994, 0.2010)


def test_the_classes_are_the_published_ones():
    assert len(set(cifar.CIFAR10.classes)) == 10
    assert len(set(cifar.CIFAR100.classes)) == 100
    assert list(cifar.CIFAR100.classes) == sorted(cifar.CIFAR100.classes)


def test_a_truncated_archive_is_named(tiny_cifar, tmp_path):
    spec, content, _, _ = tiny_cifar
    place(tmp_path / "downloads" / spec.name, {spec.archive.name: content[:-100]})
    with pytest.raises(ValueError, match=f"{spec.archive.name} has .* bytes instead of {len(content)}: incomplete"):
        load(spec.name, tmp_path)


def test_a_damaged_archive_is_named(tiny_cifar, tmp_path):
    spec, content, _, _ = tiny_cifar
    place(tmp_path, {spec.archive.name: content[:-100] + b"\1" * 100})
    with pytest.raises(
        ValueError, match=f"{spec.archive.name} is damaged: its sha256 is .*, not {spec.archive.sha256}"
    ):
        load(spec.name, tmp_path)


@pytest.mark.parametrize("surplus", [-1, 1, None])
def test_a_member_of_the_wrong_length_or_missing_is_named(tiny_cifar, tmp_path, monkeypatch, surplus):
    spec, _, _, _ = tiny_cifar
    length = spec.records[0] * (spec.label_bytes + 3072)
    content = tar_gz([] if surplus is None else [(spec.train[0], bytes(length + surplus))])
    spec = replace(spec, archive=described(content, spec.archive.name))
    use(monkeypatch, spec)
    place(tmp_path, {spec.archive.name: content})
    with pytest.raises(ValueError, match=f"{spec.train[0]} is missing or does not hold 4 records"):
        load(spec.name, tmp_path)
