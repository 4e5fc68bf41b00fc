"""Laws of images in folders."""

import numpy as np
import pytest
from PIL import Image
from small_archives import encoded

from mixup_jax.data import load


def pixels(seed, channels=3, size=(6, 5)):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes; train has two images of each, test one."""
    for i, name in enumerate(("cat", "ant")):
        for split, numbers in (("train", (0, 1)), ("test", (2,))):
            (tmp_path / split / name).mkdir(parents=True)
            for number in numbers:
                (tmp_path / split / name / f"{number}.png").write_bytes(encoded(pixels(10 * i + number)))
    return tmp_path


def test_images_have_the_class_of_their_folder_and_classes_are_sorted(folder):
    dataset = load(f"folder:{folder}")
    assert dataset.classes == ("ant", "cat")
    assert dataset.mark == "REAL"
    assert sorted(dataset.train_label.tolist()) == [0, 0, 1, 1]
    of = {image.tobytes(): label for image, label in zip(dataset.train_image, dataset.train_label, strict=True)}
    assert of == {pixels(seed).tobytes(): label for seed, label in ((0, 1), (1, 1), (10, 0), (11, 0))}
    assert np.array_equal(dataset.test_image, [pixels(12), pixels(2)])
    assert dataset.test_label.tolist() == [0, 1]


def test_the_first_training_images_are_a_sample_of_all_classes(tmp_path):
    for split in ("train", "test"):
        for name in "abcd":
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(25):
                (tmp_path / split / name / f"{number}.png").write_bytes(encoded(pixels(0, size=(1, 1))))
    assert len(set(load(f"folder:{tmp_path}").train_label[:20].tolist())) == 4


def test_mean_and_std_are_the_training_pixels(folder):
    dataset = load(f"folder:{folder}")
    unit = dataset.train_image / 255
    np.testing.assert_allclose(dataset.mean, unit.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, unit.std((0, 1, 2)), rtol=1e-12)


def test_grey_images_have_one_channel(folder):
    for file in folder.glob("*/*/*.png"):
        file.write_bytes(encoded(pixels(0, 1)))
    dataset = load(f"folder:{folder}")
    assert np.array_equal(dataset.test_image, [pixels(0, 1)] * 2)
    assert len(dataset.mean) == 1


def test_a_grey_image_among_coloured_ones_gets_three_equal_channels(folder):
    (folder / "test/cat/2.png").write_bytes(encoded(pixels(0, 1)))
    image = load(f"folder:{folder}").test_image[1]
    assert np.array_equal(image, np.broadcast_to(pixels(0, 1), (6, 5, 3)))


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("P", 3), ("LA", 1), ("1", 1)])
def test_other_modes_are_read_too(folder, mode, channels):
    picture = Image.fromarray(pixels(3)).convert(mode)
    for file in folder.glob("*/*/*.png"):
        picture.save(file)
    expected = np.atleast_3d(np.asarray(picture.convert("RGB" if channels == 3 else "L")))
    assert np.array_equal(load(f"folder:{folder}").test_image[0], expected)


def test_jpeg_files_count_and_other_files_do_not(folder):
    (folder / "test/cat/9.JPG").write_bytes(encoded(pixels(0), "JPEG"))
    (folder / "test/cat/._2.png").write_bytes(b"left by a Mac")
    (folder / "test/cat/notes.txt").write_text("")
    (folder / "test/.hidden").mkdir()
    assert load(f"folder:{folder}").test_label.tolist() == [0, 1, 1]


def test_a_changed_image_is_seen(folder):
    load(f"folder:{folder}")
    (folder / "test/ant/2.png").write_bytes(encoded(pixels(99)))
    assert np.array_equal(load(f"folder:{folder}").test_image[0], pixels(99))


def test_an_image_of_another_size_is_named(folder):
    (folder / "test/cat/2.png").write_bytes(encoded(pixels(0, size=(6, 7))))
    with pytest.raises(ValueError, match=r"test/cat/2.png is 7x6 pixels, .* is 5x6; all images must have one size"):
        load(f"folder:{folder}")


def sixteen_bits():
    return encoded(np.zeros((6, 5), np.uint16))


@pytest.mark.parametrize("content", [b"", b"no image", encoded(pixels(0))[:60], sixteen_bits()])
def test_an_image_that_cannot_be_read_is_named(folder, content):
    (folder / "train/ant/1.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"train/ant/1.png cannot be read as an image \(.*\)") as error:
        load(f"folder:{folder}")
    assert "\n" not in str(error.value)


def test_missing_folders_classes_and_images_are_named(folder):
    (folder / "test/dog").mkdir()
    with pytest.raises(ValueError, match="test/dog holds no images"):
        load(f"folder:{folder}")
    (folder / "test/dog/0.png").write_bytes(encoded(pixels(0)))
    with pytest.raises(ValueError, match="only one of them has dog"):
        load(f"folder:{folder}")
    (folder / "new/test").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"new/train is no folder; .*<class>/<name>.png"):
        load(f"folder:{folder}/new")
    (folder / "new/train").mkdir()
    with pytest.raises(ValueError, match="new/train holds no class folders"):
        load(f"folder:{folder}/new")
