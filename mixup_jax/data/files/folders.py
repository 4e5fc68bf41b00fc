"""The files of folders of classes, and what is told of those that are passed over."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NoReturn


class Tally:
    """Count things by what happened to them, and keep the first example of each.

    >>> tally = Tally()
    >>> for name in ("a.gif", "b.gif"):
    ...     tally.add("animated, the first frame is taken", name)
    >>> tally.notes("of 9 images")
    ('2 of 9 images: animated, the first frame is taken (the first: a.gif)',)
    """

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._first: dict[str, object] = {}

    def add(self, what: str, example: object) -> None:
        """Count one more."""
        self._count[what] = self._count.get(what, 0) + 1
        self._first.setdefault(what, example)

    def notes(self, of: str) -> tuple[str, ...]:
        """Return a line for each thing that happened."""
        return tuple(f"{count:,} {of}: {what} (the first: {self._first[what]})" for what, count in self._count.items())


def class_folders(path: Path, hidden: str, tally: Tally, known: Collection[str] = ()) -> list[Path]:
    """Return the folders in a folder, sorted, but those whose name begins with a letter of `hidden`.

    What else lies in the folder is counted as passed over, but files whose names are `known`.
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


def find_files(folder: Path, suffixes: Collection[str], tally: Tally) -> list[Path]:
    """Return the files of a class that have one of the suffixes, sorted, also those in folders within; count the rest.

    Passed over, and counted: hidden files and folders, links to folders, files with another suffix, and what is no
    file. Raises OSError for a folder that cannot be listed.
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
    """Return names that differ in capital letters and blanks only, each group as one text.

    >>> name_variants(["yes", "no", "Yes "])
    ["'Yes ' and 'yes'"]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault("".join(name.split()).casefold(), []).append(repr(name))
    return [" and ".join(group) for group in groups.values() if len(group) > 1]
