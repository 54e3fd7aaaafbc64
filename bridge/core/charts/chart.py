"""A chart as data: lines, threshold, marks, bins, and its alternative text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.core.charts.expressions import Threshold
from bridge.core.charts.series import names_of
from bridge.core.context.distributions import Bin, largest_difference
from bridge.core.context.series import Series, Span
from bridge.core.facts import ChangeEvent, Unit
from bridge.core.numbers import shown

MAX_LINES = 4  # distinguishable by colour and dash, on a phone too
MAX_CHANGES = 4
MAX_TITLE = 80  # characters; rendering truncates further, at the chart's edge
MAX_NAME = 40
SHORT, DAY = 1200.0, 86400.0  # seconds shown: times with seconds up to SHORT, with the date above DAY
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST = 8e13  # seconds; about the largest timedelta


@dataclass(frozen=True, slots=True)
class Line:
    name: str  #: empty for a single one
    points: tuple[tuple[float, float], ...]  #: Unix seconds and value, finite


@dataclass(frozen=True, slots=True)
class Mark:
    """An event: a labelled vertical line."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """An expression's values before and during an incident."""

    title: str
    unit: Unit
    span: Span
    step_seconds: float
    lines: tuple[Line, ...]
    hidden: int = 0  #: how many lines are left out
    threshold: Threshold | None = None
    started: datetime | None = None
    changes: tuple[Mark, ...] = ()
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class DistributionChart:
    """The distribution of values now, and its baseline."""

    title: str
    unit: Unit
    bins: tuple[Bin, ...]
    now_name: str = "now"
    baseline_name: str = "training"


Chart = LineChart | DistributionChart


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered chart. kind: `expression` or `distribution`."""

    kind: str
    title: str
    alt: str  #: the alternative text
    png: bytes
    at: datetime  #: when its values were measured


def chosen_lines(series: Sequence[Series], threshold: Threshold | None) -> tuple[tuple[Line, ...], int]:
    """The worst four by their last value, and how many are left out. The threshold says which side is worse."""
    named = zip(names_of(series), series, strict=True)
    lines = [Line(name[:MAX_NAME], each.finite) for name, each in named if each.finite]
    below = threshold is not None and threshold.operator in ("<", "<=", "==")
    ordered = sorted(lines, key=lambda line: (line.points[-1][1] * (1 if below else -1), line.name))
    return tuple(ordered[:MAX_LINES]), max(0, len(ordered) - MAX_LINES)


def marks_of(changes: Iterable[ChangeEvent], span: Span) -> tuple[Mark, ...]:
    """The newest four within the span, the oldest first, by version or else by kind."""
    inside = sorted((each for each in changes if span.start <= each.at <= span.end), key=lambda each: each.at)
    return tuple(Mark(each.at, (each.version or each.kind)[:MAX_NAME]) for each in inside[-MAX_CHANGES:])


def in_words(chart: Chart) -> str:
    """The alternative text."""
    return _line_words(chart) if isinstance(chart, LineChart) else _distribution_words(chart)


def _line_words(chart: LineChart) -> str:
    time = f"{clock(chart.span.start)} to {clock(chart.span.end)} UTC on {day(chart.span.end)}"
    if chart.span.seconds > DAY:
        time = (
            f"{moment(chart.span.start, chart.span)} to {moment(chart.span.end, chart.span)} UTC {chart.span.end.year}"
        )
    parts = [f"Line chart of {chart.title}, {time}"]
    parts += [_course(line, chart) for line in chart.lines] or ["no data"]
    parts += [f"{chart.hidden} more lines are not shown"] if chart.hidden else []
    if chart.threshold:
        parts.append(f"alerts {limit_words(chart.threshold, chart.unit)}")
    parts += [f"fired at {moment(chart.started, chart.span)}"] if chart.started else []
    parts += [f"ended at {moment(chart.ended, chart.span)}"] if chart.ended else []
    parts += [f"{mark.text} at {moment(mark.at, chart.span)}" for mark in chart.changes]
    return f"{'; '.join(parts)}."


def _course(line: Line, chart: LineChart) -> str:
    values = [value for _, value in line.points]
    below = chart.threshold is not None and chart.threshold.operator in ("<", "<=", "==")
    at, extreme = (min if below else max)(line.points, key=lambda point: point[1])
    when = moment(datetime.fromtimestamp(at, UTC), chart.span)
    first, last = value_text(values[0], chart.unit), value_text(values[-1], chart.unit)
    word = "lowest" if below else "highest"
    name = f"{line.name} " if line.name else ""
    return f"{name}{first} at first, {word} {value_text(extreme, chart.unit)} at {when}, {last} at the end"


def _distribution_words(chart: DistributionChart) -> str:
    if not chart.bins:
        return f"Bar chart of {chart.title}; no data."
    largest = max(chart.bins, key=lambda each: each.share)
    text = f"{value_text(largest.share, Unit.RATIO)} {chart.now_name} are {bin_words(largest, chart.unit)}"
    if largest.baseline is None:
        return f"Bar chart of {chart.title}; {text}, the most."
    distance = value_text(largest_difference(chart.bins), Unit.NUMBER)
    compared = f"{text}, the most, against {value_text(largest.baseline, Unit.RATIO)} in {chart.baseline_name}"
    return f"Bar chart of {chart.title}; {compared}; largest difference of the cumulative shares {distance}."


def bin_words(each: Bin, unit: Unit) -> str:
    if each.above == float("-inf"):
        return f"up to {value_text(each.up_to, unit)}"
    if each.up_to == float("inf"):
        return f"above {value_text(each.above, unit)}"
    return f"from {value_text(each.above, unit)} to {value_text(each.up_to, unit)}"


def limit_words(threshold: Threshold, unit: Unit) -> str:
    """`above 5 %`, `below 0.65`, `at 0`: when it fires."""
    words = {">": "above", ">=": "from", "<": "below", "<=": "up to", "==": "at", "!=": "not at"}
    return f"{words[threshold.operator]} {value_text(threshold.number, unit)}"


def value_text(value: float, unit: Unit) -> str:
    """As `shown`, and also for negative times and times beyond what timedelta represents."""
    if unit is not Unit.SECONDS:
        return shown(value, unit)
    text = shown(min(abs(value), LONGEST), unit)
    return f"-{text}" if value < 0 and not text.startswith("0 ") else text


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M}"


def moment(at: datetime, span: Span) -> str:
    """As precise as the span needs: `03:12:05`, `03:12`, `23 Nov 03:12`."""
    if span.seconds > DAY:
        return f"{date(at)} {clock(at)}"
    return f"{at.astimezone(UTC):%H:%M:%S}" if span.seconds <= SHORT else clock(at)


def date(at: datetime) -> str:
    """`23 Nov`, whatever the locale."""
    in_utc = at.astimezone(UTC)
    return f"{in_utc.day} {_MONTHS[in_utc.month - 1]}"


def day(at: datetime) -> str:
    """`23 Nov 2026`."""
    return f"{date(at)} {at.astimezone(UTC).year}"
