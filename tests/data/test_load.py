"""Laws of `load`, on what is embedded and, where it is at hand, on the real data."""

import os
from pathlib import Path

import numpy as np
import pytest

from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.data.files import tfds as prepared
from mixup_jax.data.files.archives import data_folder, decoded_dir
from mixup_jax.data.sources import SOURCES, load, open_data

# Read when the tests are collected: each test has its own, empty environment.
REAL = Path(os.environ.get("MIXUP_JAX_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


def real(name):
    """Load a prepared data set, or skip."""
    if prepared.find(name, REAL) is None:
        pytest.skip(f"no prepared {name} in $MIXUP_JAX_DATA")
    return load(name, REAL)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(
            ("cifar-10", "cifar10"),
            ("CIFAR-10", "cifar10"),
            ("CIFAR 100", "cifar100"),
            ("Fashion-MNIST", "fashion_mnist"),
        ),
        *(("ImageNet-1k", "imagenet"), ("Folder:x", "folder:x"), ("folder:", "folder:PATH"), ("fsdd:", "fsdd:PATH")),
        *(("./images", "folder:./images"), ("/data/images", "folder:/data/images"), ("~/x", "speech:~/x")),
    ],
)
def test_unknown_names_list_the_known_and_the_nearest(name, meant):
    with pytest.raises(ValueError, match=r"must be one of digits, .*fsdd:SPEAKER; ") as error:
        load(name)
    assert str(error.value).startswith(f"dataset is {name!r}")
    assert meant in str(error.value).partition("fsdd:SPEAKER; ")[2]


def test_a_name_that_is_like_no_other_gets_no_advice_but_a_folder_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"must be one of digits, .*fsdd:SPEAKER$"):
        load("xyz")
    (tmp_path / "xyz").mkdir()
    with pytest.raises(ValueError, match="a folder of images is folder:xyz"):
        load("xyz")


@pytest.mark.parametrize("name", ["folder:~nouser/x", "speech:~nouser/x"])
def test_a_home_that_is_not_known_is_named(name):
    with pytest.raises(ValueError, match="dataset is ~nouser/x, and the home folder of ~nouser is not known"):
        load(name)
    with pytest.raises(ValueError, match=r"data_dir is ~nouser/x, .* not known"):
        load("digits", "~nouser/x")


@pytest.mark.parametrize("name", ["digits", "cifar10", "fsdd", "speech_commands", "imagenet"])
def test_a_mistyped_data_folder_is_refused_and_not_made(name, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"data_dir is .*typo, which does not exist; .*mkdir"):
        open_data(name, tmp_path / "typo")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"data_dir is .*file, which is no folder"):
        open_data(name, tmp_path / "file")
    monkeypatch.setenv("MIXUP_JAX_DATA", str(tmp_path / "typo"))
    with pytest.raises(ValueError, match=r"MIXUP_JAX_DATA is .*typo, which does not exist"):
        open_data(name)
    assert not (tmp_path / "typo").exists()


def test_digits_are_whole_and_stratified():
    dataset = load("digits")
    assert len(dataset.train_label) + len(dataset.test_label) == 1797
    share = np.bincount(dataset.test_label) / np.bincount(np.append(dataset.train_label, dataset.test_label))
    assert abs(share - 0.2).max() < 0.006
    assert dataset.train_image.max() == 255
    both = {image.tobytes() for image in dataset.train_image} & {image.tobytes() for image in dataset.test_image}
    assert not both


def test_mean_and_std_are_exact():
    image = np.random.default_rng(0).integers(0, 256, (2500, 3, 5, 2), dtype=np.uint8)
    mean, std = pixel_statistics(image)
    np.testing.assert_allclose(mean, (image / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (image / 255).std((0, 1, 2)), rtol=1e-12)
    assert pixel_statistics(image[::-1]) == (mean, std)
    assert pixel_statistics(np.full((2, 2, 2, 1), 51, np.uint8)) == ((0.2,), (1.0,))


def test_the_default_folders_follow_the_environment(monkeypatch, tmp_path):
    assert data_folder(None) == tmp_path / "cache" / "mixup_jax" / "data"
    assert decoded_dir() == tmp_path / "cache" / "mixup_jax" / "decoded"
    monkeypatch.setenv("MIXUP_JAX_DATA", "~")
    assert data_folder(None) == Path.home()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert decoded_dir() == Path.home() / ".cache" / "mixup_jax" / "decoded"


def test_the_default_folder_is_where_load_looks(tiny_fashion, monkeypatch, tmp_path):
    from small_archives import place

    place(tmp_path / "elsewhere", tiny_fashion[0])
    monkeypatch.setenv("MIXUP_JAX_DATA", str(tmp_path / "elsewhere"))
    assert np.array_equal(load("fashion_mnist").test_image[..., 0], tiny_fashion[1][2])


def test_every_source_has_a_line_in_the_docstring():
    assert all(name in str(load.__doc__) for name in SOURCES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_label": np.array([0, 2], np.int32)}, r"train_label holds 0 to 2; it must hold 0 to 1"),
        ({"train_label": np.array([0, -1], np.int32)}, r"train_label holds -1 to 0"),
        ({"test_label": np.array([0, 1])}, r"test_label is int64 \(2,\); it must be int32 \(2,\)"),
        ({"test_image": np.zeros((2, 3, 3, 2), np.uint8)}, r"test_image is uint8 \(2, 3, 3, 2\)"),
        ({"train_image": np.zeros((2, 3, 3, 1))}, r"train_image is float64"),
        ({"mean": (0.0, 0.0)}, r"mean and std have 2 and 1 numbers; the images have 1 channels"),
        ({"mark": "FAKE"}, r"mark is 'FAKE'; it must be one of REAL, LOSSY, SYNTHETIC"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(change, message):
    image, label = np.zeros((2, 3, 3, 1), np.uint8), np.array([0, 1], np.int32)
    fields = {"name": "a", "mark": "REAL", "classes": ("x", "y"), "mean": (0.0,), "std": (1.0,)}
    fields |= {"train_image": image, "train_label": label, "test_image": image, "test_label": label}
    Dataset(**fields)
    with pytest.raises(ValueError, match=message):
        Dataset(**(fields | change))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("cifar10", (32, 32, 3)), ("fashion_mnist", (28, 28, 1))])
def test_the_real_data_is_whole(name, shape):
    dataset = real(name)
    assert dataset.image_shape == shape
    assert len(set(np.bincount(dataset.train_label).tolist())) == 1
    assert np.bincount(dataset.test_label).tolist() == [1000] * 10
    assert len(dataset.train_label) == (50000 if name == "cifar10" else 60000)
    # The published means are the pixels'; so is Fashion-MNIST's deviation, but not CIFAR's.
    mean, std = pixel_statistics(dataset.train_image)
    np.testing.assert_allclose(mean, dataset.mean, atol=2e-3)
    if name == "fashion_mnist":
        np.testing.assert_allclose(std, dataset.std, atol=1e-4)
