"""Wafer maps from archives and folders: what is read, and what is refused in one line."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.wafer.files import read_folder, read_map, read_maps, read_npz
from experiments.wafer.maps import WaferMaps, channels, check_values, resize_map
from experiments.wafer.patterns import DEFECTS, PATTERNS


@pytest.fixture
def archive(tmp_path):
    """MixedWM38's layout: arr_0 maps, arr_1 labels, both int32."""
    maps = np.random.default_rng(0).integers(0, 3, (38, 52, 52)).astype(np.int32)
    path = tmp_path / "Wafer_Map_Datasets.npz"
    np.savez(path, maps, PATTERNS.astype(np.int32))
    return path, maps


def rewritten(path, **changes):
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files} | changes
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


def test_mixedwm38_is_read_as_it_is(archive):
    path, maps = archive
    found = read_npz(path, DEFECTS)
    assert np.array_equal(found.maps, maps)
    assert np.array_equal(found.label, PATTERNS)
    assert found.number.max() == 4
    assert np.array_equal(read_maps(path), maps)


def test_threes_fail_and_are_counted(archive, caplog):
    path, maps = archive
    with_threes = np.where(maps == 2, 3, maps)
    assert np.array_equal(read_npz(rewritten(path, arr_0=with_threes)).maps, maps)
    assert f"{np.count_nonzero(maps == 2)} dies with the value 3" in caplog.text


def test_names_of_defects_may_stand_in_the_archive(archive):
    path, _ = archive
    found = read_npz(rewritten(path, arr_1=PATTERNS[:, :2].astype(bool), defects=np.array(["Arc", "Blob"])))
    assert found.defects == ("Arc", "Blob")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"arr_1": PATTERNS[:, :7]},
            r"labels \(arr_1\) have the shape \(38, 7\); they need a column for each of the 8",
        ),
        ({"arr_1": PATTERNS.argmax(axis=1)}, r"have the shape \(38,\)"),
        ({"arr_1": 2 * PATTERNS}, "must hold 0 and 1 only"),
        ({"arr_1": PATTERNS[:5]}, r"38 maps \(arr_0\), but 5 labels"),
        ({"arr_1": None}, r"holds arr_0; it needs arr_0 \(maps\) and arr_1 \(labels\)"),
        ({"arr_0": np.full((38, 4, 4), 255)}, "map 0 holds the value 255; a map holds 0"),
        ({"arr_0": np.full((38, 4, 4), 0.5)}, "map 0 holds the value 0.5"),
        ({"arr_0": np.full((38, 4, 4), np.nan)}, "map 0 holds the value nan"),
        ({"arr_0": np.ones((38, 4, 4), bool)}, "maps are true or false; a map holds 0"),
        ({"arr_0": np.zeros((38, 4))}, r"they must be numbers \(n, height, width\)"),
        ({"arr_0": np.array([{"a": 1}] * 38, object)}, "cannot be read as a .npz of plain arrays"),
    ],
)
def test_what_is_wrong_with_an_archive_is_named(archive, changes, message):
    with pytest.raises(ValueError, match=message):
        read_npz(rewritten(archive[0], **changes))


def test_what_is_no_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.npz is not there"):
        read_npz(tmp_path / "none.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("one.npy", "text.npz"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as a .npz of plain arrays"):
            read_npz(tmp_path / name)


@pytest.fixture
def folder(tmp_path):
    """Two defects, one map of both, one of neither; arrays and a picture, of two sizes."""
    for name in ("Arc", "Blob", "Arc+Blob", "none"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", np.full((4, 4), len(name) % 3))
    Image.fromarray(np.array([[0, 128], [255, 255]], np.uint8)).save(tmp_path / "Blob" / "1.png")
    return tmp_path


def test_folders_are_defects_and_several(folder):
    found = read_folder(folder, 4)
    assert found.defects == ("Arc", "Blob")
    assert found.label.tolist() == [[1, 0], [1, 1], [0, 1], [0, 1], [0, 0]]
    assert found.maps[3].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]]
    assert found.maps[0].max() == 0


def test_what_is_wrong_with_a_folder_is_named(folder):
    (folder / "Empty").mkdir()
    with pytest.raises(ValueError, match=r"Empty holds no files .*.npy, .png"):
        read_folder(folder, 4)
    np.save(folder / "Empty" / "0.npy", np.zeros((3, 4, 4)))
    with pytest.raises(ValueError, match=r"Empty/0.npy cannot be read as a map \(it has the shape \(3, 4, 4\)"):
        read_folder(folder, 4)
    np.save(folder / "Empty" / "0.npy", np.full((4, 4), -1))
    with pytest.raises(ValueError, match=r"Empty/0.npy: map 0 holds the value -1"):
        read_folder(folder, 4)
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        read_folder(folder / "nowhere", 4)
    with pytest.raises(ValueError, match="holds no folders of classes"):
        read_folder(folder / "none", 4)


@pytest.mark.parametrize(("name", "content"), [("a.npy", b""), ("a.npy", b"no array"), ("a.png", b"no picture")])
def test_a_file_that_is_no_map_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read as a map"):
        read_map(tmp_path / name)


def test_a_pickled_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[print]], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a.npy cannot be read as a map"):
        read_map(tmp_path / "a.npy")


