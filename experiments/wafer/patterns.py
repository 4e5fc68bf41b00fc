"""The label space of MixedWM38 (Wang et al., 2020, doi 10.1109/TSM.2020.3020985): 8 defect types, 38 patterns of them.

A label is multi-hot over `DEFECTS`, in the order of the eight bits of the data set. At most one of Center and Donut, at
most one of Edge-Loc and Edge-Ring, Loc, and Scratch make 36 patterns, with the empty one; Near-Full and Random cover
the whole wafer and occur alone.
"""

import numpy as np

DEFECTS = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-Full", "Scratch", "Random")
"""Names of the bits."""
SHORT = ("C", "D", "EL", "ER", "L", "NF", "S", "R")
"""The data set's abbreviations."""
WHOLE_WAFER = ("Near-Full", "Random")
"""Types that cover the whole wafer; no pattern mixes them."""
EXCLUSIVE = (("Center", "Donut"), ("Edge-Loc", "Edge-Ring"))
"""Pairs of types that do not occur together."""
NORMAL = "Normal"

MIXTURES = """
    C+EL C+ER C+L C+S D+EL D+ER D+L D+S EL+L EL+S ER+L ER+S L+S
    C+EL+L C+EL+S C+ER+L C+ER+S C+L+S D+EL+L D+EL+S D+ER+L D+ER+S D+L+S EL+L+S ER+L+S
    C+EL+L+S C+ER+L+S D+EL+L+S D+ER+L+S
"""
NAMES = (NORMAL, *SHORT, *MIXTURES.split())
"""The patterns C1 to C38, in the data set's numbering."""


def multi_hot(name: str) -> np.ndarray:
    """Return the label of a pattern, uint8 (8,); raises ValueError for an unknown type.

    >>> multi_hot("C+EL").tolist(), int(multi_hot("Normal").sum())
    ([1, 0, 1, 0, 0, 0, 0, 0], 0)
    """
    label = np.zeros(len(DEFECTS), np.uint8)
    for part in [] if name == NORMAL else name.split("+"):
        if part not in SHORT:
            raise ValueError(f"{name!r} is no pattern: {part!r} is none of {', '.join(SHORT)}.")
        label[SHORT.index(part)] = 1
    return label


PATTERNS = np.stack([multi_hot(name) for name in NAMES])
"""Labels of C1 to C38, uint8 (38, 8)."""
SINGLES = PATTERNS[PATTERNS.sum(axis=1) == 1]
"""The 8 patterns of one type, C2 to C9."""
MIXED = PATTERNS[PATTERNS.sum(axis=1) > 1]
"""The 29 patterns of 2 to 4 types, C10 to C38."""


def pattern_name(label: np.ndarray, names: tuple[str, ...] = SHORT) -> str:
    """Write a label as a pattern.

    >>> pattern_name(PATTERNS[22])
    'C+EL+L'
    """
    present = [name for name, bit in zip(names, label, strict=True) if bit]
    return "+".join(present) or NORMAL


def whole_wafer(defects: tuple[str, ...]) -> list[int]:
    """Return the columns of the types that cover the whole wafer, by their names in any spelling.

    >>> whole_wafer(DEFECTS), whole_wafer(("near_full", "Ring"))
    ([5, 7], [0])
    """
    return [column for name in WHOLE_WAFER for column in _columns(name, defects)]


def exclusive(defects: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return the pairs of columns of types that do not occur together, by their names in any spelling.

    >>> exclusive(DEFECTS), exclusive(("edge loc", "Scratch", "EdgeRing"))
    ([(0, 1), (2, 3)], [(0, 2)])
    """
    return [(a, b) for one, other in EXCLUSIVE for a in _columns(one, defects) for b in _columns(other, defects)]


def _columns(name: str, defects: tuple[str, ...]) -> list[int]:
    """Return the columns with this name, ignoring capitals, hyphens, underscores and spaces."""

    def letters(text: str) -> str:
        return "".join(filter(str.isalnum, text.lower()))

    return [column for column, each in enumerate(defects) if letters(each) == letters(name)]
