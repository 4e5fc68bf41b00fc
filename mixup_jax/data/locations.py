"""The folders where data sets are looked for and decoded images are kept."""

import os
from pathlib import Path


def default_data_dir() -> Path:
    """Return the folder of data sets: $MIXUP_JAX_DATA, or ``mixup_jax/data`` in the user's cache folder."""
    configured = os.environ.get("MIXUP_JAX_DATA")
    return Path(configured).expanduser() if configured else cache_home() / "mixup_jax" / "data"


def decoded_dir() -> Path:
    """Return the folder of decoded data sets; everything in it can be deleted at any time."""
    return cache_home() / "mixup_jax" / "decoded"


def cache_home() -> Path:
    """Return the user's cache folder: $XDG_CACHE_HOME, or ``~/.cache``."""
    configured = os.environ.get("XDG_CACHE_HOME")
    return Path(configured) if configured else Path("~/.cache").expanduser()
