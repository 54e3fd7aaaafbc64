"""Pictures of charts have the right size, are reproducible, and survive any text or number."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bridge.charts import canvas
from bridge.charts.drawing import draw
from bridge.charts.lines import draw_lines
from bridge.core.charts.chart import Chart, Line, LineChart, Mark
from bridge.core.charts.expressions import Threshold
from bridge.core.context.distributions import Bin
from bridge.core.context.series import Span
from bridge.core.facts import Unit
from tests.builders import NOON, at
from tests.charts.chart_builders import SPAN, a_chart, a_distribution, a_line

MOST = 60_000  # bytes
HOSTILE = "$\\frac{1}{0}$ \\input{/etc/passwd} \x00\x1b[31m\u202egnp.exe\n\ud800 中文 \U0001f525 {} %s" * 20


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image.convert("RGB")


def checked_image(png: bytes) -> Image.Image:
    image = opened(png)
    assert image.size == (1280, 480)
    assert len(png) < MOST
    assert image.getpixel((1, 1)) == (255, 255, 255)
    return image


def colours(image: Image.Image, hexadecimal: str) -> int:
    """How many pixels have about this colour."""
    wanted = tuple(bytes.fromhex(hexadecimal.removeprefix("#")))

    def alike(rgb: tuple[int, ...] | float) -> bool:
        assert isinstance(rgb, tuple)
        return max(abs(a - b) for a, b in zip(rgb, wanted, strict=True)) < 12

    found = image.getcolors(1280 * 480) or []
    return sum(count for count, rgb in found if alike(rgb))


def chunks(png: bytes) -> list[bytes]:
    found, offset = [], 8
    while offset < len(png):
        size, kind = struct.unpack_from(">I4s", png, offset)
        assert zlib.crc32(png[offset + 4 : offset + 8 + size]) == struct.unpack_from(">I", png, offset + 8 + size)[0]
        found.append(kind)
        offset += size + 12
    return found


def test_a_line_chart_shows_line_limit_start_and_deployment() -> None:
    image = checked_image(draw(a_chart()))
    for colour in (canvas.BLUE, canvas.VERMILLION, canvas.PURPLE, canvas.INK):
        assert colours(image, colour) > 200, colour


def texts(chart: LineChart) -> list[str]:
    return [each.get_text() for each in draw_lines(chart).texts]


def test_marks_and_axis_show_seconds_in_a_short_chart_and_days_in_a_long_one() -> None:
    short = texts(a_chart(span=Span(at(-300), at(70)), started=NOON, ended=at(10), changes=()))
    assert {"fired 12:00:00", "ended 12:00:10", "11:58"} <= set(short)
    days = Span(NOON - timedelta(days=1), NOON + timedelta(days=4))
    long = texts(a_chart(span=days, started=NOON, ended=NOON + timedelta(days=3), changes=()))
    assert {"fired 1 Mar 12:00", "ended 4 Mar 12:00", "2 Mar", "28 Feb to 5 Mar 2026, UTC"} <= set(long)
    assert len(set(long)) == len(long)


def test_a_start_that_is_not_shown_has_no_mark() -> None:
    assert not [text for text in texts(a_chart(started=SPAN.start - timedelta(days=40))) if "fired" in text]


def test_missing_samples_are_a_gap_and_not_zero() -> None:
    points = a_line().points
    chart = a_chart(Line("", (*points[:40], *points[90:])), threshold=None, changes=(), started=None)
    drawn: list[list[float]] = [
        np.asarray(line.get_xdata(), float).tolist() for line in draw_lines(chart).axes[0].lines
    ]
    missing = points[60][0]
    assert len([x for x in drawn if len(x) > 9]) == 2
    assert not [x for x in drawn if len(x) > 2 and min(x) < missing < max(x)]


def test_a_chart_without_limit_and_changes_has_no_marks() -> None:
    image = checked_image(draw(a_chart(threshold=None, changes=(), started=None)))
    assert [colours(image, colour) for colour in (canvas.VERMILLION, canvas.PURPLE)] == [0, 0]


def test_a_distribution_shows_bars_and_its_baseline() -> None:
    image = checked_image(draw(a_distribution()))
    assert colours(image, canvas.BAR) > 10_000
    assert colours(image, canvas.LIMIT_TEXT) > 500


def test_the_same_chart_gives_the_same_bytes_without_date_or_version() -> None:
    for chart in (a_chart(), a_distribution()):
        first, second = draw(chart), draw(chart)
        assert first == second
        assert set(chunks(first)) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def test_another_chart_gives_other_bytes() -> None:
    assert draw(a_chart()) != draw(a_chart(title="Other"))


def rising_from(start: int) -> Callable[[float], float]:
    return lambda share: start + share


def test_hostile_text_is_drawn_literally() -> None:
    lines = tuple(a_line(rising_from(n), HOSTILE + str(n)) for n in range(4))
    marks = tuple(Mark(at(-600 * n), HOSTILE + str(n)) for n in range(4))
    checked_image(draw(a_chart(*lines, title=HOSTILE, changes=marks)))
    checked_image(draw(a_distribution(title=HOSTILE, now_name=HOSTILE, baseline_name=HOSTILE)))


def test_mathematical_markup_is_shown_literally() -> None:
    texts = draw_lines(a_chart(title="$x^2$", changes=(Mark(at(-60), "$v_2$"),))).texts
    assert {"$x^2$", "$v_2$"} <= {text.get_text() for text in texts}
    assert not any(text.get_parse_math() for text in texts)


def test_letters_without_a_glyph_become_squares() -> None:
    assert canvas.printable("a\U0001f525b é") == "a□b é"
    assert canvas.printable("one\nline\x07\u202e") == "one line"


def test_text_is_cut_to_its_room() -> None:
    assert canvas.width_of(canvas.fitted("W" * 500, 100), 16) <= 100
    assert canvas.fitted("short", 100) == "short"


@pytest.mark.parametrize("letters", ["", "$", "a" * 5000, "\ud800", "‏עברית", "لا", "\n"])
def test_any_title_fits(letters: str) -> None:
    figure = draw_lines(a_chart(title=letters))
    canvas.png(figure)
    edge = figure.bbox.width
    assert all(text.get_window_extent().x1 <= edge for text in figure.texts)


START = SPAN.start.timestamp()
STRANGE = [
    pytest.param(a_chart(lines=()), id="no lines"),
    pytest.param(a_chart(lines=(), threshold=None), id="no lines and no limit"),
    pytest.param(a_chart(a_line(points=1)), id="one point"),
    pytest.param(a_chart(Line("", ((START, 0.1), (START + 5000, 0.3), (START + 5060, 0.4)))), id="gaps"),
    pytest.param(a_chart(a_line(lambda share: 0.0), threshold=None), id="zero"),
    pytest.param(a_chart(a_line(lambda share: 5.0), unit=Unit.COUNT, threshold=Threshold(">", 5)), id="flat"),
    pytest.param(a_chart(a_line(lambda share: 1.5e9 + share), unit=Unit.BYTES, threshold=None), id="nearly flat"),
    pytest.param(a_chart(a_line(lambda share: 1e308 * (share - 0.5)), threshold=None), id="beyond all numbers"),
    pytest.param(a_chart(a_line(lambda share: 5e-324 * share), threshold=None), id="next to nothing"),
    pytest.param(
        a_chart(a_line(lambda share: -3 * share), unit=Unit.NUMBER, threshold=Threshold("<", -2)), id="below 0"
    ),
    pytest.param(a_chart(a_line(lambda share: 9e4 * share), unit=Unit.SECONDS, threshold=None), id="hours"),
    pytest.param(a_chart(a_line(lambda share: 9e9 * share), unit=Unit.SECONDS, threshold=None), id="centuries"),
    pytest.param(a_chart(a_line(lambda share: math.sin(share * 9000), points=100_000)), id="a hundred thousand points"),
    pytest.param(a_chart(threshold=Threshold(">", 1e300)), id="limit out of sight"),
    pytest.param(a_chart(threshold=Threshold("==", 0)), id="equality"),
    pytest.param(a_chart(span=Span(NOON, NOON)), id="no time"),
    pytest.param(a_chart(span=Span(NOON - timedelta(days=400), NOON)), id="a year"),
    pytest.param(a_chart(started=NOON, ended=NOON), id="no longer than a moment"),
    pytest.param(a_chart(started=NOON, ended=NOON - timedelta(days=9)), id="ended before it began"),
    pytest.param(a_chart(hidden=123_456), id="many hidden"),
    pytest.param(a_chart(*(a_line(lambda share: 0.4, "same") for _ in range(4))), id="all the same"),
    pytest.param(a_chart(changes=tuple(Mark(at(-n), f"v{n}") for n in range(4))), id="changes in one place"),
    pytest.param(a_chart(changes=(Mark(SPAN.start, "first"), Mark(SPAN.end, "last"))), id="changes at the edges"),
    pytest.param(a_distribution(bins=()), id="no bins"),
    pytest.param(a_distribution(bins=(Bin(-math.inf, math.inf, 1.0, None),)), id="one bin of everything"),
    pytest.param(a_distribution(bins=(Bin(0, 1e300, 1.0, 1.0),)), id="a huge bin"),
    pytest.param(a_distribution(200), id="many bins"),
]


@pytest.mark.parametrize("chart", STRANGE)
def test_unusual_series_are_drawn(chart: Chart) -> None:
    checked_image(draw(chart))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(NUMBERS, min_size=1, max_size=20),
    unit=st.sampled_from(Unit),
    limit=NUMBERS,
    title=st.text(max_size=30),
    name=st.text(max_size=30),
)
def test_any_numbers_and_texts_are_drawn(values: list[float], unit: Unit, limit: float, title: str, name: str) -> None:
    points = tuple((START + 60 * n, value) for n, value in enumerate(values))
    chart = a_chart(Line(name, points), Line("b", points), unit=unit, title=title, threshold=Threshold(">", limit))
    checked_image(draw(chart))
