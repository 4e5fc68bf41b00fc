"""Read a pickled pandas frame that is not trusted, without pandas and without running any of the pickle.

A pickle is a program that may call any function. This unpickler knows arrays, which are checked before NumPy sees them,
and stand-ins for the few classes that a frame is made of, under their names in pandas 0.2x (WM-811K's) and in newer
versions. pandas 3 keeps strings as Arrow does: all texts end to end, and where each text ends. Other names are refused.
"""

import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.data.files.npz import checked_text
from mixup_jax.runtime.errors import reason_of

CODE = re.compile(r"[<>|=]?[biufSUO]\d*")
TEXTS = {"string": "<i4", "large_string": "<i8"}
"""Arrow's types of text, and the type of the numbers that say where each text ends."""


def read_frame(path: Path) -> dict[str, np.ndarray]:
    """Read the columns of a pickled pandas frame; raises ValueError for a pickle that holds anything else."""
    try:
        with path.open("rb") as file:
            frame = _Unpickler(file, encoding="latin1").load()
        if not isinstance(frame, _Frame):
            raise ValueError(f"it holds {type(frame).__name__}, not a frame")
        return _columns(frame)
    except Exception as error:  # a pickle that is cut off or made up raises nearly anything
        raise ValueError(f"{path} is not a pickled frame of wafer maps: {reason_of(error)}.") from error


class NoValue:
    """Stand for pandas' NA."""


class _StandIn:
    """Keep the arguments and the state that a pickle gives to a class."""

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Any:
        made = object.__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __init__(self, *arguments: Any):
        """Accept the arguments that `__new__` has kept: pickles call either or both."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Frame(_StandIn):
    pass


class _Blocks(_StandIn):
    pass


class _Block(_StandIn):
    """Several columns of one type: (values, which columns, dimensions)."""


class _Index(_StandIn):
    pass


class _Strings(_StandIn):
    """An array of strings: Arrow's, or one of objects."""


class _StringType(_StandIn):
    pass


class _ArrowType(_StandIn):
    pass


class _Dtype:
    """Stand for a dtype of numbers, strings or objects; only the byte order of its state is used."""

    def __init__(self, code: Any, *_: Any):
        if not (isinstance(code, str) and CODE.fullmatch(code)):
            raise ValueError(f"it holds an array of the type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _NoArray:
    """Stand for the class ndarray, which a pickle may name but not call."""

    def __init__(self, *_: Any):
        raise ValueError("it makes an array of its own bytes")


class _Array(np.ndarray):
    """An array whose state is checked: a list of objects or the bytes of numbers, as many as its shape says."""

    def __setstate__(self, state: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, shape, kind, fortran, content = state
        if type(kind) is not _Dtype or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("it holds an array without a type or a shape")
        count = math.prod(shape)
        if kind.dtype.hasobject:
            if type(content) is not list or len(content) != count:
                raise ValueError("it holds an array of objects that are no list, or not as many as its shape says")
        else:
            content = _bytes(content)
            if len(content) != count * kind.dtype.itemsize:
                raise ValueError("it holds an array of more or fewer bytes than its shape says")
        inner: Any = (1, shape, kind.dtype, bool(fortran), content)
        super().__setstate__(inner)
        checked_text(self)


def _reconstruct(kind: Any, *_: Any) -> _Array:
    """Return the empty array to which the pickle then gives a state, as NumPy's `_reconstruct` does."""
    if kind is not _NoArray:
        raise ValueError(f"it makes an array of the class {kind}")
    return np.empty(0, "b").view(_Array)


def _frombuffer(content: Any, kind: Any, shape: Any, order: Any, *_: Any) -> _Array:
    """Return an array of numbers, as NumPy's `_frombuffer` does in newer pickles."""
    made = np.empty(0, "b").view(_Array)
    made.__setstate__((1, shape, kind, order == "F", content))
    return made


def _scalar(kind: Any, content: Any) -> Any:
    """Return a number or a string, but no object, as NumPy's `scalar` does."""
    if type(kind) is not _Dtype or kind.dtype.hasobject:
        raise ValueError("it holds a scalar that is no number or string")
    return checked_text(np.frombuffer(_bytes(content), kind.dtype, count=1))[0]


def _bytes(content: Any) -> bytes:
    if type(content) not in (bytes, bytearray, str):
        raise ValueError(f"it holds bytes made of {type(content).__name__}")
    return content.encode("latin1") if isinstance(content, str) else bytes(content)  # Python 2 wrote str


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise ValueError(f"it encodes text as {encoding}")
    return text.encode("latin1")


def _new_strings(kind: Any, checksum: Any, state: Any) -> _Strings:
    """Return the array that pandas' compiled code makes."""
    if kind is not _Strings:
        raise ValueError(f"it makes an array of {kind}")
    made = _Strings()
    made.state = state
    return made


def _arrow_strings(parts: Any) -> np.ndarray:
    """Return the strings of an Arrow array as objects, None where one is missing.

    `parts` are its type, length, number of missing strings and offset, three buffers (which are there, where each ends,
    the texts), and parts that arrays of texts do not have.
    """
    kind, length, _, offset, buffers, *_ = parts
    if type(kind) is not _ArrowType or kind.arguments[0] not in TEXTS:
        raise ValueError("it holds an Arrow array that is no text")
    if not (type(length) is type(offset) is int and length >= 0 and offset >= 0 and len(buffers) == 3):
        raise ValueError("it holds an Arrow array without a length")
    there, ends, text = buffers
    dtype, text = np.dtype(TEXTS[kind.arguments[0]]), text or b""
    ends = np.frombuffer(ends or bytes(dtype.itemsize), dtype)[offset : offset + length + 1]
    if len(ends) != length + 1 or ends[0] < 0 or ends[-1] > len(text) or (np.diff(ends) < 0).any():
        raise ValueError("it holds an Arrow array whose texts do not fit")
    known = np.ones(length, bool)
    if there is not None:
        known = np.unpackbits(np.frombuffer(there, np.uint8), bitorder="little")[offset : offset + length]
        if len(known) != length:
            raise ValueError("it holds an Arrow array that does not say which texts are there")
    found = np.empty(length, object)
    found[:] = [text[a:b].decode() if one else None for one, a, b in zip(known, ends, ends[1:], strict=False)]
    return found


def _new_index(kind: Any, content: dict[str, Any]) -> _Index:
    return _Index(content)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, _StandIn)):
        raise ValueError(f"it makes an object of {kind}")
    return kind()


