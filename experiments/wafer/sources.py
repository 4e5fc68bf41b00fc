"""The maps of a run by name: training and validation maps with one defect, and test maps."""

import logging
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.wafer.files import read_folder, read_npz, read_wm811k
from experiments.wafer.generator import draw_maps
from experiments.wafer.maps import WaferMaps, check_convention, resize_maps
from experiments.wafer.patterns import DEFECTS, MIXED, PATTERNS, SINGLES
from mixup_jax.data.files.archives import expand

log = logging.getLogger(__name__)

SOURCES = ("generator", "mixedwm38", "wm811k", "npz", "folder")
SPLIT_SEED = 2015010720
"""The seed of the split of a file of maps, as in the co-author's code."""
PART = 400
"""Maps that the generator draws at once."""
SINGLE_TEST, MIXED_TEST = 2, 3
"""Streams of the generator's test maps; 0 and 4 are of training maps, 1 and 5 of validation maps."""
NORMALS = 2
"""Multiple of maps without a defect that the generator draws, as they vary most."""


@dataclass(frozen=True)
class WaferSplit:
    """Maps to train on, to validate on and to test on with one defect (or none), and test maps with several (`mixed`).

    `mixed` is None if the source has no such maps; nothing is learned or chosen from them. Only with `learn_mixed` do
    the training maps contain others like them.
    """

    training: WaferMaps
    validation: WaferMaps
    single: WaferMaps
    mixed: WaferMaps | None


def load_wafer(source: str, *, noise: str, train_maps: int, test_maps: int, size: int, **drawn: Any) -> WaferSplit:
    """Load or draw maps: "generator", "mixedwm38:PATH.npz", "wm811k:PATH.pkl", "npz:PATH" or "folder:PATH".

    The maps of a file with one defect or none are split by a fixed seed, pattern by pattern, or lot by lot where lots
    are known: 80 % train, 10 % validate, 10 % test. All maps with several defects are test maps. Maps of another size
    are resized. `drawn` are further options of `generate`.

    Raises ValueError for an unknown source, a defect without enough maps, and what `read_wafer` raises.
    """
    if source == "generator":
        parts = generate(noise, train_maps, test_maps, size, **drawn)
    else:
        parts = split(read_wafer(source, size))
    maps = parts.training
    counts = f"{len(maps):,} training, {len(parts.validation):,} validation, {len(parts.single):,} test"
    names = ", ".join(maps.defects)
    mixed = "none" if parts.mixed is None else f"{len(parts.mixed):,}"
    log.info("%s: %s, %s, %s mixed maps, %d x %d; defects: %s", maps.name, maps.mark, counts, mixed, size, size, names)
    return parts


def read_wafer(source: str, size: int) -> WaferMaps:
    """Read all maps of a file or a folder, KIND:PATH as in `load_wafer`, resized.

    Raises ValueError for an unknown source and for maps without a 1 or without a 2, and what the readers raise.
    """
    kind, _, path = source.partition(":")
    if kind not in SOURCES[1:] or not path:
        raise ValueError(f"source is {source!r}; it must be generator, or one of {', '.join(SOURCES[1:])} and :PATH.")
    readers = {
        "mixedwm38": lambda path: read_npz(path, DEFECTS),
        "npz": read_npz,
        "folder": lambda path: read_folder(path, size),
        "wm811k": lambda path: read_wm811k(path, size),
    }
    return resize_maps(check_convention(readers[kind](expand(path, "source"))), size)


