"""Laws of the check before the training: all bad files are named at once, copies too, and nothing is checked twice."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from mixup_jax.data.images.folder import load_folder
from mixup_jax.data.images.layouts import Pictures, find_pictures
from mixup_jax.data.photographs import checked
from mixup_jax.data.photographs.checked import check_pictures
from mixup_jax.data.photographs.files import load_photographs

PICTURES = 40


def content(seed, file_format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)).save(buffer, file_format)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    for number in range(PICTURES):
        place = tmp_path / "photos" / ("test" if number % 5 == 4 else "train") / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02}.png").write_bytes(content(number))
    return tmp_path / "photos"


def spoil(folder, count):
    """Damage files in several ways; return their names."""
    files = sorted(folder.glob("*/*/*.png"))[:count]
    for number, file in enumerate(files):
        file.write_bytes((b"", b"no image", content(number)[:80], content(number, "JPEG")[:-60])[number % 4])
    return [file.relative_to(folder).as_posix() for file in files]


@pytest.mark.parametrize("opened", [load_folder, load_photographs])
def test_all_bad_files_are_named_at_once_or_left_out_and_counted(folder, opened):
    whole = opened(folder, Pictures(size=8))
    names = spoil(folder, 6)
    with pytest.raises(ValueError, match="6 of 40 files cannot be read as an image") as error:
        opened(folder, Pictures(size=8))
    assert all(f"{name} (" in str(error.value) for name in names)
    assert "\n" not in str(error.value)
    left = opened(folder, Pictures(size=8, skip_bad=True))
    assert left.train_count + left.test_count == PICTURES - 6
    assert any("6 pictures that cannot be read are left out" in note for note in left.notes)
    assert left.identity() != whole.identity()


def test_of_many_bad_files_the_first_are_named_and_all_are_counted(folder):
    spoil(folder, 30)
    with pytest.raises(ValueError, match="30 of 40 files") as error:
        check_pictures(find_pictures(folder))
    assert str(error.value).count(".png (") == 20


def test_a_class_of_which_nothing_is_left_is_named(folder):
    for file in (folder / "train/a").iterdir():
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="the training set has no picture of a"):
        check_pictures(find_pictures(folder), skip_bad=True)


def test_files_are_checked_again_where_they_or_the_cache_have_changed(folder, monkeypatch):
    looked = []
    original = checked.look_at
    monkeypatch.setattr(checked, "look_at", lambda each: looked.append(each) or original(each))

    def count():
        looked.clear()
        check_pictures(find_pictures(folder))
        return len(looked)

    assert (count(), count()) == (PICTURES, 0)
    (folder / "train/a/00.png").write_bytes(content(99))
    (folder / "train/a/new.png").write_bytes(content(98))
    assert (count(), count()) == (2, 0)
    cache = checked._cache(find_pictures(folder))
    whole = cache.read_bytes()
    for damaged in (b"", b"[]", whole[:-5], whole.replace(b'"PNG"', b'"GIF"', 1), b"\xff" * 50):
        cache.write_bytes(damaged)
        assert count() == PICTURES + 1
    monkeypatch.setattr(checked, "FORMAT", checked.FORMAT + 1)
    assert count() == PICTURES + 1


@pytest.mark.parametrize("opened", [load_folder, load_photographs])
def test_a_file_in_the_place_of_another_of_its_size_and_time_is_a_change(folder, opened):
    def digests():
        return opened(folder, Pictures(size=8 if opened is load_photographs else None)).identity().digests

    one, other = folder / "train/a/00.png", folder / "new.bmp"
    one.write_bytes(content(0, "BMP"))
    before = digests()
    other.write_bytes(content(77, "BMP"))
    os.utime(other, ns=(one.stat().st_mtime_ns,) * 2)
    assert (other.stat().st_size, other.stat().st_mtime_ns) == (one.stat().st_size, one.stat().st_mtime_ns)
    other.replace(one)
    assert digests() != before


def test_a_file_that_could_not_be_read_is_looked_at_again(folder, monkeypatch):
    original = checked.look_at

    def out_of_reach(encoded):
        raise PermissionError("out of reach")

    monkeypatch.setattr(checked, "look_at", out_of_reach)
    with pytest.raises(ValueError, match="out of reach"):
        check_pictures(find_pictures(folder))
    monkeypatch.setattr(checked, "look_at", original)
    assert check_pictures(find_pictures(folder)).skipped == 0


def test_files_in_two_parts_and_of_two_classes_are_named_and_counted(folder):
    (folder / "test/a/copy.png").write_bytes(content(0))
    (folder / "test/b/copy.png").write_bytes(content(2))
    notes = check_pictures(find_pictures(folder)).notes()
    (copies,) = (note for note in notes if "byte for byte: " in note)
    assert copies.startswith("2 of 10 files of test are in train")
    assert "test/a/copy.png = train/a/00.png, test/b/copy.png = train/a/02.png" in copies
    assert any("1 pictures have several classes" in note for note in notes)


def test_what_was_found_is_said_in_one_line(folder, caplog):
    caplog.set_level("INFO")
    (folder / "train/a/large.jpg").write_bytes(content(50, "JPEG"))
    check_pictures(find_pictures(folder))
    assert "41 pictures; a class has 16 (b) to 17 (a) for training; 40 PNG, 1 JPEG; 7 x 9 pixels" in caplog.text


def test_files_of_a_csv_that_are_not_there_are_named_with_the_others(folder):
    rows = [
        "train/a/00.png,a,train",
        "train/b/01.png,b,train",
        "test/a/04.png,a,test",
        "gone.png,a,train",
        "test,b,test",
    ]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    with pytest.raises(ValueError, match=r"gone.png \(no such file\); test \(no ordinary file\)"):
        check_pictures(find_pictures(folder / "labels.csv"))
    left = load_folder(folder / "labels.csv", Pictures(skip_bad=True))
    assert (left.train_count, left.test_count) == (2, 1)
