"""WM-811K's pickle: frames of today's layout and of pandas 0.2x's are read, every other name is refused."""

import collections
import pickle
import subprocess

import numpy as np
import pytest

from experiments.wafer.files import read_wm811k
from experiments.wafer.patterns import DEFECTS
from experiments.wafer.pickled_frame import read_frame

RING = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 0]], np.uint8)
MAPS = [RING, np.ones((5, 4), np.uint8), RING, RING]
LABELS = [np.array([["Edge-Ring"]]), np.array([["none"]]), np.zeros((0, 0)), np.array([["Near-full"]])]


def objects(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def columns(maps=MAPS, labels=LABELS):
    return {"waferMap": objects(maps), "dieSize": np.arange(len(maps), dtype=float), "failureType": objects(labels)}


def test_strings_of_bytes_that_are_no_characters_are_refused(tmp_path):
    path = tmp_path / "LSWMD.pkl"
    good = pickle.dumps(np.array([["Center"]]), 4)
    for content in (good, pickle.dumps(np.str_("Center"), 4)):
        path.write_bytes(content.replace("Center".encode("utf-32-le"), b"\xff" * 24))
        with pytest.raises(ValueError, match="strings of bytes that are no characters") as caught:
            read_frame(path)
        assert str(path) in str(caught.value)


class Named:
    """Pickles as an object of a class of another library: its name, arguments and state, and nothing else."""

    def __init__(self, module, name, *arguments, state=None):
        self.parts = module, name, arguments, state

    def __reduce__(self):
        module, name, arguments, state = self.parts
        kind = type(name, (), {})
        kind.__module__, kind.__qualname__ = module, name
        return kind, arguments, state


class Pickler(pickle._Pickler):
    """The pure Python pickler: it writes the names of classes that are not there."""

    def save_global(self, obj, name=None):
        if isinstance(obj, type) and obj.__module__.startswith(("pandas", "pyarrow", "numpy._core.numeric")):
            self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__qualname__}\n".encode())
        else:
            super().save_global(obj, name)

    dispatch = {**pickle._Pickler.dispatch, type: save_global}  # noqa: RUF012


