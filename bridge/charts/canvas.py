"""A figure in the bridge's style, and its PNG: the same bytes for the same chart. Imports matplotlib.

Invariant: texts come from outside. They are never mathtext or TeX, and hold no control characters, only glyphs of the
font.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.text import Text

from bridge.rendering.text import one_line

WIDTH, HEIGHT, SCALE = 640, 240, 2  # CSS pixels, and device pixels to each
#: Okabe and Ito's colours, which colour-blind readers distinguish too: https://jfly.uni-koeln.de/color/
#: the warm and the green ones darker, so that small text in them is read on white.
BLUE, GREEN, BROWN, VERMILLION, PURPLE = "#0072B2", "#00795A", "#7A5C00", "#D55E00", "#8E4175"
BAR, LIMIT_TEXT = "#56A5D8", "#B04A00"
INK, QUIET, GRID, PAPER = "#1B1F24", "#57606A", "#DFE3E8", "#FFFFFF"
MISSING = "\N{WHITE SQUARE}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")  # the bundled ones: the same picture on every machine


def blank() -> Figure:
    """A figure whose unit is the CSS pixel: `x / WIDTH`, `y / HEIGHT` from the lower left."""
    matplotlib.rcdefaults()  # whatever a matplotlibrc in the home or the working directory says
    matplotlib.rcParams["text.parse_math"] = False
    matplotlib.rcParams["text.usetex"] = False
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100 * SCALE, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Without a date, a version or any other metadata; 64 colours are enough for flat lines and their edges."""
    from PIL import Image

    canvas: Any = figure.canvas
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    file = io.BytesIO()
    image.quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def plot_area(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes with these distances, in pixels, from the figure's edges; only horizontal grid lines."""
    size = (left / WIDTH, bottom / HEIGHT, (WIDTH - left - right) / WIDTH, (HEIGHT - bottom - top) / HEIGHT)
    axes: Axes = figure.add_axes(size)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=QUIET, linewidth=points(1))
    axes.tick_params(length=0, width=points(1), color=QUIET)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=points(1))
    axes.set_axisbelow(True)
    return axes


def write(figure: Figure, x: float, y: float, text: str, size: float = 16, **more: Any) -> Text:
    """Text at pixels from the figure's lower left; `size` in pixels, `width` cuts it, `bold` is the heavier font."""
    width, bold = more.pop("width", None), more.pop("bold", False)
    font = _font(size, bold)
    shown = printable(text, bold)
    shown = shown if width is None else fitted(shown, width, size, bold)
    return figure.text(
        x / WIDTH, y / HEIGHT, shown, fontproperties=font, **{"color": INK, "va": "center_baseline", **more}
    )


def width_of(text: str, size: float = 16, bold: bool = False) -> float:
    """In pixels."""
    font = get_font(str(_file(bold)))
    font.set_size(size * 72 / 100, 100)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64


def fitted(text: str, width: float, size: float = 16, bold: bool = False) -> str:
    """At most so many pixels wide, with an ellipsis where something was left out."""
    if width_of(text, size, bold) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = width_of(text[:middle].rstrip() + ELLIPSIS, size, bold) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + ELLIPSIS


def printable(text: str, bold: bool = False) -> str:
    """One line, at most 200 characters, of glyphs that the font has."""
    known = _glyphs(bold)
    return "".join(letter if ord(letter) in known else MISSING for letter in one_line(text[:400])[:200])


def points(pixels: float) -> float:
    """matplotlib's unit of line widths."""
    return pixels * 0.72


@cache
def _glyphs(bold: bool) -> frozenset[int]:
    return frozenset(get_font(str(_file(bold))).get_charmap())


def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(fname=_file(bold), size=points(size))


def _file(bold: bool) -> Path:
    return _FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
