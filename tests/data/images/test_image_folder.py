"""Laws of images in folders."""

import shutil

import numpy as np
import pytest
from PIL import Image
from small_archives import encoded

from mixup_jax.data.sources import load


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


def test_what_pillow_reads_counts_and_everything_else_is_counted_by_reason(folder, caplog):
    for name in ("9.JPG", "9.webp", "9.bmp", "9.gif", "9.tif"):
        file_format = {"JPG": "JPEG", "tif": "TIFF"}.get(name[2:], name[2:].upper())
        (folder / "test/cat" / name).write_bytes(encoded(pixels(0), file_format))
    (folder / "test/cat/._2.png").write_bytes(b"left by a Mac")
    (folder / "test/cat/link.png").symlink_to("nowhere.png")
    for i in range(1200):
        (folder / f"test/cat/{i}.heic").write_text("")
    (folder / "test/cat/noname").write_text("")
    (folder / "test/.hidden").mkdir()
    (folder / "test/cat/.ipynb_checkpoints").mkdir()
    (folder / "extra/cat").mkdir(parents=True)
    (folder / "train/a.png").write_bytes(encoded(pixels(0)))
    for _ in ("decoded", "from the cache"):
        caplog.clear()
        dataset = load(f"folder:{folder}")
        assert dataset.test_label.tolist() == [0, *[1] * 6]
        notes = [message for message in caplog.messages if "passed over" in message]
        reasons = (
            "hidden (the first: test/cat/._2.png)",
            "link to nothing (the first: test/cat/link.png)",
            "begins with .",
        )
        reasons += ("no suffix (the first: test/cat/noname)", "a hidden folder", "beside train and test")
        reasons += ("beside the folders of classes (the first: a.png)",)
        assert all(any(reason in note for note in notes) for reason in reasons)
        assert any("1,200 files" in note and ".heic (the first: test/cat/0.heic)" in note for note in notes)
        assert len(notes) == len(reasons) + 1


def test_images_in_folders_within_a_class_are_used_and_said(folder, caplog):
    (folder / "train/cat/more/deep").mkdir(parents=True)
    (folder / "train/cat/more/deep/7.png").write_bytes(encoded(pixels(7)))
    dataset = load(f"folder:{folder}")
    assert sorted(dataset.train_label.tolist()) == [0, 0, 1, 1, 1]
    assert "1 files or folders: used, in a folder within a class (the first: train/cat/more/deep/7.png)" in caplog.text


def test_what_was_understood_is_said_each_time(folder, caplog):
    caplog.set_level("INFO")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(pixels(0)).save(folder / "train/cat/0.png", exif=exif)
    (folder / "test/cat/2.png").write_bytes(encoded(pixels(0, 1)))
    for _ in ("decoded", "from the cache"):
        caplog.clear()
        load(f"folder:{folder}")
        assert "REAL, 4 training, 2 test examples of 6 x 5 x 3; 2 classes: ant, cat" in caplog.text
        assert "1 of 6 images: turned as its EXIF orientation says (the first: train/cat/0.png)" in caplog.text
        assert "1 of 6 images: grey among coloured ones" in caplog.text


def test_copies_in_both_parts_and_in_two_classes_are_said(folder, caplog):
    (folder / "test/cat/2.png").write_bytes(encoded(pixels(10)))  # an ant of the training set
    load(f"folder:{folder}")
    assert "1 of 2 test images are training images" in caplog.text
    assert "1 images lie in folders of several classes" in caplog.text


def test_one_class_is_refused_and_classes_that_differ_in_capitals_are_named(folder, caplog):
    for split in ("train", "test"):
        (folder / split / "Cat").mkdir()
        (folder / split / "Cat/0.png").write_bytes(encoded(pixels(30)))
    load(f"folder:{folder}")
    assert "differ in capital letters or blanks, or look alike: 'Cat' and 'cat'" in caplog.text
    for split in ("train", "test"):
        shutil.rmtree(folder / split / "cat")
        shutil.rmtree(folder / split / "Cat")
    with pytest.raises(ValueError, match="has the one class ant; at least two"):
        load(f"folder:{folder}")


def test_a_changed_image_is_seen(folder):
    load(f"folder:{folder}")
    (folder / "test/ant/2.png").write_bytes(encoded(pixels(99)))
    assert np.array_equal(load(f"folder:{folder}").test_image[0], pixels(99))


def test_an_image_of_another_size_is_named(folder):
    (folder / "test/cat/2.png").write_bytes(encoded(pixels(0, size=(6, 7))))
    with pytest.raises(ValueError, match=r"test/cat/2.png is 7x6 pixels, .* is 5x6; all images must have one size"):
        load(f"folder:{folder}")


@pytest.mark.parametrize("content", [b"", b"no image", encoded(pixels(0))[:60]])
def test_an_image_that_cannot_be_read_is_named(folder, content):
    (folder / "train/ant/1.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"1 of 6 files cannot be read as an image: train/ant/1.png \(.*\)") as error:
        load(f"folder:{folder}")
    assert "\n" not in str(error.value)


def test_missing_folders_classes_and_images_are_named(folder):
    (folder / "test/dog").mkdir()
    with pytest.raises(ValueError, match="test/dog holds no files"):
        load(f"folder:{folder}")
    (folder / "test/dog/0.png").write_bytes(encoded(pixels(0)))
    with pytest.raises(ValueError, match="only one of them has dog"):
        load(f"folder:{folder}")
    (folder / "new/test").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"new/train is no folder; .*<class>/<name>.png"):
        load(f"folder:{folder}/new")
    (folder / "new/train").mkdir()
    with pytest.raises(ValueError, match="new/train holds no folders of classes"):
        load(f"folder:{folder}/new")
