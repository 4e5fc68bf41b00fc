"""Names of classes: what a file says of them, and which of its outputs are which classes of the data."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

UNNAMED = re.compile(r"LABEL_\d+")
"""What Hugging Face calls a class that nobody has named."""
SYNSET = re.compile(r"n\d{8}")
"""WordNet's number of an ImageNet class."""


class Match(NamedTuple):
    """How the outputs of one network become those of another one with as many classes."""

    order: tuple[int, ...] | None
    """Which output each class here is there; None where the classes are others."""
    said: str
    """What to say of it; nothing where the names are the same."""


def match_classes(there: Sequence[str] | None, here: Sequence[str]) -> Match:
    """Compare the names of as many classes, those of the weights and those of the data.

    Names that differ in case, or in "_" and "-" for a space, are the same. Where they are not known, or of two kinds,
    outputs are taken by number.

    >>> match_classes(("cat", "Guinea pig"), ("guinea_pig", "cat")).order
    (1, 0)
    >>> match_classes(("cat", "dog"), ("cat", "fox")).order is None, match_classes(None, ("cat", "fox")).order
    (True, (0, 1))
    """
    by_number = tuple(range(len(here)))
    if there is None:
        return Match(by_number, "the file does not name its classes: its outputs are taken by number")
    if tuple(there) == tuple(here):
        return Match(by_number, "")
    names, ours = [[_plain(name) for name in each] for each in (there, here)]
    if sorted(names) == sorted(ours) and len(set(names)) == len(names):
        order = tuple(names.index(name) for name in ours)
        return Match(order, "" if order == by_number else "the same classes there in another order")
    of_synsets = [all(SYNSET.fullmatch(name) for name in each) for each in (there, here)]
    if of_synsets[0] != of_synsets[1] or all(UNNAMED.fullmatch(name) for name in there):
        return Match(
            by_number,
            f"names such as {there[0]!r:.40} and {here[0]!r:.40} cannot be compared: its outputs are taken by number",
        )
    return Match(None, "other classes there")


def _plain(name: str) -> str:
    return re.sub("[_-]", " ", unicodedata.normalize("NFC", name)).strip().casefold()


def names_of(*contents: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of the classes that the first of several JSON objects gives, None where none does.

    They are the lists `classes` (ours) and `label_names` (timm), or `id2label` (Hugging Face), names by number.

    >>> names_of({}, {"id2label": {"1": "dog", "0": "cat"}})
    ('cat', 'dog')
    """
    for content in contents:
        for key in ("classes", "label_names"):
            names = content.get(key)
            if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
                return tuple(names)
        by_number = content.get("id2label")
        if isinstance(by_number, dict) and by_number.keys() == {*map(str, range(len(by_number)))} != set():
            return tuple(str(by_number[str(number)]) for number in range(len(by_number)))
    return None


def metadata_of(path: Path) -> dict[str, Any]:
    """Return what the header of a .safetensors file says of classes, read as JSON; nothing of other files."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        said = file.metadata() or {}
    found = {}
    for key in said.keys() & {"classes", "label_names", "id2label"}:
        try:
            found[key] = json.loads(said[key])
        except (ValueError, RecursionError):  # not ours to refuse: it is a remark
            continue
    return found
