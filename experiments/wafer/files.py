"""Wafer maps from files: archives such as MixedWM38's, the pickle of WM-811K, and folders of one map a file."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.wafer.maps import WaferMaps, check_values, resize_map
from experiments.wafer.patterns import DEFECTS
from experiments.wafer.pickled_frame import NoValue, read_frame
from mixup_jax.data.files import npz
from mixup_jax.data.files.folders import Tally, class_files, name_variants
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

SUFFIXES = (".npy", ".png")
MODES = ("L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow's modes of pictures with 8 bits a channel."""
NOTHING = ("none", "normal")
"""Names, in any case, of folders whose maps have no defect; "none" is also such a label of WM-811K."""


def read_npz(path: Path, defects: Sequence[str] | None = None) -> WaferMaps:
    """Read an archive: ``arr_0`` maps (n, height, width), ``arr_1`` multi-hot labels (n, defects), as MixedWM38's.

    The names of the defects are the argument, or the archive's array ``defects`` (strings), or MixedWM38's eight; an
    array ``lots`` (n,), strings or numbers, says of which lot each map is. Nothing is unpickled: objects are an error.

    Raises FileNotFoundError, and ValueError for an archive without these arrays, maps of other values, and labels of
    the wrong width.
    """
    arrays = _arrays(path, {"arr_0": "maps", "arr_1": "labels"})
    if defects is None:
        defects = [str(name) for name in arrays.get("defects", np.array(DEFECTS)).ravel()]
    _check_defects(path, defects)
    if len(set(defects)) < len(defects):
        raise ValueError(f"{path}: the defects {', '.join(defects)} are not all different.")
    label = arrays["arr_1"]
    if label.ndim != 2 or label.shape[1] != len(defects):
        raise ValueError(
            f"{path}: labels (arr_1) have the shape {label.shape}; they need a column for each of the {len(defects)} "
            f"defects {', '.join(defects)}."
        )
    if not np.isin(label, (0, 1)).all():
        raise ValueError(f"{path}: labels (arr_1) must hold 0 and 1 only.")
    if len(arrays["arr_0"]) != len(label):
        raise ValueError(f"{path}: {len(arrays['arr_0'])} maps (arr_0), but {len(label)} labels (arr_1).")
    lots = arrays.get("lots")
    if lots is not None and (lots.shape != (len(label),) or lots.dtype.kind not in "iuSU"):
        raise ValueError(f"{path}: lots are {lots.dtype} {lots.shape}; they must be {len(label)} strings or integers.")
    maps = check_values(str(path), arrays["arr_0"])
    return WaferMaps(path.name, "REAL", tuple(defects), maps, label.astype(np.uint8), lots)


def read_maps(path: Path) -> np.ndarray:
    """Read the maps of an archive, its ``arr_0``, uint8 (n, height, width); raises what `read_npz` raises."""
    return check_values(str(path), _arrays(path, {"arr_0": "maps"})["arr_0"])


def _arrays(path: Path, needed: dict[str, str]) -> dict[str, np.ndarray]:
    arrays = npz.read_npz(path)
    if not needed.keys() <= arrays.keys():
        names = " and ".join(f"{name} ({what})" for name, what in needed.items())
        raise ValueError(f"{path} holds {', '.join(arrays) or 'nothing'}; it needs {names}.")
    return arrays