def old_frame(columns):
    """A frame as pandas 0.2x wrote it: (axes, values, items, {"0.14.1": ...}), under its old names."""

    def index(values):
        return Named("pandas.indexes.base", "Index", {"data": objects(values), "name": None})

    names = list(columns)
    parts = [([0, 2], objects(["waferMap", "failureType"])), ([1], None)]
    blocks = [
        {
            "values": np.stack([columns[names[i]] for i in places]),
            "mgr_locs": slice(0, 3, 2) if len(places) == 2 else slice(1, 2),
        }
        for places, _ in parts
    ]
    axes = [index(names), index(list(range(len(columns["dieSize"]))))]
    state = (axes, [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    manager = Named("pandas.core.internals", "BlockManager", state=state)
    return Named("pandas.core.frame", "DataFrame", state={"_data": manager, "_typ": "dataframe"})


def written(path, content):
    with path.open("wb") as file:
        Pickler(file, protocol=2).dump(content)
    return path


@pytest.fixture
def old(tmp_path):
    return written(tmp_path / "LSWMD.pkl", old_frame(columns()))


@pytest.fixture
def new(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas writes the pickle of this test; reading one needs none")
    frame = pandas.DataFrame({name: pandas.Series(values) for name, values in columns().items()})
    frame.columns = pandas.Index(list(frame.columns), dtype=object)
    frame.to_pickle(tmp_path / "LSWMD.pkl", protocol=2)
    return tmp_path / "LSWMD.pkl"


WORDS = ["Edge-Ring", "none", None, "Near-full"]


def saved_again(path, storage, protocol, labels=WORDS):
    """The frame as a newer pandas writes it: its columns of words, and their names, are strings, not objects."""
    pandas = pytest.importorskip("pandas", reason="pandas writes the pickle of this test; reading one needs none")
    if storage == "pyarrow":
        pytest.importorskip("pyarrow", reason="pandas keeps strings as objects without it")
    with pandas.option_context("mode.string_storage", storage):
        lots = pandas.array(["lot1", "lot1", None, "löt"], dtype="string")
        frame = pandas.DataFrame({"waferMap": objects(MAPS), "lotName": lots, "dieSize": [0.0, 1.0, 2.0, 3.0]})
        frame["failureType"] = labels
        frame.to_pickle(path, protocol=protocol)
    return path


@pytest.mark.parametrize("storage", ["pyarrow", "python"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_frame_that_a_newer_pandas_has_saved_again_is_read(storage, protocol, tmp_path):
    path = saved_again(tmp_path / "LSWMD.pkl", storage, protocol)
    maps = read_wm811k(path, 3)
    assert np.array_equal(maps.maps, [RING, np.ones((3, 3)), RING])
    assert [np.flatnonzero(label).tolist() for label in maps.label] == [[3], [], [5]]
    assert maps.lot.tolist() == ["lot1", "lot1", "löt"]
    found = read_frame(path)
    assert set(found) == {"waferMap", "lotName", "dieSize", "failureType"}
    assert found["lotName"][[0, 1, 3]].tolist() == ["lot1", "lot1", "löt"]
    assert found["dieSize"].tolist() == [0, 1, 2, 3]


NOTHING = [
    None,
    float("nan"),
    np.nan,
    "",
    " ",
    "nan",
    [],
    [[]],
    [None],
    np.array([[None]], object),
    np.array([["nan"]]),
]


@pytest.mark.parametrize("nothing", NOTHING)
def test_no_label_is_no_label_and_not_the_label_none(nothing, tmp_path, caplog):
    path = written(tmp_path / "a.pkl", old_frame(columns(labels=[LABELS[0], LABELS[1], nothing, nothing])))
    maps = read_wm811k(path, 3)
    assert maps.label.sum(axis=1).tolist() == [1, 0]
    assert "2 of 4 maps have no label and are left out" in caplog.text


@pytest.mark.parametrize("storage", ["pyarrow", "python"])
def test_no_label_of_a_newer_pandas_is_no_label(storage, tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas writes the pickle of this test; reading one needs none")
    for labels in (["Loc", "none", pandas.NA, pandas.NA], pandas.array(["Loc", "none", None, ""], dtype="string")):
        maps = read_wm811k(saved_again(tmp_path / "a.pkl", storage, 5, labels), 3)
        assert maps.label.sum(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize("label", ["None", "NONE", "unlabelled", np.array([["Loc"], ["Scratch"]]), ["none", "Loc"]])
def test_a_label_that_is_none_of_the_known_or_several_is_refused(label, tmp_path):
    path = written(tmp_path / "a.pkl", old_frame(columns(labels=[*LABELS[:3], label])))
    with pytest.raises(ValueError, match=r"row 3 has the failureType .*; it must be one of Center"):
        read_wm811k(path, 3)


@pytest.mark.parametrize("layout", ["old", "new"])
def test_labelled_maps_are_read_resized_with_their_defect(layout, request):
    maps = read_wm811k(request.getfixturevalue(layout), 3)
    assert maps.defects == DEFECTS
    assert maps.mark == "REAL"
    assert np.array_equal(maps.maps, [RING, np.ones((3, 3)), RING])
    assert [np.flatnonzero(label).tolist() for label in maps.label] == [[3], [], [5]]


@pytest.mark.parametrize("layout", ["old", "new"])
def test_columns_are_those_of_the_frame(layout, request):
    found = read_frame(request.getfixturevalue(layout))
    assert set(found) == {"waferMap", "dieSize", "failureType"}
    assert found["dieSize"].tolist() == [0, 1, 2, 3]


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("hostile", "name"),
    [
        (Calls(subprocess.check_output, ["touch", "owned"]), "subprocess.check_output"),
        (Calls(eval, "open('owned', 'w')"), "eval"),
        (Calls(getattr, "", "join"), "getattr"),
        (Calls(np.load, "owned"), "numpy.load"),
        (collections.OrderedDict(), "collections.OrderedDict"),
        (Named("pandas.io.pickle", "read_pickle", "owned"), "pandas.io.pickle.read_pickle"),
    ],
)
def test_a_pickle_that_asks_for_anything_else_is_refused_before_it_runs(hostile, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (hostile, old_frame(columns([*MAPS[:3], hostile]))):  # at the top, and deep inside of a frame
        with pytest.raises(ValueError, match=rf"it asks for \S*{name.rsplit('.')[-1]}, which a frame"):
            read_wm811k(written(tmp_path / "hostile.pkl", content), 3)
    assert not (tmp_path / "owned").exists()


class Stated:
    """Pickles as a call whose result is then given a state."""

    def __init__(self, state, function, *arguments):
        self.call = function, arguments, state

    def __reduce__(self):
        return self.call


def dtype(code, *state):
    return Stated(state, np.dtype, code, False, True) if state else Calls(np.dtype, code, False, True)


def array(shape, kind, content):
    return Stated((1, shape, kind, False, content), RECONSTRUCT, np.ndarray, (0,), b"b")


RECONSTRUCT, SCALAR = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
ARROW = "pyarrow.lib"
POINTER = b"\x41" * 8
BLIND = dtype("O8", 3, "|", None, None, None, -1, -1, 0)  # says that its objects are no objects


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (Calls(np.ndarray, (1,), Calls(np.dtype, "O"), POINTER), "makes an array of its own bytes"),
        (Calls(np.ndarray, (1 << 20,)), "makes an array of its own bytes"),
        (Calls(RECONSTRUCT, object, (0,), b"b"), "makes an array of the class"),
        (array((1,), dtype("O8"), POINTER), "objects that are no list"),
        (array((1,), BLIND, POINTER), "objects that are no list"),
        (array((1000,), dtype("O8"), [1]), "not as many as its shape says"),
        (array((-1,), dtype("u1"), b""), "without a type or a shape"),
        (array((1 << 20,), dtype("u1"), b"few"), "more or fewer bytes"),
        (array((1,), "O8", POINTER), "without a type or a shape"),
        (array((1,), dtype("V8"), POINTER), "an array of the type 'V8'"),
        (array((1,), dtype("O,O"), POINTER), "an array of the type 'O,O'"),
        (Calls(SCALAR, dtype("O8"), POINTER), "a scalar that is no number"),
        (Calls(SCALAR, BLIND, POINTER), "a scalar that is no number"),
    ],
)
def test_arrays_made_of_a_pickles_own_bytes_are_refused_before_numpy_sees_them(hostile, message, tmp_path):
    for content in (hostile, old_frame(columns([*MAPS[:3], hostile]))):
        with pytest.raises(ValueError, match=message):
            read_wm811k(written(tmp_path / "hostile.pkl", content), 3)


def arrow(kind="large_string", length=1, offset=0, buffers=(None, b"\0" * 8 + b"\1" + b"\0" * 7, b"a")):
    """An Arrow array as a pickle holds it; buffers are (which are there, where each ends, the texts)."""

    def call(name, *arguments):
        return Called(ARROW, name, *arguments)

    parts = [each if each is None else call("py_buffer", each) for each in buffers]
    return call("_restore_array", (call("type_for_alias", kind), length, 0, offset, parts, [], None))


class Called:
    """Pickles as a call of a function of another library."""

    def __init__(self, module, name, *arguments):
        self.parts = module, name, arguments

    def __reduce__(self):
        module, name, arguments = self.parts
        kind = type(name, (), {})
        kind.__module__, kind.__qualname__ = module, name
        return kind, arguments


def ends(*numbers):
    return np.array(numbers, "<i8").tobytes()


def test_texts_of_arrow_are_read_from_their_offset(tmp_path):
    texts = arrow(length=2, offset=1, buffers=(b"\x05", ends(0, 1, 1, 4), b"abcd"))
    found = read_frame(written(tmp_path / "a.pkl", old_frame(columns([*MAPS[:3], texts]))))
    assert found["waferMap"][3].tolist() == [None, "bcd"]


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (arrow(kind="int64"), "an Arrow array that is no text"),
        (arrow(length=-1), "without a length"),
        (arrow(length=1 << 40), "texts do not fit"),
        (arrow(offset=1), "texts do not fit"),
        (arrow(buffers=(None, ends(0, 9), b"a")), "texts do not fit"),
        (arrow(buffers=(None, ends(1, 0), b"a")), "texts do not fit"),
        (arrow(buffers=(None, ends(-1, 1), b"a")), "texts do not fit"),
        (arrow(buffers=(b"", ends(0, 1), b"a")), "does not say which texts are there"),
        (arrow(buffers=(None, ends(0, 1), b"\xff")), "decode"),
        (Called(ARROW, "py_buffer", 5), "bytes made of int"),
        (Called(ARROW, "open_stream", b""), "it asks for pyarrow.lib.open_stream"),
        (Called("numpy._core.numeric", "_frombuffer", POINTER, dtype("O8"), (1,), "C"), "objects that are no list"),
        (Called("numpy._core.numeric", "_frombuffer", b"few", dtype("u1"), (1 << 20,), "C"), "more or fewer bytes"),
        (Called("numpy._core.numeric", "_frombuffer", b"few", "u1", (3,), "C"), "without a type or a shape"),
    ],
)
def test_strings_that_a_pickle_makes_up_are_refused(hostile, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_wm811k(written(tmp_path / "hostile.pkl", old_frame(columns([*MAPS[:3], hostile]))), 3)


@pytest.mark.parametrize("kept", [np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.eye(3)), np.array("é")])
def test_arrays_are_those_that_were_written(kept, tmp_path):
    maps = objects([kept, np.float32(0.1), np.bytes_(b"a"), np.zeros((0, 2))])
    found = read_frame(written(tmp_path / "a.pkl", old_frame(columns(maps))))["waferMap"]
    assert np.array_equal(found[0], kept)
    assert found[0].dtype == kept.dtype.newbyteorder("=")
    assert (found[1], found[2], found[3].shape) == (maps[1], maps[2], (0, 2))


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"no pickle"])
def test_what_is_no_pickle_is_named(content, tmp_path):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=r"a.pkl is not a pickled frame of wafer maps: .+"):
        read_wm811k(tmp_path / "a.pkl", 3)


def test_what_is_wrong_with_a_frame_is_named(tmp_path):
    path = tmp_path / "a.pkl"
    with pytest.raises(FileNotFoundError, match=r"it should be WM-811K's LSWMD.pkl"):
        read_wm811k(path, 3)
    with pytest.raises(ValueError, match="it holds dict, not a frame"):
        read_wm811k(written(path, {"a": 1}), 3)
    with pytest.raises(ValueError, match=r"row 1 has the failureType 'Blob'; it must be one of Center"):
        read_wm811k(written(path, old_frame(columns(labels=[LABELS[0], np.array([["Blob"]]), *LABELS[2:]]))), 3)
    with pytest.raises(ValueError, match=r"row 0: map 0 holds the value 7"):
        read_wm811k(written(path, old_frame(columns(maps=[7 * RING, *MAPS[1:]]))), 3)
    with pytest.raises(ValueError, match="holds no labelled map"):
        read_wm811k(written(path, old_frame(columns(labels=[LABELS[2]] * 4))), 3)
