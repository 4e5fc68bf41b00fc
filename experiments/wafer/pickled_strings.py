"""Columns of strings of a pickle that is not trusted: pandas' and Arrow's arrays, decoded without either.

pandas 3 keeps strings as Arrow does: all texts end to end, and where each ends. Of both libraries only the names are
known here; what they hold is read by NumPy.
"""

from typing import Any

import numpy as np

ALIASES = ("string", "large_string")
"""Of Arrow, the types of text; where each text ends are int32 or int64."""


class NoValue:
    """Stand for pandas' NA."""


class StandIn:
    """Keep what a class is called with and the state that it is given; do nothing."""

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Any:
        made = object.__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __init__(self, *arguments: Any):
        """Take what `__new__` has kept: pickles call the one, the other or both."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Strings(StandIn):
    """An array of strings: Arrow's, or one of objects."""


class StringType(StandIn):
    """What pandas calls the type of such a column."""


class ArrowType(StandIn):
    """What Arrow calls the type of its arrays."""


def new_strings(kind: Any, checksum: Any, state: Any) -> Strings:
    """Return the array that pandas' compiled code makes."""
    if kind is not Strings:
        raise ValueError(f"it makes an array of {kind}")
    made = Strings()
    made.state = state
    return made


def arrow_buffer(content: Any) -> bytes:
    """Return the bytes of a buffer."""
    if type(content) not in (bytes, bytearray):
        raise ValueError(f"it holds a buffer made of {type(content).__name__}")
    return bytes(content)


def arrow_strings(parts: Any) -> np.ndarray:
    """Return the strings of an Arrow array, as objects: None where there is none.

    `parts` are its type, length, number of missing ones, offset, (which are there, where each ends, the texts), and
    what arrays of texts do not have.
    """
    kind, length, _, offset, buffers, *_ = parts
    if type(kind) is not ArrowType or kind.arguments[0] not in ALIASES:
        raise ValueError("it holds an Arrow array that is no text")
    if not (type(length) is type(offset) is int and length >= 0 and offset >= 0 and len(buffers) == 3):
        raise ValueError("it holds an Arrow array without a length")
    there, ends, text = buffers
    dtype = np.dtype("<i4" if kind.arguments[0] == "string" else "<i8")
    ends = np.frombuffer(ends or bytes(dtype.itemsize), dtype)[offset : offset + length + 1]
    text = text or b""
    if len(ends) != length + 1 or ends[0] < 0 or ends[-1] > len(text) or (np.diff(ends) < 0).any():
        raise ValueError("it holds an Arrow array whose texts do not fit")
    known = np.ones(length, bool)
    if there is not None:
        bits = np.unpackbits(np.frombuffer(there, np.uint8), bitorder="little")[offset : offset + length]
        if len(bits) != length:
            raise ValueError("it holds an Arrow array that does not say which texts are there")
        known = bits.astype(bool)
    found = np.empty(length, object)
    found[:] = [
        text[start:end].decode() if one else None for one, start, end in zip(known, ends, ends[1:], strict=False)
    ]
    return found


def values_of(column: Any) -> np.ndarray:
    """Return the values of a column: an array as it is, those of an array of strings as objects."""
    if not isinstance(column, Strings):
        return column
    state = column.state
    content = state.get("_pa_array") if isinstance(state, dict) else None
    if content is None:  # (type, values, ...), in one order or another
        arrays = [part for part in state if isinstance(part, np.ndarray)] if isinstance(state, tuple) else []
        if len(arrays) != 1:
            raise ValueError("it holds an array of strings without its strings")
        return arrays[0]
    if not isinstance(content, np.ndarray):
        raise ValueError("it holds an array of strings without its strings")
    return content


ALLOWED: dict[tuple[str, str], Any] = {
    **{
        (module, name): Strings
        for module in ("pandas.arrays", "pandas.core.arrays.string_", "pandas.core.arrays.string_arrow")
        for name in ("ArrowStringArray", "ArrowStringArrayNumpySemantics", "StringArray", "StringArrayNumpySemantics")
    },
    **{(module, "StringDtype"): StringType for module in ("pandas", "pandas.core.arrays.string_")},
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): new_strings,
    **{(module, "NA"): NoValue() for module in ("pandas", "pandas._libs.missing")},
    **{(module, "bytearray"): arrow_buffer for module in ("__builtin__", "builtins")},  # older pickles of buffers
    ("pyarrow.lib", "_restore_array"): arrow_strings,
    ("pyarrow.lib", "type_for_alias"): ArrowType,
    ("pyarrow.lib", "py_buffer"): arrow_buffer,
}
"""The names of pandas and Arrow that columns of strings use, and what each gets."""