def read_wm811k(path: Path, size: int) -> WaferMaps:
    """Read the labelled maps of WM-811K (`LSWMD.pkl`, 811,457 maps), resized to `size`.

    The label "none" is no defect. Maps without a label (an empty cell: nothing, None, NaN, NA or an empty text) are
    left out, and their number is logged. The official split (`trianTestLabel`) is ignored, as by the co-author's code.
    Lots are those of the column `lotName`; a map without one is a lot of its own.

    Raises FileNotFoundError, and ValueError for a pickle that holds anything but a frame of arrays, strings and numbers
    with the columns `waferMap` and `failureType`, for an unknown defect, and for maps of other values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; it should be WM-811K's LSWMD.pkl.")
    columns = read_frame(path)
    missing = [name for name in ("waferMap", "failureType") if name not in columns]
    if missing:
        raise ValueError(f"{path} has no column {' or '.join(missing)}; it is not LSWMD.pkl.")
    normal, names = NOTHING[0], {name.lower(): index for index, name in enumerate(DEFECTS)}
    maps, labels, lots, count = [], [], [], len(columns["waferMap"])
    triples = zip(columns["waferMap"], columns["failureType"], columns.get("lotName", [None] * count), strict=True)
    for row, (one, nested, lot) in enumerate(progress(triples, f"reading {path.name}", count)):
        words = {str(word) for word in np.asarray(nested, object).ravel() if not _is_empty(word)}  # [['Center']]
        if not words:
            continue
        if len(words) > 1 or not words <= {normal, *(word for word in words if word.lower() in names)}:
            raise ValueError(
                f"{path}: row {row} has the failureType {', '.join(map(repr, sorted(words)))}; it must be one of "
                f"{', '.join((*DEFECTS, normal))} ({normal}: no defect), or nothing where the map has no label."
            )
        labels.append(np.arange(len(DEFECTS)) == names.get(words.pop().lower()))
        maps.append(resize_map(check_values(f"{path}, row {row}", np.asarray(one)[None])[0], size))
        lots.append(f"row {row}" if _is_empty(lot) else str(lot))
    if not maps:
        raise ValueError(f"{path} holds no labelled map.")
    if len(maps) < count:
        log.warning("%s: %d of %d maps have no label and are left out", path.name, count - len(maps), count)
    if "lotName" not in columns:
        log.warning("%s has no column lotName: training and test may share lots", path.name)
    known = np.array(lots) if "lotName" in columns else None
    return WaferMaps("WM-811K", "REAL", DEFECTS, np.stack(maps), np.array(labels, np.uint8), known)


def _is_empty(word: Any) -> bool:
    return word is None or isinstance(word, NoValue) or str(word).strip() in ("", "nan")


def read_folder(path: Path, size: int) -> WaferMaps:
    """Read PATH/<defect>/*.npy or *.png, one map a file; maps with several defects are in folders as Center+Scratch.

    Folders called "none" or "normal" hold maps without a defect. Maps of other sizes are resized to `size`.

    Raises FileNotFoundError, and ValueError, which names the file or folder, for a folder without maps and for a file
    that is no map.
    """
    tally = Tally()
    folders = class_files(path, SUFFIXES, tally, layout="<defect>/<name>.npy or .png")
    sets = {name: () if name.lower() in NOTHING else tuple(name.split("+")) for name in folders}
    _check_defects(path, [name for names in sets.values() for name in names])
    defects = tuple(sorted({name for names in sets.values() for name in names}))
    if not defects:
        raise ValueError(f"{path} holds no folders of defects, only maps without a defect.")
    files = [file for found in folders.values() for file in found]
    labels = [[each in sets[name] for each in defects] for name, found in folders.items() for _ in found]
    maps = []
    for file in progress(files, f"reading {path.name}"):
        maps.append(resize_map(one := read_map(file), size))
        if one.shape != (size, size):
            tally.add(f"resized to {size} x {size}", f"{file.parent.name}/{file.name}, {one.shape[0]} x {one.shape[1]}")
    for note in tally.notes("files or folders"):
        log.warning("%s: %s", path.name, note)
    return WaferMaps(path.name, "REAL", defects, np.stack(maps), np.array(labels, np.uint8))


def _check_defects(path: Path, names: Sequence[str]) -> None:
    """Raise ValueError for names that are empty, mean no defect, or differ as `name_variants` says."""
    odd = [name for name in names if not name.strip() or name.strip().lower() in NOTHING]
    if odd:
        raise ValueError(
            f"{path}: {odd[0]!r} is no name of a defect; normal maps are in a folder {' or '.join(NOTHING)}."
        )
    if variants := name_variants(names):
        raise ValueError(f"{path} has {variants[0]} as different defects; write them alike.")


def list_maps(folder: Path) -> list[Path]:
    """Return the files of maps in a folder, by name."""
    found = (each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and not each.name.startswith("."))
    return sorted(found)


def read_map(path: Path) -> np.ndarray:
    """Read a map, uint8 (height, width), from an array (.npy) or a picture (.png) in 0, 1, 2 or black, grey, white.

    Raises ValueError, which names the file, for a file that is no map.
    """
    try:
        if path.suffix.lower() == ".npy":
            one = npz.read_npy(path)
        elif not path.is_file():
            raise ValueError("it is no file")
        else:
            one = _grey(path)
            if one.max(initial=0) > 3:  # black: no die, grey: passes, white: fails
                one = np.where(np.isin(one, (127, 128)), 1, np.where(one == 255, 2, one))
        if one.ndim != 2 or one.size == 0:
            raise ValueError(f"it has the shape {one.shape}; a map is (height, width)")
    except Exception as error:  # Pillow raises nearly anything for damaged pictures
        raise ValueError(f"{path} cannot be read as a map ({reason_of(error)}).") from error
    return check_values(str(path), one[None])[0]


def _grey(path: Path) -> np.ndarray:
    """Return the grey values of a picture, uint8 (height, width), through its palette if it has one."""
    with warnings.catch_warnings(), Image.open(path) as picture:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if picture.mode not in MODES:
            raise ValueError(f"it is a picture of the mode {picture.mode}; a map is one of 8 bits, grey")
        if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
            raise ValueError("it has transparent pixels; where there is no die a map is 0, or black")
        shown = np.asarray(picture.convert("RGB"))
    if (shown != shown[..., :1]).any():
        raise ValueError("it is in colours; a picture of a map is grey, 0, 1, 2 or black, grey, white")
    return shown[..., 0]
