"""The command `patterns`: draw the 38 patterns of the generator, or the sets of defects of your own maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import UInt8
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from experiments.wafer.config import SMALLEST
from experiments.wafer.generator import SIZE, draw_maps
from experiments.wafer.maps import WaferMaps
from experiments.wafer.patterns import NAMES, PATTERNS, pattern_name
from experiments.wafer.sources import read_wafer
from mixup_jax.report.plots.drawing import PALETTE, save_png, styled

Noise = Literal["low", "high"]
BOTH: tuple[Noise, ...] = ("low", "high")
MOST = 60
"""Sets of defects that a sheet shows at most."""
DIES = ListedColormap(["white", "#cfd8e3", PALETTE[1]])
"""No die, passes, fails."""


def patterns(
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("patterns.png"),
    source: str = "generator",
    noise: tuple[Noise, ...] = BOTH,
    examples: int = 4,
    size: int = SIZE,
    seed: int = 0,
) -> None:
    """Draw examples of the 38 patterns of the generator, or of every set of defects of your own maps.

    Args:
        output: The picture to write (.png); an existing one is replaced.
        source: generator, or maps of a file or folder: mixedwm38:PATH.npz, wm811k:PATH.pkl, npz:PATH, folder:PATH.
        noise: Backgrounds of the generator's maps, low, high or both; both share the examples of a pattern.
        examples: Maps of each pattern.
        size: Height and width of the maps; those of a file are resized.
        seed: Seed of the generator's maps.
    """
    if output.suffix.lower() != ".png":
        raise ValueError(f"output must be a .png, got {output}.")
    for name, value, least, most in (("examples", examples, 1, 100), ("size", size, SMALLEST, 4096)):
        if not least <= value <= most:
            raise ValueError(f"{name} must be at least {least} and at most {most}, got {value}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and 2**32 - 1, got {seed}.")
    if not noise or len(set(noise)) < len(noise):
        raise ValueError(f"noise must be low, high, or both, got {' '.join(noise) or 'nothing'}.")
    if source == "generator":
        save_png(pattern_sheet(drawn(noise, examples, size, seed), NAMES), output)
        print(f"{output}: {len(NAMES)} patterns, {examples} maps of each, {' and '.join(noise)} noise")
        return
    if noise != BOTH or seed:
        raise ValueError(f"noise and seed are for the source generator, got {source}.")
    maps = read_wafer(source, size)
    sets = by_set(maps)
    save_png(source_sheet(maps, dict(list(sets.items())[:MOST]), examples), output)
    cut = f", the first {MOST} of them shown" if len(sets) > MOST else ""
    print(f"{output}: {len(maps)} maps with {len(sets)} different sets of defects{cut}")


def drawn(noise: tuple[Noise, ...], examples: int, size: int, seed: int) -> np.ndarray:
    """Draw the generator's maps of each pattern, uint8 (38, examples, size, size), in the order of `noise`."""
    draw = jax.jit(draw_maps, static_argnames=("noise", "size"))
    found = []
    for each, part in zip(noise, np.array_split(np.arange(examples), len(noise)), strict=True):
        if not len(part):  # fewer examples than backgrounds
            continue
        rng = jax.random.fold_in(jax.random.key(seed), len(found))
        label = jnp.asarray(np.repeat(PATTERNS, len(part), axis=0))
        found.append(np.asarray(draw(rng, label, noise=each, size=size)).reshape(len(NAMES), len(part), size, size))
    return np.concatenate(found, axis=1)


def by_set(maps: WaferMaps) -> dict[str, np.ndarray]:
    """Return the indices of the maps of each set of defects by its name, small sets first.

    >>> label = np.array([[1, 1], [0, 1], [0, 0], [0, 1]], np.uint8)
    >>> by_set(WaferMaps("mine", "REAL", ("Arc", "Blob"), np.ones((4, 2, 2), np.uint8), label))
    {'Normal': array([2]), 'Blob': array([1, 3]), 'Arc+Blob': array([0])}
    """
    labels, of = np.unique(maps.label, axis=0, return_inverse=True)
    order = np.lexsort((*(-labels.T[::-1].astype(int)), labels.sum(axis=1)))
    return {pattern_name(labels[each], maps.defects): np.flatnonzero(of.ravel() == each) for each in order}


@styled
def pattern_sheet(maps: UInt8[np.ndarray, "patterns examples height width"], names: Sequence[str]) -> Figure:
    """Draw examples of each pattern."""
    rows = {f"C{number}  {name}": found for number, (name, found) in enumerate(zip(names, maps, strict=True), 1)}
    examples = maps.shape[1]
    return _sheet(rows, examples, f"{examples} maps of each of {len(names)} patterns, from {names[0]} to {names[-1]}.")


@styled
def source_sheet(maps: WaferMaps, sets: dict[str, np.ndarray], examples: int) -> Figure:
    """Draw the number of maps of each set of defects and examples, from its first map to its last."""
    rows = {}
    for name, index in sets.items():
        spread = np.unique(np.linspace(0, len(index) - 1, examples).astype(int))
        rows[f"{name}  ({len(index):,})"] = maps.maps[index[spread]]
    caption = f"Maps of {maps.name}: each set of defects, its number of maps, and up to {examples} of them."
    return _sheet(rows, examples, caption)


def _sheet(rows: dict[str, np.ndarray], examples: int, caption: str) -> Figure:
    """Draw rows of maps under their titles, in two columns of rows."""
    half = -(-len(rows) // 2)
    figure = Figure(figsize=(1.0 * (2 * examples + 1), 1.04 * half))
    grid = figure.subplots(half, 2 * examples + 1, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, (title, maps) in enumerate(rows.items()):
        row, first = place % half, place // half * (examples + 1)
        for column, one in enumerate(maps):
            show_map(grid[row, first + column], one)
        grid[row, first].set_title(title, fontsize=8, pad=2)
    figure.set_label(caption)
    return figure


def show_map(axes: Any, one: UInt8[np.ndarray, "height width"]) -> None:
    """Draw a map: dies that pass in grey, those that fail in colour."""
    axes.imshow(one, cmap=DIES, vmin=0, vmax=2, interpolation="nearest")
    axes.set_axis_off()
