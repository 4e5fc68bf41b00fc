"""Find pictures and their classes: folders of parts and classes, folders of classes that are split, or a CSV."""

import csv
import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixup_jax.data.files.archives import expand
from mixup_jax.data.files.folders import Tally, check_several, class_files, name_variants
from mixup_jax.data.images.picture_files import picture_suffixes

PARTS = ("train", "valid", "test")
VALIDATION = ("val", "valid", "validation")
"""Names that the folder of the validation set may have."""
BY_CLASS = "<class>/<name>.png"
LAYOUTS = (
    "PATH/train/<class>/<name>.png and PATH/test/... (perhaps PATH/val/...), PATH/<class>/<name>.png with --split, "
    "or a CSV with the columns file and label"
)


@dataclass(frozen=True)
class Pictures:
    """How the pictures of ``folder:PATH`` are taken.

    `split` holds the shares of training, validation and test set, or of training and test set; `size` is the side of
    the squares that are cut from pictures of any size, which then stay on disk; None for pictures of one size, in
    memory.
    """

    split: tuple[float, ...] | None = None
    size: int | None = None
    skip_bad: bool = False
    """Leave pictures out that cannot be read."""


@dataclass(frozen=True)
class Listing:
    """Pictures that were found, and not opened yet: for each of `PARTS` names within `root`, with class ids."""

    source: Path
    """The folder or the CSV."""
    root: Path
    classes: tuple[str, ...]
    parts: dict[str, list[tuple[str, int]]]
    notes: tuple[str, ...]

    def names(self) -> list[str]:
        """Return all names, of one part after the other."""
        return [name for part in self.parts.values() for name, _ in part]


def find_pictures(path: Path, split: Sequence[float] | None = None) -> Listing:
    """Find the pictures of a data set; classes are the sorted names of the folders, or the labels of a CSV.

    Pictures in folders within a class count as that class. `notes` says what was passed over.

    Raises FileNotFoundError for a folder that is missing; ValueError, which says what was found and what is expected,
    for another layout, for a `split` where there is one already, and for classes that do not fit together.
    """
    path = expand(path, "dataset").resolve()
    if path.suffix.lower() == ".csv" and path.is_file():
        return _of_csv(path, split)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder and no CSV; expected is {LAYOUTS}")
    there = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    known = [name for name in there if name in ("train", "test", *VALIDATION)]
    if known and split:
        raise ValueError(f"split is for folders of classes, and {path} is split into {', '.join(known)}: leave it out.")
    if known:
        return _of_parts(path, [name for name in known if name in VALIDATION])
    if split:
        return _of_classes(path, split)
    found = f"the folders {', '.join(there[:5])}{', ...' if len(there) > 5 else ''}" if there else "no folders"
    remedy = "if these are classes, add --split 0.8 0.1 0.1 (training, validation, test); " if there else ""
    raise ValueError(f"{path} holds neither train nor test, but {found}; {remedy}expected is {LAYOUTS}")


def part_of(name: str, split: Sequence[float]) -> str:
    """Return the part that a picture belongs to, a function of its name and the shares alone.

    Whatever pictures are added, the others stay where they are; so the parts have these shares on average only.

    >>> [part_of(f"cat/{i}.png", (0.5, 0.25, 0.25)) for i in range(6)]
    ['train', 'train', 'train', 'train', 'test', 'train']
    """
    text = unicodedata.normalize("NFC", name).encode(errors="surrogateescape")  # the same on every file system
    place = int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48
    if place < split[0]:
        return "train"
    return "valid" if len(split) == 3 and place < split[0] + split[1] else "test"


def _of_parts(path: Path, valid: Sequence[str]) -> Listing:
    """Find ``PATH/train/<class>/...``, ``PATH/test/...`` and, where there is one, the validation set."""
    if len(valid) > 1:
        raise ValueError(f"{path} has {' and '.join(valid)}, and needs one folder at most of the validation set")
    folders = {"train": "train", **({"valid": valid[0]} if valid else {}), "test": "test"}
    tally, files = Tally(), {}
    for entry in sorted(path.iterdir()):
        if entry.name not in folders.values():
            tally.add(f"passed over, beside {' and '.join(folders.values())}", entry.name)
    for part, name in folders.items():
        files[part] = class_files(path / name, picture_suffixes(), tally, layout=BY_CLASS)
    train, notes = files["train"], []
    if odd := sorted(train.keys() ^ files["test"].keys()):
        raise ValueError(f"{path}: train and test must have the same classes; only one of them has {', '.join(odd)}")
    if odd := sorted(files.get("valid", train).keys() - train.keys()):
        raise ValueError(f"{path}: {valid[0]} has classes that train lacks: {', '.join(odd)}")
    if valid and (odd := sorted(train.keys() - files["valid"].keys())):
        notes.append(f"{valid[0]} has no {', '.join(odd)}")
    check_several(path, train)
    ids = {name: label for label, name in enumerate(train)}
    parts = {
        part: [(file.relative_to(path).as_posix(), ids[name]) for name, found in of.items() for file in found]
        for part, of in files.items()
    }
    return _listing(path, path, tuple(train), parts, (*tally.notes("files or folders"), *notes))


