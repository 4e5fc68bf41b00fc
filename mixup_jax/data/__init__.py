"""Data sets, and where they come from.

>>> from mixup_jax.data import load
>>> load("digits").image_shape
(8, 8, 1)

`load`, `open_data` and `Dataset` are imported when they are first used: importing this package imports no module that
reads files.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixup_jax.data.dataset import Dataset
    from mixup_jax.data.sources import load, open_data

__all__ = ["Dataset", "load", "open_data"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("mixup_jax.data.dataset" if name == "Dataset" else "mixup_jax.data.sources"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
