"""The folders where data sets are looked for and decoded images are kept."""

import atexit
import functools
import logging
import os
import shutil
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)


def expand(path: str | Path, argument: str) -> Path:
    """Return a path with the home folder in place of ``~``.

    Raises ValueError, which names the argument, where there is no such home.

    >>> expand("~nouser/images", "data_dir")
    Traceback (most recent call last):
        ...
    ValueError: data_dir is ~nouser/images, and the home folder of ~nouser is not known; write the whole path.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        home = Path(path).parts[0]
        raise ValueError(
            f"{argument} is {path}, and the home folder of {home} is not known; write the whole path."
        ) from None


def data_folder(data_dir: str | Path | None) -> Path:
    """Return the folder of data sets: `data_dir`, or the default if it is None.

    Raises ValueError where a folder that was named, as `data_dir` or $MIXUP_JAX_DATA, is not there: it may be mistyped.
    The folder in the cache is made when something is downloaded.
    """
    configured = os.environ.get("MIXUP_JAX_DATA")
    folder = default_data_dir() if data_dir is None else expand(data_dir, "data_dir")
    if (data_dir is not None or configured) and not folder.is_dir():
        argument = "MIXUP_JAX_DATA" if data_dir is None else "data_dir"
        what = "is no folder" if folder.exists() else "does not exist"
        raise ValueError(
            f"{argument} is {folder}, which {what}; if data sets are to be downloaded there, make it first (mkdir -p)."
        )
    return folder


def default_data_dir() -> Path:
    """Return the folder of data sets: $MIXUP_JAX_DATA, or ``mixup_jax/data`` in the user's cache folder."""
    configured = os.environ.get("MIXUP_JAX_DATA")
    return expand(configured, "MIXUP_JAX_DATA") if configured else cache_home() / "mixup_jax" / "data"


def decoded_dir() -> Path:
    """Return the folder of decoded data sets; everything in it can be deleted at any time."""
    return cache_home() / "mixup_jax" / "decoded"


def cache_home() -> Path:
    """Return the user's cache folder: $XDG_CACHE_HOME, or ``~/.cache``.

    Where there is no home folder, as for a user whom a container does not know, it is one that ends with the process.
    """
    if configured := os.environ.get("XDG_CACHE_HOME"):
        return expand(configured, "XDG_CACHE_HOME")
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return _passing_cache()


@functools.cache
def _passing_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="mixup_jax-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    log.warning("there is no home folder: nothing is kept between runs; XDG_CACHE_HOME names a folder to keep it in")
    return Path(folder)
