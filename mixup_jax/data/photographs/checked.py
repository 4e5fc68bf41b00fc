"""Decode every picture of a data set once before the training, and keep what was found in the cache folder."""

import hashlib
import json
import logging
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import PIL
import simplejpeg

from mixup_jax.data.files.archives import decoded_dir
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.layouts import PARTS, Listing, check_classes
from mixup_jax.data.images.picture_files import decode_picture, describe, open_picture, orientation_of
from mixup_jax.data.photographs import jpeg
from mixup_jax.data.photographs.streamed import cores
from mixup_jax.runtime.atomic import replacing
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.json_files import parse_json
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

FORMAT = 2  # raise it when what is checked, or the file's layout changes
LARGEST = 2**30
"""Bytes of a file that are read."""
SHOWN = 20
"""Most names in a message."""
State = tuple[int, int, int]
"""Size and times of modification and of change of a file, in bytes and nanoseconds.

The time of change tells a file apart from another one that was put in its place with its size and time."""


class Verdict(NamedTuple):
    """What a file holds, or why it cannot be read; width and height are those of the upright picture."""

    sha256: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    notes: tuple[str, ...] = ()
    """What is converted when it is decoded."""
    error: str = ""


@dataclass(frozen=True)
class Checked:
    """Pictures that can be read; `skipped` is the number of those that were left out."""

    listing: Listing
    verdicts: dict[str, Verdict]
    states: dict[str, State]
    skipped: int

    def notes(self) -> tuple[str, ...]:
        """Return what was passed over, left out, or is in two parts."""
        skipped = (f"{self.skipped:,} pictures that cannot be read are left out",) if self.skipped else ()
        return (*self.listing.notes, *skipped, *_copies(self.listing, self.verdicts))

    def conversions(self) -> tuple[str, ...]:
        """Return what is converted when the pictures are decoded."""
        tally, names = Tally(), self.listing.names()
        for name in names:
            for note in self.verdicts[name].notes:
                tally.add(note, name)
        return tally.notes(f"of {len(names):,} images")

    def digest(self) -> str:
        """Return the SHA-256 of the parts, names, classes and contents of all pictures."""
        sha = hashlib.sha256()
        for part, pictures in self.listing.parts.items():
            for name, label in sorted(pictures):
                line = [part, name, self.listing.classes[label], self.verdicts[name].sha256]
                sha.update(json.dumps(line).encode() + b"\n")
        return sha.hexdigest()


def check_pictures(listing: Listing, *, skip_bad: bool = False) -> Checked:
    """Decode every picture in threads, unless it is unchanged since it was; say in one line what was found.

    Unchanged files have the same names and `State`; those that could not be read are looked at again. With `skip_bad`
    pictures that cannot be read are left out.

    Raises ValueError, which names them all (20, and a count), without it, and where no picture of a part or a class is
    left.
    """
    names, path = list(dict.fromkeys(listing.names())), _cache(listing)
    states = {name: state for name in names if (state := _state(listing.root / name))}
    known = {name: verdict for name, (state, verdict) in _read(path).items() if states.get(name) == state}
    missing = [name for name in names if name not in known]
    verdicts = {name: known[name] for name in names if name in known}
    pool = ThreadPoolExecutor(cores())
    try:
        found = pool.map(partial(_check, listing.root), missing)
        for name, verdict in progress(
            zip(missing, found, strict=True), f"checking {listing.source.name}", total=len(missing)
        ):
            verdicts[name] = verdict
    finally:  # also after Ctrl-C: what was checked need not be checked again
        pool.shutdown(cancel_futures=True)
        if missing:
            _write(path, {name: (states[name], each) for name, each in verdicts.items() if not each.error})
    bad = [name for name in names if verdicts[name].error]
    if bad and not skip_bad:
        listed = "; ".join(f"{name} ({verdicts[name].error})" for name in bad[:SHOWN])
        raise ValueError(
            f"{listing.source}: {len(bad):,} of {len(names):,} files cannot be read as an image: {listed}"
            f"{'; ...' if len(bad) > SHOWN else ''}; replace or remove them, or leave them out with --skip-bad"
        )
    left = {part: [each for each in of if not verdicts[each[0]].error] for part, of in listing.parts.items()}
    listing = replace(listing, parts={part: of for part, of in left.items() if of})
    if bad:
        check_classes(listing)
    verdicts = {name: verdicts[name] for name in listing.names()}
    log.info("%s: %s", listing.source, _found(listing, verdicts))
    return Checked(listing, verdicts, states, len(bad))


