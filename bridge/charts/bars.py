"""Drawing a DistributionChart: bars for now, a stepped outline for the baseline, one bin as wide as the other."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bridge.charts import canvas
from bridge.charts.canvas import HEIGHT, WIDTH, points, write
from bridge.charts.scales import label, value_axis
from bridge.core.charts.chart import DistributionChart
from bridge.core.facts import Unit

EDGE, GAP, BOTTOM, TOP = 14, 8, 30, 68  # pixels
MOST_BOUNDS = 10  # labels under the bars


def draw_bars(chart: DistributionChart) -> Figure:
    figure = canvas.blank()
    write(figure, EDGE, HEIGHT - 20, chart.title, 17, bold=True, width=WIDTH - 2 * EDGE)
    shares = [share for each in chart.bins for share in (each.share, each.baseline or 0.0)]
    axis = value_axis([0.0, *(shares or [1.0])], Unit.RATIO)
    left = EDGE + GAP + max(canvas.width_of(text, 15) for text in axis.labels)
    axes = canvas.plot_area(figure, left, BOTTOM, EDGE, TOP)
    axes.set_ylim(axis.low, axis.high)
    axes.set_yticks(axis.ticks, labels=[""] * len(axis.ticks))
    axes.set_xlim(0, max(1, len(chart.bins)))
    axes.set_xticks([])
    for tick, text in zip(axis.ticks, axis.labels, strict=True):
        y = BOTTOM + (tick - axis.low) / (axis.high - axis.low) * (HEIGHT - BOTTOM - TOP)
        write(figure, left - GAP, y, text, 15, ha="right", color=canvas.QUIET)
    if not chart.bins:
        write(figure, (left + WIDTH - EDGE) / 2, HEIGHT / 2, "no data", ha="center")
        return figure
    _draw(axes, chart)
    _bounds(figure, chart, left)
    _legend(figure, chart)
    return figure


def _draw(axes: Axes, chart: DistributionChart) -> None:
    places = [at + 0.5 for at in range(len(chart.bins))]
    axes.bar(places, [each.share for each in chart.bins], width=0.8, color=canvas.BAR, linewidth=0, zorder=2)
    usual = [each.baseline for each in chart.bins if each.baseline is not None]
    if len(usual) == len(chart.bins):
        edges = list(range(len(chart.bins) + 1))
        axes.stairs(usual, edges, baseline=None, color=canvas.LIMIT_TEXT, linewidth=points(2.6), zorder=3)


def _bounds(figure: Figure, chart: DistributionChart, left: float) -> None:
    """The bins' upper bounds, as many as have room."""
    wide = (WIDTH - left - EDGE) / len(chart.bins)
    bounds = [chart.bins[0].above, *(each.up_to for each in chart.bins)]
    texts = [label(bound, chart.unit) if math.isfinite(bound) else "" for bound in bounds]
    room = max(canvas.width_of(text, 15) for text in texts) + GAP
    every = max(math.ceil(room / wide), math.ceil(len(bounds) / MOST_BOUNDS))
    for at in range(len(bounds) - 1, -1, -every):
        half = canvas.width_of(texts[at], 15) / 2
        write(figure, min(left + at * wide, WIDTH - GAP - half), 14, texts[at], 15, ha="center", color=canvas.QUIET)


def _legend(figure: Figure, chart: DistributionChart) -> None:
    now = canvas.fitted(canvas.printable(chart.now_name), 240, 15)
    write(figure, EDGE, HEIGHT - 45, "\N{BLACK SQUARE}", 20, color=canvas.BAR)
    write(figure, EDGE + 20, HEIGHT - 46, now, 15)
    if any(each.baseline is not None for each in chart.bins):
        x = EDGE + 20 + canvas.width_of(now, 15) + 20
        write(figure, x, HEIGHT - 46, "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 2, 15, color=canvas.LIMIT_TEXT)
        write(figure, x + 28, HEIGHT - 46, chart.baseline_name, 15, width=240)
