"""Collect the PNG pictures that runs left in their figures/ folders, and those that tables name."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from mixup_jax.report.format import text
from mixup_jax.report.plots.drawing import DOTS, data_uri
from mixup_jax.report.runs import Run
from mixup_jax.runtime.json_files import read_bytes

DRAWN_BY_THE_PAGE = ("learning_curves", "reliability", "reliability_diagram", "beta_densities")
OF_MISTAKES = ("errors_by_class", "confusion", "worst_images")
"""Pictures of predictions, for "Where it errs"; of several alphas each has its own, as ``confusion-alpha-0.2.png``."""
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
    """Load each different figures/*.png of the runs once; return the pictures and a line for each unusable file."""
    pictures: dict[str, Picture] = {}
    warnings = []
    for run in runs:
        elsewhere = DRAWN_BY_THE_PAGE if run.predictions is None else (*DRAWN_BY_THE_PAGE, *OF_MISTAKES)
        found = sorted(run.path.glob("figures/*.png"))
        paths = [path for path in found if path.stem.partition("-alpha-")[0] not in elsewhere]
        captions = [text(path.stem.replace("_", " ").replace("-", " ")).capitalize() for path in paths]
        names = [str(path.relative_to(run.path)) for path in paths]
        loaded, unusable = named(run.path, list(zip(names, captions, strict=True)))
        for picture in loaded:
            pictures.setdefault(picture.source, picture)
        warnings += unusable
    return list(pictures.values()), warnings


def named(folder: Path, figures: Sequence[tuple[str, str]]) -> tuple[list[Picture], list[str]]:
    """Load pictures by their path in `folder`, with their captions; return them and a line for each unusable file."""
    pictures, warnings, real = [], list[str](), folder.resolve()
    for name, caption in figures:
        try:
            pictures.append(_load(real, folder / name, caption))
        except UNUSABLE as error:
            warnings.append(f"{text(folder / name)}: {text(error)}; picture skipped")
    return pictures, warnings


def _load(folder: Path, path: Path, caption: str) -> Picture:
    """Load a picture of a folder (a real path); a link out of it is refused, because the page is sent to others."""
    if not path.resolve().is_relative_to(folder):
        raise ValueError("not in this folder")
    content = read_bytes(path, LARGEST)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        description, width = text(image.info.get("Description")), round(image.width * 100 / DOTS)
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return Picture(source, caption, description or caption, width)
