"""Laws of layouts: a picture's part is a function of its name, and what does not fit is said in one line."""

import numpy as np
import pytest
from PIL import Image

from mixup_jax.data.images.folder import load_folder
from mixup_jax.data.images.layouts import Pictures, find_pictures, part_of

SHARES = (0.6, 0.2, 0.2)


def put(path, seed=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(abs(hash(str(path))) if seed is None else seed).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def classes(tmp_path):
    for number in range(30):
        put(tmp_path / "abc"[number % 3] / f"{number}.png", number)
    return tmp_path


def parts(path, split=SHARES):
    listing = find_pictures(path, split)
    return {name: (part, label) for part, of in listing.parts.items() for name, label in of}


def test_adding_and_removing_files_moves_no_other(classes):
    before = parts(classes)
    for number in range(100, 160):
        put(classes / "abc"[number % 3] / "more" / f"{number}.png")
    (classes / "a/0.png").unlink()
    after = parts(classes)
    assert len(after) == 89
    assert {name: after[name] for name in before if name != "a/0.png"} == {
        name: of for name, of in before.items() if name != "a/0.png"
    }


def test_parts_have_their_shares_and_two_shares_are_train_and_test():
    names = [f"{number}.png" for number in range(4000)]
    found = [part_of(name, SHARES) for name in names]
    for part, share in zip(("train", "valid", "test"), SHARES, strict=True):
        assert abs(found.count(part) / 4000 - share) < 0.03
    assert {part_of(name, (0.5, 0.5)) for name in names} == {"train", "test"}
    assert part_of("cafe\u0301.png", SHARES) == part_of("caf\u00e9.png", SHARES)  # as macOS and Linux write it


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_the_validation_set(tmp_path, name):
    for part in ("train", "test", name):
        for each in "ab":
            put(tmp_path / part / each / "0.png")
    data = load_folder(tmp_path)
    assert data.valid_label.tolist() == [0, 1]
    assert not data.notes
    np.testing.assert_array_equal(data.valid_image[1], np.asarray(Image.open(tmp_path / name / "b/0.png")))


def test_a_csv_lists_files_labels_and_parts(tmp_path):
    for number in range(6):
        put(tmp_path / f"images/{number}.png", number)
    rows = [f"images/{n}.png,{'dog' if n % 2 else 'cat'},{('train', 'val', 'test')[n // 2]}" for n in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,split", *rows]) + "\n")
    data = load_folder(tmp_path / "labels.csv")
    assert data.classes == ("cat", "dog")
    assert data.valid_label.tolist() == data.test_label.tolist() == [0, 1]
    np.testing.assert_array_equal(data.test_image[1], np.asarray(Image.open(tmp_path / "images/5.png")))
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,split", *rows]).replace("5.png,dog", "5.png,cat"))
    assert load_folder(tmp_path / "labels.csv").test_label.tolist() == [0, 0]  # not what the cache holds
    with pytest.raises(ValueError, match="has a column split: leave --split out"):
        find_pictures(tmp_path / "labels.csv", SHARES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,label\na.png,x", "has the columns name, label; it needs file and label"),
        ("", "it needs file and label"),
        ("file,label\na.png,x", "add it, or --split"),
        ("file,label,split\na.png,x,training", r"line 2: it needs a file, a label, a split"),
        ("file,label,split\na.png,,train", r"line 2: it needs a file"),
        ("file,label,split\na.png,x,train\na.png,y,test", "line 3: a.png is in line 2, too"),
        ("file,label,split\na.png,x,train\nb.png,x,test", "has the one class x"),
        ("file,label,split\na.png,x,train\nb.png,y,test", "the training set has no picture of y"),
        ("file,label,split\na.png,x,train\nb.png,y,train", "no picture is left for test"),
        ('file,label,split\n"a.png,x,train', "unexpected end"),
    ],
)
def test_a_csv_that_does_not_fit_is_one_line_that_names_it(tmp_path, content, message):
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        find_pictures(tmp_path / "labels.csv")
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


def test_another_layout_is_said_and_what_helps(classes, tmp_path_factory):
    with pytest.raises(ValueError, match=r"the folders a, b, c; if these are classes, add --split"):
        find_pictures(classes)
    put(classes / "train/a/0.png")
    with pytest.raises(ValueError, match=r"is split into train: leave it out"):
        find_pictures(classes, SHARES)
    with pytest.raises(FileNotFoundError, match=r"test is no folder"):
        find_pictures(classes)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match="but no folders; expected is PATH/train"):
        find_pictures(empty)
    with pytest.raises(FileNotFoundError, match="is no folder and no CSV"):
        find_pictures(empty / "typo")
    for part in ("train", "val", "valid"):
        (empty / part).mkdir()
    with pytest.raises(ValueError, match="has val and valid, and needs one"):
        find_pictures(empty)


def test_classes_that_only_a_later_part_has_are_named(tmp_path):
    for part in ("train", "test", "val"):
        for each in "ab" if part != "val" else "ac":
            put(tmp_path / part / each / "0.png")
    with pytest.raises(ValueError, match="val has classes that train lacks: c"):
        find_pictures(tmp_path)


def test_a_class_that_the_split_leaves_without_training_is_named(classes):
    with pytest.raises(ValueError, match="the training set has no picture of"):
        find_pictures(classes, (0.05, 0.95))
    assert load_folder(classes, Pictures(SHARES)).valid_image.shape[1:] == (4, 4, 3)
