"""Find the original archives in a folder, or download them, and verify them; the folders of data and cache."""

import atexit
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mixup_jax.runtime.progress import DownloadBar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """A published file: its address, size in bytes and SHA-256.

    With `member`, the address is a zip, and the file is this member of it.
    """

    url: str
    size: int
    sha256: str
    member: str = ""

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.member or self.url.rsplit("/", 1)[1]

    def __str__(self) -> str:
        size = f"{self.size / 2**20:.0f} MiB" if self.size >= 2**20 else f"{self.size / 2**10:.0f} KiB"
        return f"{self.name} ({size}, sha256 {self.sha256})"


def fetch(name: str, archives: Sequence[Archive], data_dir: Path, own: Sequence[Path] = ()) -> list[Path]:
    """Return the paths of the archives, which are downloaded if no folder holds all of them.

    The folders of the data set, ``downloads/NAME`` and `own`, are searched by name. ``downloads``, ``downloads/manual``
    and `data_dir`, where other data sets may have files of the same names, are searched by name and size. The caller
    verifies the checksums. Raises what `download` raises.
    """
    downloads = data_dir / "downloads"
    for folder in (downloads / name, *own):
        paths = [folder / archive.name for archive in archives]
        if all(path.is_file() for path in paths):
            return paths
    for folder in (downloads, downloads / "manual", data_dir):
        paths = [folder / archive.name for archive in archives]
        if all(path.is_file() for path in paths):
            other = [path for path, one in zip(paths, archives, strict=True) if path.stat().st_size != one.size]
            if not other:
                return paths
            log.warning(
                "%s: %s is passed over: it has %d bytes, and is incomplete or another data set's",
                *(name, other[0], other[0].stat().st_size),
            )
    return download(name, archives, downloads / name)


def download(name: str, archives: Sequence[Archive], folder: Path) -> list[Path]:
    """Download the archives that `folder` lacks; a file gets its name when it is complete and its SHA-256 is right.

    Raises FileNotFoundError, which says what to put where, if that is not possible.
    """
    import pooch  # here: it takes a while, and most runs download nothing

    pooch.get_logger().setLevel("WARNING")  # the bar shows the download
    folder = folder.resolve()
    missing = [archive for archive in archives if not (folder / archive.name).is_file()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written")
        for archive in missing:
            log.info("%s: downloading %s", name, archive.url)
            bar: Any = DownloadBar(archive.name)  # Any: pooch's annotations know only its own bar
            fetch: Any = pooch.HTTPDownloader(progressbar=bar)
            if archive.member:
                with tempfile.TemporaryDirectory(dir=folder) as temporary:
                    zipped = pooch.retrieve(archive.url, None, "archive.zip", temporary, downloader=fetch)
                    _unzip(Path(zipped), archive, Path(temporary) / archive.name).rename(folder / archive.name)
            else:
                pooch.retrieve(archive.url, f"sha256:{archive.sha256}", archive.name, folder, downloader=fetch)
    except Exception as error:  # of any kind: the remedy is the same
        files = ", ".join(str(archive) for archive in missing)
        raise FileNotFoundError(
            f"{name}: {files} not found, and not downloaded from {urlsplit(missing[0].url).hostname} "
            f"({_reason(error)}); put {'it' if len(missing) == 1 else 'them'} into {folder} and run again"
        ) from error
    return [folder / archive.name for archive in archives]


def _unzip(zipped: Path, archive: Archive, path: Path) -> Path:
    """Write the member of a zip, at most one byte more than the size of the archive, and verify it."""
    with zipfile.ZipFile(zipped) as content, content.open(archive.member) as member:
        path.write_bytes(member.read(archive.size + 1))
    verify(path, archive)
    return path


def _reason(error: Exception) -> str:
    """Return why a download failed: the message of a wrong checksum, only the type of a network error."""
    return str(error).splitlines()[0] if isinstance(error, ValueError) and str(error) else type(error).__name__


def verify(path: Path, archive: Archive) -> None:
    """Raise ValueError unless the file has the archive's size and SHA-256."""
    size = path.stat().st_size
    if size != archive.size:
        raise ValueError(f"{path} has {size} bytes instead of {archive.size}: incomplete; delete it and run again")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != archive.sha256:
        raise ValueError(f"{path} is damaged: its sha256 is {sha256}, not {archive.sha256}; delete it and run again")


def expand(path: str | Path, argument: str) -> Path:
    """Return a path with the home folder in place of ``~``; raises ValueError, which names the argument, without one.

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
    """Return the folder of data sets: `data_dir`, $MIXUP_JAX_DATA, or ``mixup_jax/data`` in the user's cache folder.

    Raises ValueError if the folder given as one of the first two does not exist: it may be mistyped. That in the cache
    folder is made when something is downloaded.
    """
    argument = "MIXUP_JAX_DATA" if data_dir is None else "data_dir"
    given = (os.environ.get(argument) or None) if data_dir is None else data_dir
    if given is None:
        return cache_home() / "mixup_jax" / "data"
    folder = expand(given, argument)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise ValueError(
            f"{argument} is {folder}, which {what}; if data sets are to be downloaded there, make it first (mkdir -p)."
        )
    return folder


def decoded_dir() -> Path:
    """Return the folder of decoded data sets; its files can be deleted at any time."""
    return cache_home() / "mixup_jax" / "decoded"


def cache_home() -> Path:
    """Return the user's cache folder: $XDG_CACHE_HOME, or ``~/.cache``.

    Without a home folder, as for a user unknown to a container, it is a folder that is deleted when the process ends.
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
