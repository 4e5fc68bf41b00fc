"""Wafer maps in memory, with sets of defects as labels, and the two channels that networks see."""

import logging
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8

from mixup_jax.data.dataset import MARKS

log = logging.getLogger(__name__)

VALUES = "a map holds 0 (no die), 1 (passes), 2 (fails)"


@dataclass(frozen=True)
class WaferMaps:
    """Maps uint8 (n, height, width): 0 no die, 1 passes, 2 fails; labels uint8 multi-hot (n, defects).

    `mark` is REAL or SYNTHETIC; `lot` names the lot of each map (n,), where lots are known. Raises ValueError for other
    values in maps and for labels that do not fit.

    >>> WaferMaps("mine", "REAL", ("Ring",), np.full((1, 2, 2), 5, np.uint8), np.ones((1, 1), np.uint8))
    Traceback (most recent call last):
        ...
    ValueError: mine: map 0 holds the value 5; a map holds 0 (no die), 1 (passes), 2 (fails).
    """

    name: str
    mark: str
    defects: tuple[str, ...]
    maps: np.ndarray
    label: np.ndarray
    lot: np.ndarray | None = None

    def __post_init__(self):
        if self.mark not in MARKS:
            raise ValueError(f"{self.name}: mark is {self.mark!r}; it must be one of {', '.join(MARKS)}")
        if self.maps.dtype != np.uint8 or self.maps.ndim != 3 or 0 in self.maps.shape:
            raise ValueError(
                f"{self.name}: maps are {self.maps.dtype} {self.maps.shape}; they need uint8 (n, height, width), n > 0."
            )
        if self.maps.max() > 2:
            _check_largest(self.name, self.maps, 2)
        if self.label.shape != (len(self.maps), len(self.defects)) or self.label.dtype != np.uint8:
            raise ValueError(
                f"{self.name}: labels are {self.label.dtype} {self.label.shape}; they must be uint8 multi-hot "
                f"({len(self.maps)}, {len(self.defects)}), one column for each of {', '.join(self.defects)}."
            )
        if self.lot is not None and self.lot.shape != (len(self.maps),):
            raise ValueError(f"{self.name}: lots are {self.lot.shape}; they must be ({len(self.maps)},), one a map.")
        if self.label.max() > 1:
            raise ValueError(f"{self.name}: labels hold {self.label.max()}; a multi-hot label holds 0 and 1.")

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def number(self) -> np.ndarray:
        """Return the number of defects of each map, (n,)."""
        return self.label.sum(axis=1)

    def take(self, index: np.ndarray) -> "WaferMaps":
        """Return the maps of an index or a mask."""
        lot = None if self.lot is None else self.lot[index]
        return replace(self, maps=self.maps[index], label=self.label[index], lot=lot)

    def with_normal(self, normal: bool) -> "WaferMaps":
        """Return all maps if `normal`, else those with a defect."""
        return self if normal else self.take(self.number > 0)

    def join(self, name: str, *others: "WaferMaps") -> "WaferMaps":
        """Return these maps and others with the same defects as one set with a name, without lots."""
        parts = (self, *others)
        maps, label = (np.concatenate([getattr(part, each) for part in parts]) for each in ("maps", "label"))
        return replace(self, name=name, maps=maps, label=label, lot=None)


def check_values(name: str, maps: np.ndarray) -> np.ndarray:
    """Return maps of any number type as uint8 0, 1 and 2; a 3 is a failing die too, as in MixedWM38, and is logged.

    Raises ValueError, which names the map, for any other value.

    >>> check_values("mine", np.array([[[0.0, 1.0, 3.0]]])).tolist()
    [[[0, 1, 2]]]
    """
    if maps.dtype == bool:
        raise ValueError(f"{name}: maps are true or false; {VALUES}.")
    if maps.ndim != 3 or maps.dtype.kind not in "iuf" or 0 in maps.shape:
        raise ValueError(f"{name}: maps are {maps.dtype} {maps.shape}; they must be numbers (n, height, width), n > 0.")
    _check_largest(name, maps, 3)
    threes = int(np.count_nonzero(maps == 3))
    if threes:
        log.warning("%s: %d dies with the value 3 are taken as failing", name, threes)
    return np.minimum(maps, 2).astype(np.uint8)


def _check_largest(name: str, maps: np.ndarray, largest: int) -> None:
    """Raise ValueError for values other than 0, 1, ... `largest`."""
    wrong = ~np.isin(maps, range(largest + 1))
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0])
        raise ValueError(f"{name}: map {first[0]} holds the value {maps[first]:g}; {VALUES}.")


def check_convention(maps: WaferMaps) -> WaferMaps:
    """Return the maps of a source; raises ValueError if no die passes or none fails, as in maps of 0 and 1.

    >>> label = np.ones((1, 1), np.uint8)
    >>> check_convention(WaferMaps("mine", "REAL", ("Ring",), np.ones((1, 2, 2), np.uint8), label))
    Traceback (most recent call last):
        ...
    ValueError: mine: no map holds a 2; a map holds 0 (no die), 1 (passes), 2 (fails).
    """
    if missing := [value for value in (1, 2) if not (maps.maps == value).any()]:
        raise ValueError(f"{maps.name}: no map holds a {missing[0]}; {VALUES}.")
    return maps


def channels(maps: UInt8[Array, "*batch height width"]) -> Float[Array, "*batch height width 2"]:
    """Return the input of a network: which dies fail, and which exist, 0 or 1.

    >>> channels(jnp.array([[0, 1, 2]], jnp.uint8)).tolist()
    [[[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]
    """
    return jnp.stack([maps == 2, maps > 0], axis=-1).astype(jnp.float32)


def resize_map(one: np.ndarray, size: int) -> np.ndarray:
    """Resize a map (height, width) to (size, size) by nearest neighbours: no new values.

    >>> resize_map(np.array([[0, 1], [2, 0]], np.uint8), 4).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 0, 0]]
    """
    rows, columns = (((np.arange(size) + 0.5) * length / size).astype(int) for length in one.shape)
    return one[np.ix_(rows, columns)]


def resize_maps(maps: WaferMaps, size: int) -> WaferMaps:
    """Resize all maps that are not (size, size)."""
    if maps.maps.shape[1:] == (size, size):
        return maps
    return replace(maps, maps=np.stack([resize_map(one, size) for one in maps.maps]))
