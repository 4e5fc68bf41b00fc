"""Wafer maps from files: MixedWM38's archive, archives of one's own, and folders of one map a file."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.wafer.maps import WaferMaps, check_values, resize_map
from experiments.wafer.patterns import DEFECTS
from mixup_jax.data.files import npz
from mixup_jax.data.files.folders import Tally, class_folders, find_files, name_variants
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

SUFFIXES = (".npy", ".png")
MODES = ("L", "LA", "P", "PA", "RGB", "RGBA")
"""Of pictures, as Pillow calls them; others hold two values, or more than 256."""
NOTHING = ("none", "normal")
"""Names of folders, in any case, whose maps have no defect."""


def read_npz(path: Path, defects: Sequence[str] | None = None) -> WaferMaps:
    """Read an archive: ``arr_0`` maps (n, height, width), ``arr_1`` multi-hot labels (n, defects), as MixedWM38's.

    The names of the defects are given, or stand in the archive as ``defects`` (strings), or are MixedWM38's eight.
    Objects are refused: nothing is unpickled.

    Raises FileNotFoundError, and ValueError for an archive without these arrays, maps of other values, and labels of
    the wrong width.
    """
    arrays = npz.read_npz(path)
    missing = [name for name in ("arr_0", "arr_1") if name not in arrays]
    if missing:
        raise ValueError(f"{path} holds {', '.join(arrays) or 'nothing'}; it needs arr_0 (maps) and arr_1 (labels).")
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
    return WaferMaps(
        path.name, "REAL", tuple(defects), check_values(str(path), arrays["arr_0"]), label.astype(np.uint8)
    )


def read_maps(path: Path) -> np.ndarray:
    """Read the maps alone of an archive, its ``arr_0``, uint8 (n, height, width); raises what `read_npz` raises."""
    arrays = npz.read_npz(path)
    if "arr_0" not in arrays:
        raise ValueError(f"{path} holds {', '.join(arrays) or 'nothing'}; it needs arr_0 (maps).")
    return check_values(str(path), arrays["arr_0"])


def read_folder(path: Path, size: int) -> WaferMaps:
    """Read PATH/<defect>/*.npy or *.png, each a map; maps of several defects are in folders such as Center+Scratch.

    Folders called "none" or "normal" hold maps without a defect. Maps may differ in size; they are resized to `size`.

    Raises FileNotFoundError, and ValueError, which names the culprit, for folders without maps and files that are none.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder; maps are expected as {path}/<defect>/<name>.npy or .png")
    tally = Tally()
    folders = class_folders(path, ".", tally)
    sets = {each: () if each.name.lower() in NOTHING else tuple(each.name.split("+")) for each in folders}
    _check_defects(path, [name for names in sets.values() for name in names])
    defects = tuple(sorted({name for names in sets.values() for name in names}))
    if not defects:
        raise ValueError(f"{path} holds no folders of defects; maps are expected as {path}/<defect>/<name>.npy or .png")
    files, labels = [], []
    for folder, names in sets.items():
        found = find_files(folder, SUFFIXES, tally)
        if not found:
            raise ValueError(f"{folder} holds no maps; every class needs a {' or '.join(SUFFIXES)} file.")
        files += found
        labels += [[name in names for name in defects]] * len(found)
    maps = []
    for file in progress(files, f"reading {path.name}"):
        maps.append(resize_map(one := read_map(file), size))
        if one.shape != (size, size):
            tally.add(f"resized to {size} x {size}", f"{file.parent.name}/{file.name}, {one.shape[0]} x {one.shape[1]}")
    for note in tally.notes("files or folders"):
        log.warning("%s: %s", path.name, note)
    return WaferMaps(path.name, "REAL", defects, np.stack(maps), np.array(labels, np.uint8))


def _check_defects(path: Path, names: Sequence[str]) -> None:
    """Refuse names of defects that are empty, that mean no defect, or that differ in capital letters or blanks only."""
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
    """Read a map, uint8 (height, width): an array (.npy), or a picture (.png), in 0, 1, 2 or in black, grey, white.

    Raises ValueError, which names the file, for what is no map.
    """
    try:
        if path.suffix.lower() == ".npy":
            one = npz.read_npy(path)
        elif not path.is_file():
            raise ValueError("it is no file")
        else:
            one = _grey(path)
            if one.max(initial=0) > 3:  # drawn to be looked at: black no die, grey passes, white fails
                one = np.where(np.isin(one, (127, 128)), 1, np.where(one == 255, 2, one))
        if one.ndim != 2 or one.size == 0:
            raise ValueError(f"it has the shape {one.shape}; a map is (height, width)")
    except Exception as error:  # of damaged pictures Pillow raises nearly anything
        raise ValueError(f"{path} cannot be read as a map ({' '.join(str(error).split())}).") from error
    return check_values(str(path), one[None])[0]


def _grey(path: Path) -> np.ndarray:
    """Return what a picture shows, uint8 (height, width), through its palette if it has one; it must be grey."""
    with warnings.catch_warnings(), Image.open(path) as picture:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if picture.mode not in MODES:
            raise ValueError(f"it is a picture of the mode {picture.mode}; a map is one of 8 bits, grey")
        shown = np.asarray(picture.convert("RGB"))
    if (shown != shown[..., :1]).any():
        raise ValueError("it is in colours; a picture of a map is grey, 0, 1, 2 or black, grey, white")
    return shown[..., 0]
