"""The style of all figures, and saving: equal figures give equal PNG or SVG bytes, with or without a display.

Figures use matplotlib's object interface: no pyplot, no window, no global state.
"""

import base64
import io
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from mixup_jax.runtime.atomic import replacing

# Okabe and Ito's colours, distinct for any colour vision; line styles for print without colour.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (3, 3)))
DOTS = 160  # dots per inch of a PNG
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
    "text.parse_math": False,  # class names may hold dollar signs
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}

# On a dark page the ink turns light; the colours of the data stay.
DARK = {INK: "#e8eaed", MUTED: "#9aa1a9", RULE: "#33383e"}

P = ParamSpec("P")


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw in `STYLE` on top of matplotlib's defaults, independent of the user's matplotlibrc."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            figure = draw(*args, **kwargs)
            _as_written(figure)
            # The layout is computed once: another pass at each save would move things a little.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


def _as_written(figure: Figure) -> None:
    """Show all text literally: no formulas between dollar signs, marks for what no font has."""
    for words in figure.findobj(Text):
        words.set_parse_math(False)
        text = _letters(words.get_text())
        words.set_text("".join(each if each.isspace() or ord(each) in _font() else "?" for each in text))
    figure.set_label(_letters(str(figure.get_label())))


def _letters(name: str) -> str:
    """Replace the bytes of a file name that are not UTF-8, which no font and no text file can hold.

    >>> _letters("caf\\udce9")
    'caf?'
    """
    return name.encode("utf-8", "replace").decode()


def drawable(name: str, number: int, longest: int = 24) -> str:
    """Return the name of a class, cut to `longest` letters, or its number where the font cannot write the name.

    Of scripts that the font has, those from right to left would be drawn from left to right.

    >>> drawable("ankle boot", 9), drawable("\u732b", 3), drawable("\u05d7\u05ea\u05d5\u05dc", 4), drawable(" ", 5)
    ('ankle boot', 'class 3', 'class 4', 'class 5')
    """
    name = " ".join(_letters(name).split())
    known = all(ord(each) in _font() and unicodedata.bidirectional(each) not in ("R", "AL") for each in name)
    if not (known and name.isprintable() and name):
        return f"class {number}"
    return name if len(name) <= longest else f"{name[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


@cache
def _font() -> frozenset[int]:
    """Return the characters of the figures' font."""
    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG without date and version; the label of the figure becomes its description."""
    with replacing(path) as part:
        part.write_bytes(png_bytes(figure))


def png_bytes(figure: Figure) -> bytes:
    """Render a PNG on white; equal figures give equal bytes."""
    buffer = io.BytesIO()
    metadata = {"Software": None, "Description": str(figure.get_label())}
    with _style():
        figure.savefig(buffer, format="png", dpi=DOTS, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def svg_text(figure: Figure) -> str:
    """Render a transparent SVG that follows a light or dark colour scheme; equal figures give equal text."""
    buffer = io.StringIO()
    with _style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    swaps = [(kind, light, dark) for light, dark in DARK.items() for kind in ("fill", "stroke")]
    rules = "".join(f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}' for kind, light, dark in swaps)
    svg = buffer.getvalue()
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}<style>@media (prefers-color-scheme: dark) {{{rules}}}</style>{svg[start:]}"


def data_uri(figure: Figure) -> str:
    """Return the SVG as a ``data:`` address for an ``<img>``, in which browsers run no scripts."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg_text(figure).encode()).decode()