def test_pictures_may_hold_the_values_themselves(tmp_path):
    one = np.array([[0, 1], [2, 1]], np.uint8)
    Image.fromarray(one).save(tmp_path / "a.png")
    assert np.array_equal(read_map(tmp_path / "a.png"), one)
    Image.fromarray(np.array([[0, 100]], np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b.png: map 0 holds the value 100"):
        read_map(tmp_path / "b.png")


def test_palettes_are_looked_through_and_must_be_grey(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    picture.putpalette([255] * 3 + [0] * 3 + [128] * 3)
    picture.save(tmp_path / "a.png")
    assert read_map(tmp_path / "a.png").tolist() == [[2, 0, 1]]
    picture.putpalette([0] * 3 + [0, 255, 0] + [255, 0, 0])
    for name, each in (("b.png", picture), ("c.png", picture.convert("RGB"))):
        each.save(tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a map \(it is in colours; .* is grey"):
            read_map(tmp_path / name)


def test_what_lies_under_transparent_pixels_is_no_die(tmp_path):
    """Their colour, which nobody sees, is white in most pictures: a die that fails."""
    values = np.array([[255, 128], [255, 0]], np.uint8)
    layers = np.stack([*[values] * 3, np.full((2, 2), 255, np.uint8)], axis=-1)
    Image.fromarray(layers).save(tmp_path / "a.png")
    assert read_map(tmp_path / "a.png").tolist() == [[2, 1], [2, 0]]
    layers[0, 0, 3] = 0
    Image.fromarray(layers).save(tmp_path / "a.png")
    Image.fromarray(values).save(tmp_path / "b.png", transparency=255)
    for name in ("a.png", "b.png"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a map \(it has transparent pixels"):
            read_map(tmp_path / name)


@pytest.mark.parametrize(("mode", "kind"), [("1", bool), ("I;16", np.uint16)])
def test_pictures_of_two_values_or_sixteen_bits_are_refused(mode, kind, tmp_path):
    Image.fromarray(np.eye(4, dtype=kind)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=rf"a.png cannot be read as a map \(it is a picture of the mode {mode[0]}"):
        read_map(tmp_path / "a.png")


def test_resizing_makes_no_new_values_and_keeps_what_fits():
    one = np.random.default_rng(0).integers(0, 3, (31, 40)).astype(np.uint8)
    assert np.array_equal(resize_map(one[:31, :31], 31), one[:31, :31])
    assert np.array_equal(resize_map(resize_map(one[:31, :31], 62), 31), one[:31, :31])


def test_channels_are_fail_and_exists():
    both = channels(jnp.array([[[0, 1, 2]]], jnp.uint8))
    assert both.tolist() == [[[[0, 0], [0, 1], [1, 1]]]]


def test_maps_and_labels_must_fit():
    maps, label = np.zeros((2, 4, 4), np.uint8), np.eye(2, dtype=np.uint8)
    assert len(WaferMaps("a", "REAL", ("x", "y"), maps, label)) == 2
    with pytest.raises(ValueError, match=r"labels are uint8 \(2, 2\); they must be uint8 multi-hot \(2, 3\)"):
        WaferMaps("a", "REAL", ("x", "y", "z"), maps, label)
    with pytest.raises(ValueError, match="mark is 'TRUE'"):
        WaferMaps("a", "TRUE", ("x", "y"), maps, label)
    with pytest.raises(ValueError, match="labels hold 3"):
        WaferMaps("a", "REAL", ("x", "y"), maps, 3 * label)
    with pytest.raises(ValueError, match="they must be numbers"):
        check_values("a", np.array([[["x"]]]))


@pytest.fixture
def rings(tmp_path):
    """Maps of 4 x 4: a defect, none, and a file of another kind."""
    for name in ("Ring", "none"):
        (tmp_path / "maps" / name).mkdir(parents=True)
        np.save(tmp_path / "maps" / name / "a.npy", np.array([[1, 2], [2, 1]]).repeat(2, 0).repeat(2, 1))
    return tmp_path / "maps"


def test_what_is_passed_over_or_resized_is_said_and_folders_within_are_used(rings, caplog):
    (rings / "Ring" / "a.csv").write_text("")
    (rings / "Ring" / "lot1").mkdir()
    np.save(rings / "Ring" / "lot1" / "b.npy", np.array([[1, 2, 2]] * 3))
    assert len(read_folder(rings, 4)) == 3
    for note in (".csv (the first: maps/Ring/a.csv)", "used, in a folder within a class (the first: maps/Ring/lot1"):
        assert note in caplog.text
    assert "1 files or folders: resized to 4 x 4 (the first: lot1/b.npy, 3 x 3)" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ring", "'Ring' and 'ring' as different defects"),
        ("Ring+", "'' is no name"),
        ("Ring+none", "'none' is no name"),
    ],
)
def test_names_of_defects_that_cannot_be_meant_are_refused(rings, name, message):
    (rings / name).mkdir()
    np.save(rings / name / "a.npy", np.ones((4, 4)))
    with pytest.raises(ValueError, match=message):
        read_folder(rings, 4)


def test_names_of_defects_in_an_archive_are_checked_too(archive):
    for names in (["Arc", "Arc"], ["Arc", ""], ["Arc", "arc"], ["Arc", "Normal"]):
        with pytest.raises(ValueError, match=r"not all different|is no name|as different defects"):
            read_npz(rewritten(archive[0], arr_1=PATTERNS[:, :2], defects=np.array(names)))