def _names(found: Any, modules: str, names: str) -> dict[tuple[str, str], Any]:
    return {(module, name): found for module in modules.split() for name in names.split()}


_BUILTINS, _INDEX_NAMES = "__builtin__ builtins", "Index RangeIndex Int64Index Float64Index"
_INDEX_MODULES = " ".join(
    f"pandas{part}.indexes.{name}" for part in ("", ".core") for name in ("base", "range", "numeric")
)
_STRING_MODULES = "pandas.arrays pandas.core.arrays.string_ pandas.core.arrays.string_arrow"
_STRING_NAMES = "ArrowStringArray ArrowStringArrayNumpySemantics StringArray StringArrayNumpySemantics"
_ALLOWED: dict[tuple[str, str], Any] = {
    **_names(_Frame, "pandas pandas.core.frame", "DataFrame"),
    **_names(_Blocks, "pandas.core.internals pandas.core.internals.managers", "BlockManager"),
    **_names(_Block, "pandas._libs.internals", "_unpickle_block"),
    **_names(_new_index, "pandas.indexes.base pandas.core.indexes.base pandas.core.base", "_new_Index"),
    **_names(_Index, f"pandas {_INDEX_MODULES}", _INDEX_NAMES),
    **_names(_NoArray, "numpy", "ndarray"),
    **_names(_Dtype, "numpy", "dtype"),
    **_names(_reconstruct, "numpy.core.multiarray numpy._core.multiarray", "_reconstruct"),
    **_names(_scalar, "numpy.core.multiarray numpy._core.multiarray", "scalar"),
    **_names(_frombuffer, "numpy.core.numeric numpy._core.numeric", "_frombuffer"),
    **_names(_Strings, _STRING_MODULES, _STRING_NAMES),
    **_names(_StringType, "pandas pandas.core.arrays.string_", "StringDtype"),
    **_names(_new_strings, "pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
    **_names(NoValue(), "pandas pandas._libs.missing", "NA"),
    **_names(_arrow_strings, "pyarrow.lib", "_restore_array"),
    **_names(_ArrowType, "pyarrow.lib", "type_for_alias"),
    **_names(_bytes, "pyarrow.lib", "py_buffer"),
    **_names(_bytes, _BUILTINS, "bytearray"),  # older pickles of buffers
    **_names(bytes, _BUILTINS, "bytes"),
    **_names(slice, _BUILTINS, "slice"),
    **_names(object, _BUILTINS, "object"),
    **_names(_encode, "_codecs", "encode"),
    **_names(_reconstructor, "copy_reg copyreg", "_reconstructor"),
}
"""Every name that a pickle may use, and its stand-in."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it asks for {module}.{name}, which a frame of wafer maps does not need")
        return _ALLOWED[module, name]


def _columns(frame: _Frame) -> dict[str, np.ndarray]:
    """Return the columns of a frame by name, of the new layout or of pandas 0.2x's."""
    manager = frame.state.get("_mgr", frame.state.get("_data"))
    if not manager.state:
        blocks, axes = manager.arguments
        parts = [block.arguments[:2] for block in blocks]
    else:  # (axes, values, items, {"0.14.1": {"axes", "blocks"}})
        content = manager.state[3]["0.14.1"]
        axes, parts = content["axes"], [(block["values"], block["mgr_locs"]) for block in content["blocks"]]
    names = [str(name) for name in _values(axes[0].arguments[0]["data"])]
    columns = {}
    for values, places in parts:
        if isinstance(values, _Strings):  # of one column
            values = _values(values)[None]
        for name, column in zip(np.array(names, object)[places], values, strict=True):
            columns[name] = np.asarray(column)
    return columns


def _values(column: Any) -> np.ndarray:
    """Return the values of a column: an array unchanged, an array of strings as objects."""
    if not isinstance(column, _Strings):
        return column
    state = column.state
    content = state.get("_pa_array") if isinstance(state, dict) else None
    # (type, values, ...) in any order, where there is no Arrow array.
    parts = state if content is None and isinstance(state, tuple) else [content]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) != 1:
        raise ValueError("it holds an array of strings without its strings")
    return arrays[0]
