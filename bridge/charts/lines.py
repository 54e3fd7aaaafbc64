"""Drawing a LineChart: lines with their last value, the limit, the alert's start, and what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bridge.charts import canvas
from bridge.charts.canvas import HEIGHT, WIDTH, points, write
from bridge.charts.scales import Axis, thinned, time_ticks, value_axis, within
from bridge.core.charts.chart import DAY, Line, LineChart, date, day, moment, value_text

#: Colour and dash: each alone distinguishes the lines.
STYLES = (
    (canvas.BLUE, "-"),
    (canvas.GREEN, (0, (5, 2))),
    (canvas.INK, (0, (1.5, 1.5))),
    (canvas.BROWN, (0, (6, 2, 1, 2))),
)
EDGE, GAP, ROW = 14, 8, 19  # pixels: at the picture's edges, between things, from text line to text line
MOST_BESIDE = 170  # pixels for the words at the lines' ends
BOTTOM = 30


@dataclass(frozen=True, slots=True)
class Word:
    """Text at a place along a line; what comes first is more important."""

    at: float
    text: str
    color: str
    bold: bool = False


def draw_lines(chart: LineChart) -> Figure:
    figure = canvas.blank()
    days = f"{_days(chart)}, UTC"
    write(figure, WIDTH - EDGE, HEIGHT - 20, days, 14, ha="right", color=canvas.QUIET)
    write(figure, EDGE, HEIGHT - 20, chart.title, 17, bold=True, width=WIDTH - 3 * EDGE - canvas.width_of(days, 14))
    axis = value_axis(_values(chart) or [0.0], chart.unit)
    beside = _beside(chart)
    left = EDGE + GAP + max(canvas.width_of(text, 15) for text in axis.labels)
    right = EDGE + max((GAP + canvas.width_of(word.text, 15, word.bold) for word in beside), default=0.0)
    rows = _rows(_above(chart), chart, left, right)
    axes = canvas.plot_area(figure, left, BOTTOM, right, 38 + ROW * len(rows))
    _scale(axes, figure, chart, axis, left, right)
    _limit(axes, chart, axis)
    _marks(axes, chart)
    _draw(axes, chart)
    for row, words in enumerate(rows):
        for x, word in words:
            write(figure, x, HEIGHT - 46 - ROW * row, word.text, 14, ha="center", color=word.color, bold=word.bold)
    _write_beside(figure, axes, beside, axis, WIDTH - right + GAP)
    if chart.hidden:
        write(figure, WIDTH - EDGE, 14, f"+ {chart.hidden:,} more", 14, ha="right", color=canvas.QUIET)
    return figure


def _values(chart: LineChart) -> list[float]:
    values = [within(value) for line in chart.lines for _, value in line.points]
    return values + ([within(chart.threshold.number)] if chart.threshold else [])


def _scale(axes: Axes, figure: Figure, chart: LineChart, axis: Axis, left: float, right: float) -> None:
    start, end = chart.span.start.timestamp(), chart.span.end.timestamp()
    end = max(end, start + 60)
    axes.set_xlim(start, end)
    axes.set_ylim(axis.low, axis.high)
    axes.set_yticks(axis.ticks, labels=[""] * len(axis.ticks))
    for value, text in zip(axis.ticks, axis.labels, strict=True):
        y = HEIGHT * _figure_y(axes, (value - axis.low) / (axis.high - axis.low))
        write(figure, left - GAP, y, text, 15, ha="right", color=canvas.QUIET)
    axes.set_xticks([])
    long = chart.span.seconds > DAY
    for tick in time_ticks(start, end):
        x = left + (tick - start) / (end - start) * (WIDTH - left - right)
        if left - 2 <= x <= WIDTH - EDGE - 20:
            write(figure, x, 14, _tick(tick, long), 15, ha="center", color=canvas.QUIET)
            axes.axvline(tick, ymax=0.03, color=canvas.QUIET, linewidth=points(1))
    if not chart.lines:
        write(figure, (left + WIDTH - right) / 2, HEIGHT * _figure_y(axes, 0.5), "no data", ha="center")


def _draw(axes: Axes, chart: LineChart) -> None:
    for line, (color, dash) in reversed(list(zip(chart.lines, STYLES, strict=False))):
        for part in _unbroken(line, chart.step_seconds):
            x, y = zip(*part, strict=True)
            if len(part) == 1:
                axes.plot(x, y, marker="o", markersize=points(5), color=color)
            axes.plot(x, y, color=color, linestyle=dash, linewidth=points(2.4), solid_capstyle="round", zorder=3)
        end = line.points[-1]
        axes.plot(end[0], within(end[1]), marker="o", markersize=points(7), color=color, clip_on=False, zorder=4)


def _unbroken(line: Line, step: float) -> list[list[tuple[float, float]]]:
    """The line in parts, so that nothing is drawn where nothing was measured."""
    parts: list[list[tuple[float, float]]] = [[]]
    every = [(at, within(value)) for at, value in line.points]
    gaps = {after[0] for before, after in pairwise(every) if after[0] - before[0] > 2.5 * step}
    for point in every:
        if point[0] in gaps:
            parts.append([])
        parts[-1].append(point)
    return [list(thinned(part)) for part in parts if part]


def _limit(axes: Axes, chart: LineChart, axis: Axis) -> None:
    if chart.threshold is None:
        return
    number = within(chart.threshold.number)
    axes.axhline(number, color=canvas.VERMILLION, linewidth=points(1.6), zorder=2)
    if chart.threshold.operator in (">", ">="):
        axes.axhspan(number, axis.high, color=canvas.VERMILLION, alpha=0.07, linewidth=0)
    elif chart.threshold.operator in ("<", "<="):
        axes.axhspan(axis.low, number, color=canvas.VERMILLION, alpha=0.07, linewidth=0)


def _marks(axes: Axes, chart: LineChart) -> None:
    for mark in chart.changes:
        axes.axvline(mark.at.timestamp(), color=canvas.PURPLE, linewidth=points(1.8), linestyle=(0, (2, 2)), zorder=2)
    for at in (chart.started, chart.ended):
        if at is not None and chart.span.start <= at <= chart.span.end:
            axes.axvline(at.timestamp(), color=canvas.INK, linewidth=points(1.8), zorder=2)


def _above(chart: LineChart) -> list[Word]:
    named = (("fired", chart.started), ("ended", chart.ended))
    own = [
        Word(at.timestamp(), f"{name} {moment(at, chart.span)}", canvas.INK, True)
        for name, at in named
        if at is not None and chart.span.start <= at <= chart.span.end
    ]
    changes = [Word(mark.at.timestamp(), _cut(mark.text), canvas.PURPLE, True) for mark in reversed(chart.changes)]
    return own + changes


def _cut(text: str) -> str:
    return canvas.fitted(canvas.printable(text, True), 150, 14, True)


def _rows(words: Sequence[Word], chart: LineChart, left: float, right: float) -> list[list[tuple[float, Word]]]:
    """Words in one row or two, each over its line as far as the edges let it; what has no room is left out."""
    rows: list[list[tuple[float, Word]]] = [[]]
    start, seconds = chart.span.start.timestamp(), max(chart.span.seconds, 60.0)
    for word in words:
        half = canvas.width_of(word.text, 14, word.bold) / 2
        x = left + (word.at - start) / seconds * (WIDTH - left - right)
        x = min(max(x, EDGE + half), WIDTH - EDGE - half)
        free = [row for row in rows if all(abs(x - other) > half + _half(each) + GAP for other, each in row)]
        if free:
            free[0].append((x, word))
        elif len(rows) < 2:
            rows.append([(x, word)])
    return [row for row in rows if row]


def _half(word: Word) -> float:
    return canvas.width_of(word.text, 14, word.bold) / 2


def _beside(chart: LineChart) -> list[Word]:
    """What the lines' ends say: name and last value, and the limit."""
    words = []
    for line, (color, _) in zip(chart.lines, STYLES, strict=False):
        value = value_text(line.points[-1][1], chart.unit)
        room = MOST_BESIDE - canvas.width_of(f" {value}", 15, True)
        name = canvas.fitted(canvas.printable(line.name, True), room, 15, True)
        words.append(Word(within(line.points[-1][1]), f"{name} {value}".strip(), color, True))
    if chart.threshold:
        word = {"==": "alert at", "!=": "alert unless"}.get(chart.threshold.operator, "limit")
        limit = f"{word} {value_text(chart.threshold.number, chart.unit)}"
        words.append(Word(within(chart.threshold.number), limit, canvas.LIMIT_TEXT))
    return [Word(w.at, canvas.fitted(w.text, MOST_BESIDE, 15, w.bold), w.color, w.bold) for w in words]


