"""Files in folders of classes, and notes on the files that are passed over."""

import os
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NoReturn


class Tally:
    """Count files by what was done to them, and keep the first example.

    >>> tally = Tally()
    >>> for name in ("a.gif", "b.gif"):
    ...     tally.add("animated, the first frame is taken", name)
    >>> tally.notes("of 9 images")
    ('2 of 9 images: animated, the first frame is taken (the first: a.gif)',)
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, object]] = {}

    def add(self, what: str, example: object, count: int = 1) -> None:
        """Count one more, or so many."""
        before, first = self._found.get(what, (0, example))
        self._found[what] = before + count, first

    def update(self, other: "Tally") -> None:
        """Count what another tally has counted."""
        for what, (count, first) in other._found.items():
            self.add(what, first, count)

    def kinds(self) -> tuple[str, ...]:
        """Return what was counted."""
        return tuple(self._found)

    def notes(self, of: str) -> tuple[str, ...]:
        """Return a line for each entry."""
        return tuple(f"{count:,} {of}: {what} (the first: {first})" for what, (count, first) in self._found.items())


def class_folders(path: Path, hidden: str, tally: Tally, known: Collection[str] = ()) -> list[Path]:
    """Return the folders in a folder, sorted, except those whose names begin with a character of `hidden`.

    Everything else in the folder is counted as passed over, except files whose names are `known`.
    """
    folders = []
    for entry in sorted(path.iterdir()):
        if entry.name in known:
            continue
        if not entry.is_dir():
            tally.add("passed over, beside the folders of classes", entry.name)
        elif entry.name[0] in hidden:
            tally.add(f"passed over, a folder whose name begins with {entry.name[0]}", entry.name)
        else:
            folders.append(entry)
    return folders


def class_files(
    path: Path, suffixes: Collection[str], tally: Tally, *, layout: str, hidden: str = ".", known: Collection[str] = ()
) -> dict[str, list[Path]]:
    """Return the files of each class of a folder, by the name of the class; `layout` is shown in errors.

    Raises FileNotFoundError for a path that is no folder, ValueError for one without classes, and for a class without
    files.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder; files are expected as {path}/{layout}")
    found = {folder.name: find_files(folder, suffixes, tally) for folder in class_folders(path, hidden, tally, known)}
    if not found:
        raise ValueError(f"{path} holds no folders of classes; files are expected as {path}/{layout}")
    for name, files in found.items():
        if not files:
            raise ValueError(f"{path / name} holds no files of this class; it needs one of {', '.join(suffixes)}")
    return found


def check_several(path: Path, classes: Collection[str]) -> None:
    """Raise ValueError for fewer than two classes."""
    if len(classes) < 2:
        raise ValueError(f"{path} has the one class {', '.join(classes)}; at least two are needed")


def find_files(folder: Path, suffixes: Collection[str], tally: Tally) -> list[Path]:
    """Return the files below a folder that have one of the suffixes, sorted; count the rest.

    Hidden files and folders, links to folders, files with another suffix and other things than files are passed over.
    Raises OSError for a folder that cannot be listed.
    """
    found, above = [], Path(folder.parent.name)
    for place, folders, files in os.walk(folder, onerror=_refuse):
        for name in sorted(folders):
            within = Path(place, name)
            if name.startswith(".") or within.is_symlink():
                tally.add("passed over, a hidden folder or a link", above / within.relative_to(folder.parent))
                folders.remove(name)
        for name in sorted(files):
            file = Path(place, name)
            example = above / file.relative_to(folder.parent)
            if name.startswith("."):
                tally.add("passed over, hidden", example)
            elif file.suffix.lower() not in suffixes:
                tally.add(f"passed over, {file.suffix or 'no suffix'}", example)
            elif not file.is_file():
                tally.add("passed over, no file or a link to nothing", example)
            else:
                found.append(file)
                if file.parent != folder:
                    tally.add("used, in a folder within a class", example)
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise error


def name_variants(names: Iterable[str]) -> list[str]:
    """Return names that differ in capital letters, blanks and Unicode's forms only, each group as one text.

    Such forms look alike: a letter with its accent in one character or two, a blank of no width.

    >>> name_variants(["yes", "no", "Yes ", "caf\\u00e9", "cafe\\u0301"])
    ["'Yes ' and 'yes'", "'cafe\\\\u0301' and 'café'"]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        composed = unicodedata.normalize("NFC", name)
        seen = "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")
        groups.setdefault("".join(seen.split()).casefold(), []).append(repr(name) if seen == name else ascii(name))
    return [" and ".join(group) for group in groups.values() if len(group) > 1]
