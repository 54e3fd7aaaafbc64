"""From an incident to its pictures; a failure means no picture, never an error."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest

from bridge.charts import ChartMaker, DrawingLimits, DrawingProcess
from bridge.charts.chart_maker import Drawing, MetricSource
from bridge.core.charts.chart import Chart, DistributionChart, LineChart, Picture
from bridge.core.charts.expressions import Threshold
from bridge.core.context.enrichment import Answer, Failure, Query, Sample
from bridge.core.context.questions import DistributionQuestion
from bridge.core.context.series import RangeQuery, Series
from bridge.core.facts import ChangeEvent, Unit
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident, State
from bridge.core.routing.matchers import parse_matchers
from tests.builders import NOON, a_group, an_alert, at

T = TypeVar("T")
CONFIDENCE = DistributionQuestion(
    "Confidence", Unit.NUMBER, "bucket{ {{ labels }} }", "cdf", "upper", matchers=parse_matchers('cause="confidence"')
)


def fires(alert: Alert, expr: str = "job:errors:ratio_rate5m > 0.05 and n >= 20") -> Alert:
    return replace(alert, generator_url=f"http://p:9090/graph?{urlencode({'g0.expr': expr})}")


def incident(*alerts: Alert) -> Incident:
    change = receive(None, a_group(*alerts), at(90), Rules(), "uid")
    assert change is not None
    return change.incident


class Server:
    """Returns scripted answers and records the queries."""

    def __init__(self, ranges: tuple[Series, ...] | Failure = (), samples: Answer = ()) -> None:
        self.ranges, self.samples = ranges, samples
        self.asked: list[str] = []

    async def query(self, query: Query, timeout_seconds: float) -> Answer:
        self.asked.append(query.expr)
        return self.samples

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> tuple[Series, ...] | Failure:
        self.asked.append(query.expr)
        return self.ranges

    async def close(self) -> None: ...


class FakeDrawing:
    def __init__(self, png: bytes | None = b"PNG") -> None:
        self.png, self.charts = png, list[Chart]()

    async def draw(self, chart: Chart) -> bytes | None:
        self.charts.append(chart)
        await asyncio.sleep(0)
        return self.png

    async def close(self) -> None: ...


def make(
    server: MetricSource,
    drawing: Drawing,
    about: Incident,
    changes: Sequence[ChangeEvent] = (),
    *,
    distributions: Sequence[DistributionQuestion] = (),
    scope: Sequence[str] = (),
) -> tuple[Picture, ...]:
    maker = ChartMaker(server, drawing, lambda: at(120), distributions=distributions, scope=scope)
    return asyncio.run(maker.make(about, changes))


LINE = Series({"job": "api"}, ((NOON.timestamp(), 0.02), (NOON.timestamp() + 60, 0.08)))
OTHER = Series({"job": "else"}, ((NOON.timestamp(), 0.9),))


def test_the_alerts_own_expression_is_drawn_with_limit_start_and_changes() -> None:
    server, drawing = Server((OTHER, LINE)), FakeDrawing()
    deployed = ChangeEvent("deploy", "api", at(-600), "", version="v2")
    (picture,) = make(server, drawing, incident(fires(an_alert(job="api"))), [deployed])
    (chart,) = drawing.charts
    assert isinstance(chart, LineChart)
    assert server.asked == ["job:errors:ratio_rate5m"]
    assert (chart.threshold, chart.unit, chart.started) == (Threshold(">", 0.05), Unit.RATIO, NOON)
    assert [line.points for line in chart.lines] == [LINE.points]
    assert [mark.text for mark in chart.changes] == ["v2"]
    assert (picture.kind, picture.png, picture.at) == ("expression", b"PNG", at(120))
    assert picture.alt.startswith("Line chart of HighErrors")


def test_a_resolved_incident_is_drawn_whole_with_its_end_marked() -> None:
    drawing, alert = FakeDrawing(), fires(an_alert(job="api", ends=60))
    about = replace(incident(fires(an_alert(job="api"))), state=State.RESOLVED, resolved_at=at(90))
    make(Server((LINE,)), drawing, replace(about, alerts={alert.fingerprint: alert}))
    (chart,) = drawing.charts
    assert isinstance(chart, LineChart)
    assert (chart.started, chart.ended, chart.span.start, chart.span.end) == (NOON, at(60), at(-300), at(120))
    assert chart.step_seconds == 5


def test_the_most_severe_alert_is_drawn() -> None:
    server = Server((LINE,))
    info, critical = fires(an_alert("A", "info"), "a > 1"), fires(an_alert("B", "critical"), "b > 1")
    make(server, FakeDrawing(), incident(info, critical, an_alert("C", "critical")))
    assert server.asked == ["b"]


def test_a_distribution_is_drawn_for_the_alerts_that_it_concerns() -> None:
    samples = tuple(Sample({"le": str(bound), "upper": str(bound)}, bound, NOON) for bound in (0.5, 1.0))
    server, drawing = Server(samples=samples), FakeDrawing()
    make(server, drawing, incident(an_alert(job="api")), distributions=[CONFIDENCE], scope=["job"])
    assert drawing.charts == []
    make(server, drawing, incident(an_alert(job="api", cause="confidence")), distributions=[CONFIDENCE], scope=["job"])
    (chart,) = drawing.charts
    assert isinstance(chart, DistributionChart)
    assert server.asked == ['bucket{ job="api" }', "cdf"]
    assert [(each.share, each.baseline) for each in chart.bins] == [(0.5, 0.5), (0.5, 0.5)]


NAN = Series({}, ((NOON.timestamp(), math.nan),))


@pytest.mark.parametrize(
    ("server", "about"),
    [
        pytest.param(Server((LINE,)), incident(an_alert()), id="no link to an expression"),
        pytest.param(Server(()), incident(fires(an_alert())), id="no series"),
        pytest.param(Server((NAN,)), incident(fires(an_alert())), id="no numbers"),
        pytest.param(Server(Failure("timeout"), Failure("timeout")), incident(fires(an_alert())), id="no answer"),
        pytest.param(object(), incident(fires(an_alert())), id="a bug"),
    ],
)
def test_nothing_is_drawn_without_data(server: Any, about: Incident) -> None:
    drawing = FakeDrawing()
    everything = replace(CONFIDENCE, matchers=())
    assert make(server, drawing, about, distributions=[everything]) == ()
    assert drawing.charts == []


def test_a_picture_that_cannot_be_drawn_is_left_out() -> None:
    assert make(Server((LINE,)), FakeDrawing(None), incident(fires(an_alert()))) == ()


def test_a_flood_of_requests_gets_few_pictures() -> None:
    async def flood() -> list[int]:
        maker = ChartMaker(Server((LINE,)), FakeDrawing(), lambda: NOON, limits=DrawingLimits(waiting=2))
        made = await asyncio.gather(*(maker.make(incident(fires(an_alert()))) for _ in range(5)))
        return [*(len(each) for each in made), len(await maker.make(incident(fires(an_alert()))))]

    assert asyncio.run(flood()) == [1, 1, 0, 0, 0, 1]


def with_process(
    work: Callable[[DrawingProcess], Awaitable[T]], timeout_seconds: float = 300.0, idle_seconds: float = 60.0
) -> T:
    async def run() -> T:
        drawing = DrawingProcess(timeout_seconds=timeout_seconds, idle_seconds=idle_seconds)
        try:
            return await work(drawing)
        finally:
            await drawing.close()

    return asyncio.run(run())


def a_line_chart() -> LineChart:
    drawing = FakeDrawing()
    make(Server((LINE,)), drawing, incident(fires(an_alert(job="api"))))
    (chart,) = drawing.charts
    assert isinstance(chart, LineChart)
    return chart


def test_one_process_draws_several_pictures() -> None:
    async def twice(drawing: DrawingProcess) -> list[bytes | None]:
        return list(await asyncio.gather(drawing.draw(a_chart), drawing.draw(a_chart)))

    a_chart = a_line_chart()
    first, second = with_process(twice)
    assert first is not None
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_a_chart_that_cannot_be_drawn_leaves_the_process_alive() -> None:
    async def broken_then_valid(drawing: DrawingProcess) -> tuple[bytes | None, bytes | None, bool]:
        broken = await drawing.draw(replace(chart, title=None))  # type: ignore[arg-type]  # a bug
        before = drawing._process
        return broken, await drawing.draw(chart), drawing._process is before

    chart = a_line_chart()
    broken, valid, same = with_process(broken_then_valid)
    assert broken is None
    assert valid is not None
    assert same


def test_a_killed_drawing_process_is_started_again() -> None:
    async def twice(drawing: DrawingProcess) -> list[bytes | None]:
        first = await drawing.draw(chart)
        assert drawing._process is not None
        drawing._process.kill()
        await drawing._process.wait()
        return [first, await drawing.draw(chart)]

    chart = a_line_chart()
    first, second = with_process(twice)
    assert first is not None
    assert first == second


def test_a_drawing_process_is_killed_at_its_timeout() -> None:
    async def slow(drawing: DrawingProcess) -> tuple[bytes | None, object]:
        return await drawing.draw(chart), drawing._process

    chart = a_line_chart()
    assert with_process(slow, timeout_seconds=0.01) == (None, None)


def test_an_idle_drawing_process_is_ended() -> None:
    async def idle(drawing: DrawingProcess) -> int:
        assert await drawing.draw(chart) is not None
        process = drawing._process
        assert process is not None
        return await process.wait()

    chart = a_line_chart()
    assert with_process(idle, idle_seconds=0.05) < 0


def test_the_drawing_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async def environment(drawing: DrawingProcess) -> str:
        await drawing.draw(chart)
        assert drawing._process is not None
        with open(f"/proc/{drawing._process.pid}/environ") as file:
            return file.read()

    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    chart = a_line_chart()
    assert "xoxb-very-secret" not in with_process(environment)


def test_the_sending_process_never_imports_the_drawing_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, bridge.charts, bridge.clients.prometheus\n"
        "print('matplotlib' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_expression_that_costs_too_much_is_not_queried() -> None:
    server = Server((LINE,))
    assert make(server, FakeDrawing(), incident(fires(an_alert(), "max_over_time(x[365d:1s]) > 1"))) == ()
    assert make(server, FakeDrawing(), incident(fires(an_alert(), "count({__name__=~'.+'}) > 1"))) == ()
    assert server.asked == []
