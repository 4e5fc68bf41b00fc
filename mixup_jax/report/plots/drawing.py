"""The look of every figure, and saving: the same PNG or SVG bytes for the same figure, on screen or without one.

Figures are made through matplotlib's object interface: no pyplot, no window, nothing global left behind.
"""

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

# Okabe and Ito's colours, told apart with any colour vision; a line style goes with each for print without colour.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (3, 3)))
DOTS = 160  # an inch, in a PNG
INK, MUTED, RULE = "#1c2024", "#60666d", "#d9dcdf"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # shipped with matplotlib: the same glyphs on every machine
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "mixup_jax",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}

# In a dark page the ink turns light; the colours of the data stay.
DARK = {INK: "#e8eaed", MUTED: "#9aa1a9", RULE: "#33383e"}

P = ParamSpec("P")


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw within `STYLE` on top of matplotlib's defaults, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            figure = draw(*args, **kwargs)
            _as_written(figure)
            # Lay out once and keep it: another pass at each save would move things a little further.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


def _as_written(figure: Figure) -> None:
    """Show names as they are written, classes' among them: no formula between dollars, a mark for what is no letter."""
    for words in figure.findobj(Text):
        words.set_parse_math(False)
        words.set_text(_letters(words.get_text()))
    figure.set_label(_letters(str(figure.get_label())))


def _letters(name: str) -> str:
    """Replace the bytes of a file's name that are not UTF-8, which no font and no file of text can hold.

    >>> _letters("caf\\udce9")
    'caf?'
    """
    return name.encode("utf-8", "replace").decode()


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG without date or version in it; the figure's label goes along as its description."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(figure))


def png_bytes(figure: Figure) -> bytes:
    """Render a PNG on white; two calls give the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Software": None, "Description": str(figure.get_label())}
    with _style():
        figure.savefig(buffer, format="png", dpi=DOTS, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def svg_text(figure: Figure) -> str:
    """Render a transparent SVG whose ink follows the reader's light or dark scheme; two calls give the same text."""
    buffer = io.StringIO()
    with _style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    swaps = [(kind, light, dark) for light, dark in DARK.items() for kind in ("fill", "stroke")]
    rules = "".join(f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}' for kind, light, dark in swaps)
    svg = buffer.getvalue()
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}<style>@media (prefers-color-scheme: dark) {{{rules}}}</style>{svg[start:]}"


def data_uri(figure: Figure) -> str:
    """Return the SVG as a ``data:`` address for an ``<img>``, where a browser runs nothing that it might contain."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg_text(figure).encode()).decode()