def _of_classes(path: Path, split: Sequence[float]) -> Listing:
    """Find ``PATH/<class>/...`` and split it."""
    tally = Tally()
    found = class_files(path, picture_suffixes(), tally, layout=BY_CLASS)
    check_several(path, found)
    pictures = [(file.relative_to(path).as_posix(), label) for label, of in enumerate(found.values()) for file in of]
    return _listing(path, path, tuple(found), _split(path, pictures, split), tally.notes("files or folders"))


def _of_csv(path: Path, split: Sequence[float] | None) -> Listing:
    """Read a CSV with the columns file (relative to it) and label, and split, unless `split` is given."""
    rows = list(_rows(path, split))
    labels = sorted({label for _, label, _ in rows})
    check_several(path, labels)
    ids = {label: number for number, label in enumerate(labels)}
    if split:
        parts = _split(path, [(name, ids[label]) for name, label, _ in rows], split)
    else:
        parts = {part: [(name, ids[label]) for name, label, each in rows if each == part] for part in PARTS}
    return _listing(path, path.parent, tuple(labels), parts, ())


def _rows(path: Path, split: Sequence[float] | None) -> Iterator[tuple[str, str, str]]:
    """Yield name, label and part of each row; the part is empty where the rows are to be split."""
    seen: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            table = csv.DictReader(file, strict=True)
            columns = table.fieldnames or []
            if not {"file", "label"} <= set(columns) or len(set(columns)) < len(columns):
                raise ValueError(f"has the columns {', '.join(columns)}; it needs file and label, each once")
            if ("split" in columns) == (split is not None):
                raise ValueError(
                    "has a column split: leave --split out."
                    if split
                    else "has no column split (train, valid or test): add it, or --split 0.8 0.1 0.1"
                )
            for row in table:
                name, label, part = (str(row.get(key) or "").strip() for key in ("file", "label", "split"))
                part = "valid" if part in VALIDATION else part
                if not name or not label or None in row or (split is None and part not in PARTS):
                    needs = "a file, a label" + ("" if split else ", a split (train, valid or test)")
                    raise ValueError(f"line {table.line_num}: it needs {needs}, got {list(row.values())}")
                if name in seen:
                    raise ValueError(f"line {table.line_num}: {name} is in line {seen[name]}, too")
                seen[name] = table.line_num
                yield name, label, "" if split else part
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}: {' '.join(str(error).split())}") from None


def _split(source: Path, pictures: list[tuple[str, int]], split: Sequence[float]) -> dict[str, list[tuple[str, int]]]:
    parts: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}
    for name, label in pictures:
        parts[part_of(name, split)].append((name, label))
    if len(split) == 3 and not parts["valid"]:
        raise ValueError(
            f"{source}: split {split} of {len(pictures)} pictures leaves none for valid; take other shares"
        )
    return parts


def _listing(
    source: Path, root: Path, classes: tuple[str, ...], parts: dict[str, list[tuple[str, int]]], notes: tuple[str, ...]
) -> Listing:
    alike = name_variants(classes)
    notes += tuple(f"classes that differ in capital letters or blanks, or look alike: {each}" for each in alike)
    listing = Listing(source, root, classes, {part: parts[part] for part in PARTS if parts.get(part)}, notes)
    check_classes(listing)
    return listing


def check_classes(listing: Listing) -> None:
    """Raise ValueError for a part without pictures, and a class without any in the training set."""
    for part in ("train", "test"):
        if part not in listing.parts:
            raise ValueError(f"{listing.source}: no picture is left for {part}; more pictures are needed")
    trained = {label for _, label in listing.parts["train"]}
    if lacking := [name for label, name in enumerate(listing.classes) if label not in trained]:
        raise ValueError(f"{listing.source}: the training set has no picture of {', '.join(lacking)}")
