"""NumPy arrays of a pickle that is not trusted: plain numbers, strings and lists of objects, checked before NumPy.

NumPy's own classes are no safe thing to hand to a pickle: ``ndarray((1,), "O", b"...")`` makes objects out of the
pickle's bytes, the state of a dtype may say that objects are plain bytes, and lists of objects are not counted.
"""

import math
import re
from typing import Any

import numpy as np

from mixup_jax.data.npz import checked_text

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


ALLOWED: dict[tuple[str, str], Any] = {
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
