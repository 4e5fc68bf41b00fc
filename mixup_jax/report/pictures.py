"""Collect the PNG pictures that runs left in their figures/ folders, and those that tables name."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from mixup_jax.report.fields import text
from mixup_jax.report.plots.drawing import DOTS, data_uri
from mixup_jax.report.runs import Run
from mixup_jax.runtime.json_files import read_bytes

DRAWN_BY_THE_PAGE = ("learning_curves", "reliability", "reliability_diagram", "beta_densities")
UNUSABLE = (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError)
LARGEST = 5 * 1024**2  # bytes; the page carries every picture within itself


@dataclass(frozen=True)
class Picture:
    """A picture in the page: address, caption and description in words."""

    source: str
    caption: str
    alt: str
    width: int
    """CSS pixels at which its letters are as large as the page's notes."""


def drawn(figure: Figure, caption: str) -> Picture:
    """Turn a figure, whose label is its description, into a picture."""
    return Picture(data_uri(figure), caption, str(figure.get_label()) or caption, round(100 * figure.get_figwidth()))


def saved(runs: Sequence[Run]) -> tuple[list[Picture], list[str]]:
    """Load each different figures/*.png once; returns the pictures and one line for each that is no such thing."""
    pictures: dict[str, Picture] = {}
    warnings = []
    for run in runs:
        for path in sorted((run.path / "figures").glob("*.png")):
            if path.stem in DRAWN_BY_THE_PAGE:
                continue
            try:
                picture = _load(run.path, path, text(path.stem.replace("_", " ").replace("-", " ")).capitalize())
                pictures.setdefault(picture.source, picture)
            except UNUSABLE as error:
                warnings.append(f"{text(path)}: {text(error)}; picture skipped")
    return list(pictures.values()), warnings


def named(folder: Path, figures: Sequence[tuple[str, str]]) -> tuple[list[Picture], list[str]]:
    """Load pictures by their path in `folder`, with their captions; returns them and one line for each other thing."""
    pictures, warnings = [], []
    for name, caption in figures:
        try:
            pictures.append(_load(folder, folder / name, caption))
        except UNUSABLE as error:
            warnings.append(f"{text(folder / name)}: {text(error)}; picture skipped")
    return pictures, warnings


def _load(folder: Path, path: Path, caption: str) -> Picture:
    """Load a picture of a folder; links may not lead out of it, for the page is sent to others."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("not in this folder")
    content, description, width = _read_png(path)
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return Picture(source, caption, description or caption, width)


def _read_png(path: Path) -> tuple[bytes, str, int]:
    content = read_bytes(path, LARGEST)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return content, text(image.info.get("Description")), round(image.width * 100 / DOTS)