def look_at(content: bytes) -> Verdict:
    """Return what a picture's file holds; every pixel is decoded. Raises what Pillow raises, of any kind."""
    tally, sha256 = Tally(), hashlib.sha256(content).hexdigest()
    with open_picture(content) as picture:
        kind, (width, height), grey = str(picture.format), picture.size, picture.mode in ("1", "L")
        jpeg.check_size(height, width)
        orientation = orientation_of(picture)
        if jpeg.is_jpeg(content):
            describe(picture, content, tally, "")
    if jpeg.is_jpeg(content):
        jpeg.check(content)
    else:
        grey = decode_picture(content, tally, "").shape[2] == 1
    if grey:
        tally.add("grey, gets three equal channels", "")
    if jpeg.TURNS[orientation][0]:
        width, height = height, width
    return Verdict(sha256, kind, width, height, tally.kinds())


def _check(root: Path, name: str) -> Verdict:
    file = root / name
    try:
        if not file.is_file():
            raise ValueError("no such file" if not file.exists() else "no ordinary file")
        if file.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST // 2**20} MiB")
        return look_at(file.read_bytes())
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        return Verdict(error=reason_of(error))


def _state(file: Path) -> State | None:
    try:
        found = file.stat()
    except OSError:  # `_check` says why
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _found(listing: Listing, verdicts: dict[str, Verdict]) -> str:
    """Say how many pictures a class has, of which formats and sizes."""
    of_class = Counter(label for _, label in listing.parts["train"])
    (most, many), (least, few) = of_class.most_common()[0], of_class.most_common()[-1]
    formats = Counter(verdict.format for verdict in verdicts.values())
    sizes = sorted((each.width * each.height, each.width, each.height) for each in verdicts.values())
    small, large = (f"{width:,} x {height:,}" for _, width, height in (sizes[0], sizes[-1]))
    each = f"{few:,} ({listing.classes[least]}) to {many:,} ({listing.classes[most]})" if few < many else f"{few:,}"
    return (
        f"{len(verdicts):,} pictures; a class has {each} for training; "
        f"{', '.join(f'{n:,} {name}' for name, n in formats.most_common())}; "
        f"{small if small == large else f'{small} to {large}'} pixels (width x height)"
    )


def _copies(listing: Listing, verdicts: dict[str, Verdict]) -> Iterator[str]:
    """Yield a line for each two parts that have pictures in common, and one for pictures of several classes."""
    first: dict[str, dict[str, str]] = {}
    classes: dict[str, set[int]] = {}
    for part, pictures in listing.parts.items():
        first[part] = {}
        for name, label in pictures:
            first[part].setdefault(verdicts[name].sha256, name)
            classes.setdefault(verdicts[name].sha256, set()).add(label)
    present = [part for part in PARTS if part in listing.parts]
    for one, other in [(one, other) for i, one in enumerate(present) for other in present[i + 1 :]]:
        copies = [name for name, _ in listing.parts[other] if verdicts[name].sha256 in first[one]]
        if copies:
            named = (f"{name} = {first[one][verdicts[name].sha256]}" for name in copies[:SHOWN])
            yield (
                f"{len(copies):,} of {len(listing.parts[other]):,} files of {other} are in {one}, byte for byte: "
                f"{', '.join(named)}{', ...' if len(copies) > SHOWN else ''}"
            )
    if several := [sha256 for sha256, found in classes.items() if len(found) > 1]:
        where = next(names[several[0]] for names in first.values() if several[0] in names)
        yield f"{len(several):,} pictures have several classes, byte for byte (the first: {where})"


def _cache(listing: Listing) -> Path:
    return decoded_dir() / f"checked-{hashlib.sha256(str(listing.source).encode()).hexdigest()[:12]}.jsonl"


def _header() -> dict[str, Any]:
    return {"format": FORMAT, "pillow": PIL.__version__, "simplejpeg": str(getattr(simplejpeg, "__version__", ""))}


def _write(path: Path, verdicts: dict[str, tuple[State, Verdict]]) -> None:
    lines = (json.dumps({"name": name, "state": state, "verdict": each}) for name, (state, each) in verdicts.items())
    content = "".join(f"{line}\n" for line in lines).encode()
    try:
        with replacing(path) as part:
            part.write_bytes(json.dumps(_header() | {"checksum": zlib.crc32(content)}).encode() + b"\n" + content)
    except OSError as error:
        log.warning("what was checked is not kept: %s cannot be written (%s)", path, error)


def _read(path: Path) -> dict[str, tuple[State, Verdict]]:
    """Read what was kept, nothing if it was written by other versions or is damaged."""
    if not path.exists():
        return {}
    try:
        head, _, content = path.read_bytes().partition(b"\n")
        header = parse_json(head.decode())
        if header.pop("checksum", None) != zlib.crc32(content) or header != _header():
            return {}
        entries = (parse_json(line) for line in content.decode().splitlines())
        return {each["name"]: (tuple(each["state"]), _verdict(each["verdict"])) for each in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("checking all pictures again, for %s is damaged (%s)", path, error)
        return {}


def _verdict(values: Sequence[Any]) -> Verdict:
    verdict = Verdict(*values)
    return verdict._replace(notes=tuple(verdict.notes))