def _write_beside(figure: Figure, axes: Axes, words: Sequence[Word], axis: Axis, x: float) -> None:
    low, high = HEIGHT * _figure_y(axes, 0.0), HEIGHT * _figure_y(axes, 1.0)
    wanted = sorted(words, key=lambda word: word.at)
    places = [low + (word.at - axis.low) / (axis.high - axis.low) * (high - low) for word in wanted]
    for word, y in zip(wanted, _apart(places, low, high), strict=True):
        write(figure, x, y, word.text, 15, color=word.color, bold=word.bold)


def _apart(places: Sequence[float], low: float, high: float) -> list[float]:
    """Each a text line above the one before, and all of them between low and high as far as they fit."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + ROW - 2) if found else place)
    for at in range(len(found) - 1, -1, -1):
        ceiling = high if at == len(found) - 1 else found[at + 1] - ROW + 2
        found[at] = min(found[at], ceiling)
    return found


def _figure_y(axes: Axes, share: float) -> float:
    box = axes.get_position()
    return float(box.y0 + share * box.height)


def _tick(at: float, long: bool) -> str:
    """The time; of a day that begins, its date, if there is more than one."""
    minutes = int(at) // 60 % 1440
    return date(datetime.fromtimestamp(at, UTC)) if long and not minutes else f"{minutes // 60:02d}:{minutes % 60:02d}"


def _days(chart: LineChart) -> str:
    first, last = date(chart.span.start), day(chart.span.end)
    return last if last.startswith(f"{first} ") else f"{first} to {last}"