def generate(
    noise: str,
    train_maps: int,
    test_maps: int,
    size: int,
    *,
    learn_mixed: bool = False,
    normal: bool = False,
    choose_mixed: bool = False,
    test_seed: int = 0,
) -> WaferSplit:
    """Draw SYNTHETIC maps: `train_maps` of each defect for training, `test_maps` of each pattern otherwise.

    With `learn_mixed`, `train_maps` of each pattern with a defect for training, and with `normal` maps without one too;
    with `choose_mixed`, `test_maps` of each pattern for validation. Another `test_seed` draws other test maps.
    """
    draw = jax.jit(draw_maps, static_argnames=("noise", "size"))
    name = f"generator, {noise} noise"

    def make(stream: int, labels: np.ndarray, count: int) -> WaferMaps:
        label, found = np.repeat(labels, count, axis=0), []
        for part in range(0, len(label), PART):  # pieces of one size need one program and little memory
            piece = label[part : part + PART]
            piece = np.concatenate([piece, np.zeros((PART - len(piece), label.shape[1]), label.dtype)])
            seed = test_seed if stream in (SINGLE_TEST, MIXED_TEST) else 0
            rng = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), stream), part)
            found.append(np.asarray(draw(rng, jnp.asarray(piece), noise=noise, size=size)))
        return WaferMaps(name, "SYNTHETIC", DEFECTS, np.concatenate(found)[: len(label)], label)

    without = np.repeat(PATTERNS[:1], NORMALS, axis=0)
    learned = np.concatenate([SINGLES, without])
    every = np.concatenate([SINGLES, MIXED, *[without] * normal])
    return WaferSplit(
        training=make(4, every, train_maps) if learn_mixed else make(0, learned, train_maps),
        validation=make(5, every, test_maps) if choose_mixed else make(1, learned, test_maps),
        single=make(SINGLE_TEST, learned, test_maps),
        mixed=make(MIXED_TEST, MIXED, test_maps),
    )


def split(maps: WaferMaps) -> WaferSplit:
    """Split the maps of a file, by lots where they are known; the split depends only on the file."""
    for column, name in enumerate(maps.defects):
        if not (maps.label[maps.number == 1, column] == 1).any():
            raise ValueError(f"{maps.name} has no map whose only defect is {name}; every class needs some.")
    found = split_by_map(maps) if maps.lot is None else split_by_lot(maps)
    training, validation, single = (maps.take(index) for index in found)
    mixed = maps.take(maps.number > 1) if (maps.number > 1).any() else None
    return WaferSplit(training, validation, single, mixed)


def split_by_lot(maps: WaferMaps) -> list[np.ndarray]:
    """Return the indices of training, validation and test maps with one defect or none, of different lots.

    Lots are drawn at random, a tenth of the maps each for validation and for test; lots with a map of several defects,
    which is a test map, are test lots. Raises ValueError where a part has no map of a class.
    """
    if maps.lot is None:
        raise ValueError(f"{maps.name} does not say of which lots its maps are.")
    names, of = np.unique(maps.lot, return_inverse=True)
    learned, total = maps.number <= 1, np.zeros(len(names), int)
    np.add.at(total, of[learned], 1)
    tested = np.isin(np.arange(len(names)), of[~learned])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(names))
    order = order[~tested[order]]
    tenth, already = learned.sum() / 10, total[tested].sum()
    before = already + np.cumsum(total[order]) - total[order]  # maps of the test lots and of the lots in front
    part = np.zeros(len(names), int)  # training
    part[order[before < max(tenth, already) + tenth]] = 1  # validation
    part[order[before < tenth]] = 2  # test
    part[tested] = 2
    found = [np.flatnonzero(learned & (part[of] == each)) for each in range(3)]
    for label in np.unique(maps.label[learned], axis=0):
        for index, what in zip(found, ("training", "validation", "test"), strict=True):
            if not (maps.label[index] == label).all(axis=1).any():
                raise ValueError(
                    f"{maps.name}, split by its {len(names)} lots, has no {what} map of {named(maps, label)}; it needs "
                    "more lots with such maps, or leave the lots out."
                )
    log.info("%s: split by %d lots", maps.name, len(names))
    return found


def named(maps: WaferMaps, label: np.ndarray) -> str:
    """Return the names of the defects of a label."""
    return ", ".join(name for name, bit in zip(maps.defects, label, strict=True) if bit) or "no defect"


def split_by_map(maps: WaferMaps) -> list[np.ndarray]:
    """Return the indices of training, validation and test maps with one defect or none, pattern by pattern."""
    generator = np.random.default_rng(SPLIT_SEED)
    parts: list[list[np.ndarray]] = [[], [], []]
    learned = np.flatnonzero(maps.number <= 1)
    for label in np.unique(maps.label[learned], axis=0):
        index = generator.permutation(learned[(maps.label[learned] == label).all(axis=1)])
        if len(index) < 3:
            which = named(maps, label)
            raise ValueError(f"{maps.name} has {len(index)} maps of {which}; training, validation and test need 3.")
        tenth = max(1, len(index) // 10)
        for part, piece in zip(parts, (index[2 * tenth :], index[:tenth], index[tenth : 2 * tenth]), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
