"""WM-811K (`LSWMD.pkl`, 811,457 maps): a pickle from the internet, read without running anything of it.

A pickle is a program, which may call any function. The unpickler below knows arrays that are checked
(`wafer_pickled_arrays`), columns of strings (`wafer_pickled_strings`), and stand-ins for the few classes that a pandas
frame is made of, under their names in pandas 0.2x (the file's) and today's; it refuses every other name. pandas itself
is not needed, so neither its version nor its own unpickling matters.
"""

import logging
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from experiments.wafer.maps import WaferMaps, check_values, resize_map
from experiments.wafer.patterns import DEFECTS
from experiments.wafer.pickled_strings import ALLOWED as STRINGS
from experiments.wafer.pickled_strings import NoValue, StandIn, Strings, values_of
from mixup_jax.data.files.npz import checked_text
from mixup_jax.runtime.progress import progress

CODE = re.compile(r"[<>|=]?[biufSUO]\d*")


class Dtype:
    """Stand for a dtype of numbers, strings or objects; of its state only the byte order is taken."""

    def __init__(self, code: Any, *_: Any):
        if not (isinstance(code, str) and CODE.fullmatch(code)):
            raise ValueError(f"it holds an array of the type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class NoArray:
    """Stand for the class ndarray, which a pickle only names; it cannot be called."""

    def __init__(self, *_: Any):
        raise ValueError("it makes an array of its own bytes")


class Array(np.ndarray):
    """An array whose state is checked: a list of objects, or bytes of numbers, and as many as its shape says."""

    def __setstate__(self, state: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, shape, kind, fortran, content = state
        if type(kind) is not Dtype or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("it holds an array without a type or a shape")
        count, objects = math.prod(shape), kind.dtype.hasobject
        if objects:
            if type(content) is not list or len(content) != count:
                raise ValueError("it holds an array of objects that are no list, or not as many as its shape says")
        else:
            content = _bytes(content)
            if len(content) != count * kind.dtype.itemsize:
                raise ValueError("it holds an array of more or fewer bytes than its shape says")
        inner: Any = (1, shape, kind.dtype, bool(fortran), content)
        super().__setstate__(inner)
        checked_text(self)


def reconstruct(kind: Any, *_: Any) -> Array:
    """Return the empty array whose state the pickle then gives, as NumPy's `_reconstruct` does."""
    if kind is not NoArray:
        raise ValueError(f"it makes an array of the class {kind}")
    return np.empty(0, "b").view(Array)


def frombuffer(content: Any, kind: Any, shape: Any, order: Any, *_: Any) -> Array:
    """Return an array of numbers, as NumPy's `_frombuffer` does, which newer pickles call."""
    made = np.empty(0, "b").view(Array)
    made.__setstate__((1, shape, kind, order == "F", content))
    return made


def scalar(kind: Any, content: Any) -> Any:
    """Return a number or a string, as NumPy's `scalar` does; there are none of objects."""
    if type(kind) is not Dtype or kind.dtype.hasobject:
        raise ValueError("it holds a scalar that is no number or string")
    return checked_text(np.frombuffer(_bytes(content), kind.dtype, count=1))[0]


def _bytes(content: Any) -> bytes:
    if type(content) not in (bytes, bytearray, str):
        raise ValueError(f"it holds an array made of {type(content).__name__}")
    return content.encode("latin1") if isinstance(content, str) else bytes(content)  # what Python 2 has written


ARRAY_PARTS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): NoArray,
    ("numpy", "dtype"): Dtype,
    **{
        (f"numpy.{core}.multiarray", name): each
        for core in ("core", "_core")
        for name, each in (("_reconstruct", reconstruct), ("scalar", scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): frombuffer for core in ("core", "_core")},
}
"""The names of NumPy that a pickle may use, and what it gets."""


log = logging.getLogger(__name__)

COLUMNS = ("waferMap", "failureType")
NORMAL = "none"
"""The label of maps without a defect, which is not the same as no label."""


def read_wm811k(path: Path, size: int) -> WaferMaps:
    """Read the labelled maps, resized to `size`; the label "none" is no defect, maps without a label are left out.

    No label is an empty cell: nothing, None, NaN, NA or an empty text. How many have none is logged.

    The official split (`trianTestLabel`) is ignored, as by the co-author's code.

    Raises FileNotFoundError, and ValueError for a pickle that holds anything but a frame of arrays, strings and numbers
    with the columns `waferMap` and `failureType`, for an unknown defect, and maps of other values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; it should be WM-811K's LSWMD.pkl.")
    columns = read_frame(path)
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise ValueError(f"{path} has no column {' or '.join(missing)}; it is not LSWMD.pkl.")
    names = {name.lower(): index for index, name in enumerate(DEFECTS)}
    maps, labels = [], []
    pairs = zip(*(columns[name] for name in COLUMNS), strict=True)
    for row, (one, nested) in enumerate(progress(pairs, f"reading {path.name}", len(columns[COLUMNS[0]]))):
        words = {str(word) for word in np.asarray(nested, object).ravel() if not _is_nothing(word)}  # [['Center']]
        if not words:
            continue
        word = words.pop()
        if words or (word != NORMAL and word.lower() not in names):
            known = ", ".join((*DEFECTS, NORMAL))
            found = ", ".join(map(repr, sorted({word, *words})))
            raise ValueError(
                f"{path}: row {row} has the failureType {found}; it must be one of {known} ({NORMAL}: no defect), "
                "or nothing where the map has no label."
            )
        labels.append([index == names.get(word.lower()) for index in range(len(DEFECTS))])
        maps.append(resize_map(check_values(f"{path}, row {row}", np.asarray(one)[None])[0], size))
    if not maps:
        raise ValueError(f"{path} holds no labelled map.")
    without = len(columns[COLUMNS[0]]) - len(maps)
    if without:
        log.warning("%s: %d of %d maps have no label and are left out", path.name, without, without + len(maps))
    return WaferMaps("WM-811K", "REAL", DEFECTS, np.stack(maps), np.array(labels, np.uint8))


def _is_nothing(word: Any) -> bool:
    """Return whether a cell holds no label: None, NaN or NA, or an empty text."""
    return word is None or isinstance(word, NoValue) or str(word).strip() in ("", "nan")


def read_frame(path: Path) -> dict[str, np.ndarray]:
    """Read the columns of a pickled pandas frame; raises ValueError for a pickle that holds anything else."""
    try:
        with path.open("rb") as file:
            frame = _Unpickler(file, encoding="latin1").load()
        if not isinstance(frame, _Frame):
            raise ValueError(f"it holds {type(frame).__name__}, not a frame")
        return _columns(frame)
    except Exception as error:  # whatever a pickle that is no frame, cut off or made up, leads to
        raise ValueError(
            f"{path} is not a pickled frame of wafer maps: {str(error) or type(error).__name__}."
        ) from error


class _Frame(StandIn):
    pass


class _Blocks(StandIn):
    pass


class _Block(StandIn):
    """Of several columns of one type: (values, which columns, dimensions)."""


class _Index(StandIn):
    pass


def _new_index(kind: Any, content: dict[str, Any]) -> _Index:
    return _Index(content)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, StandIn)):
        raise ValueError(f"it makes an object of {kind}")
    return kind()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise ValueError(f"it encodes text as {encoding}")
    return text.encode("latin1")


_INDEXES = ("Index", "RangeIndex", "Int64Index", "Float64Index")
_ALLOWED: dict[tuple[str, str], Any] = {
    ("pandas", "DataFrame"): _Frame,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals", "BlockManager"): _Blocks,
    ("pandas.core.internals.managers", "BlockManager"): _Blocks,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    **{(f"pandas{part}.base", "_new_Index"): _new_index for part in (".indexes", ".core.indexes", ".core")},
    **{("pandas", name): _Index for name in _INDEXES},
    **{
        (f"pandas{part}.{module}", name): _Index
        for part in (".indexes", ".core.indexes")
        for module in ("base", "range", "numeric")
        for name in _INDEXES
    },
    **ARRAY_PARTS,
    **STRINGS,
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstructor"): _reconstructor for module in ("copy_reg", "copyreg")},
    **{
        (module, name): each
        for module in ("__builtin__", "builtins")
        for name, each in (("slice", slice), ("bytes", bytes))
    },
    **{(module, "object"): object for module in ("__builtin__", "builtins")},
}
"""Every name that a pickle may use, and what it gets."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it asks for {module}.{name}, which a frame of wafer maps does not need")
        return _ALLOWED[module, name]


def _columns(frame: _Frame) -> dict[str, np.ndarray]:
    """Return the columns of a frame by name, of today's layout or of pandas 0.2x's."""
    manager = frame.state.get("_mgr", frame.state.get("_data"))
    if not manager.state:
        blocks, axes = manager.arguments
        parts = [block.arguments[:2] for block in blocks]
    else:  # (axes, values, items, {"0.14.1": {"axes", "blocks"}})
        content = manager.state[3]["0.14.1"]
        axes, parts = content["axes"], [(block["values"], block["mgr_locs"]) for block in content["blocks"]]
    names = [str(name) for name in values_of(axes[0].arguments[0]["data"])]
    columns = {}
    for values, places in parts:
        if isinstance(values, Strings):  # of one column
            values = values_of(values)[None]
        for name, column in zip(np.array(names, object)[places], values, strict=True):
            columns[name] = np.asarray(column)
    return columns
