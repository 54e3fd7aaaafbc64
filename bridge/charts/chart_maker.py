"""An incident's pictures: queries the values, and has them drawn.

Invariant: make() never raises, asks within limits, and under a flood makes none rather than many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.charts.expression_queries import ExpressionQueries
from bridge.core.charts.chart import Chart, DistributionChart, LineChart, Picture, chosen_lines, in_words, marks_of
from bridge.core.charts.expressions import drawn_of, expression_in
from bridge.core.charts.series import belonging, ended, range_query, span_around, started
from bridge.core.charts.units import unit_of
from bridge.core.context.distributions import bins_of
from bridge.core.context.enrichment import Answer, Failure, Query
from bridge.core.context.questions import DistributionQuestion, common_labels, expression
from bridge.core.context.series import RangeQuery, Series
from bridge.core.facts import ChangeEvent
from bridge.core.model import Alert, Incident
from bridge.observability import logs

log = logs.get("pictures")


class MetricSource(Protocol):
    """bridge.clients.prometheus.Prometheus is one."""

    async def query(self, query: Query, timeout_seconds: float) -> Answer: ...

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> tuple[Series, ...] | Failure: ...

    async def close(self) -> None: ...


class Drawing(Protocol):
    """bridge.charts.drawing_process.DrawingProcess is one."""

    async def draw(self, chart: Chart) -> bytes | None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DrawingLimits:
    per_query_seconds: float = 3.0
    waiting: int = 8  #: incidents whose pictures are being made; further ones get none


class ChartMaker:
    """Make it anywhere, use and close it inside one running loop."""

    def __init__(
        self,
        source: MetricSource,
        drawing: Drawing,
        clock: Callable[[], datetime],
        *,
        distributions: Sequence[DistributionQuestion] = (),
        scope: Sequence[str] = (),
        limits: DrawingLimits | None = None,
    ) -> None:
        """scope: the labels, in order, that `{{ labels }}` narrows a distribution to."""
        self._source, self._drawing, self._clock = source, drawing, clock
        self._distributions, self._scope = distributions, scope
        self._limits, self._waiting = limits or DrawingLimits(), 0
        self._expressions = ExpressionQueries(source, self._limits.per_query_seconds)

    async def make(self, incident: Incident, changes: Sequence[ChangeEvent] = ()) -> tuple[Picture, ...]:
        """The expression first, then the distributions that concern the incident; what cannot be had is left out."""
        if self._waiting >= self._limits.waiting:
            log.info("no_pictures", incident=incident.number, why=f"{self._waiting} incidents wait for theirs")
            return ()
        self._waiting += 1
        try:
            charts = await self._charts(incident, changes)
            made = [await self._picture(chart) for chart in charts]
            return tuple(picture for picture in made if picture is not None)
        except Exception:  # whatever is wrong with a picture, nothing else is
            log.exception("pictures_bug", incident=incident.number)
            return ()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        await self._drawing.close()
        await self._source.close()

    async def _picture(self, chart: Chart) -> Picture | None:
        png = await self._drawing.draw(chart)
        if png is None:
            return None
        kind = "expression" if isinstance(chart, LineChart) else "distribution"
        return Picture(kind, chart.title, in_words(chart), png, self._clock())

    async def _charts(self, incident: Incident, changes: Sequence[ChangeEvent]) -> list[Chart]:
        asked = [self._expression(incident, changes), *(self._spread(each, incident) for each in self._distributions)]
        return [chart for chart in await asyncio.gather(*asked) if chart is not None]

    async def _expression(self, incident: Incident, changes: Sequence[ChangeEvent]) -> Chart | None:
        alert = drawable_alert(incident)
        expr = expression_in(alert.generator_url) if alert else None
        if alert is None or expr is None:
            return None
        drawn = drawn_of(expr)
        query = range_query(drawn.expr, span_around(incident, self._clock()))
        answer = await self._expressions.run(query)
        if isinstance(answer, Failure):
            log.info("no_picture", incident=incident.number, why=answer.why)
            return None
        mine = belonging(answer, [each.labels for each in _alike(alert, incident)])
        lines, hidden = chosen_lines(mine, drawn.threshold)
        if not lines:
            return None
        marks, unit, step = marks_of(changes, query.span), unit_of(drawn.expr), query.step.total_seconds()
        return LineChart(
            alert.name, unit, query.span, step, lines, hidden, drawn.threshold, started(incident), marks,
            ended(incident),
        )  # fmt: skip

    async def _spread(self, question: DistributionQuestion, incident: Incident) -> Chart | None:
        alerts = incident.firing or tuple(incident.alerts.values())
        if not question.concerns([alert.labels for alert in alerts]):
            return None
        labels = common_labels([alert.labels for alert in alerts])
        answers = await asyncio.gather(
            *(self._samples(expression(expr, labels, self._scope)) for expr in (question.now, question.baseline))
        )
        now, baseline = ([] if isinstance(answer, Failure) else answer for answer in answers)
        bins = bins_of(now, baseline, question.baseline_bound)
        if not bins:
            return None
        return DistributionChart(question.title, question.unit, bins, question.now_name, question.baseline_name)

    async def _samples(self, expr: str | None) -> Answer:
        if expr is None:
            return Failure("the alerts lack a label that the query needs", silent=False)
        return await self._source.query(Query(expr), self._limits.per_query_seconds)


def drawable_alert(incident: Incident) -> Alert | None:
    """The alert whose expression is drawn: the most severe and earliest of those that have one."""
    alerts = incident.firing or tuple(incident.alerts.values())
    drawable = [alert for alert in alerts if expression_in(alert.generator_url)]
    return min(drawable, key=_urgency, default=None)


def _alike(alert: Alert, incident: Incident) -> list[Alert]:
    """The alerts of the same rule."""
    return [each for each in incident.alerts.values() if each.generator_url == alert.generator_url]


def _urgency(alert: Alert) -> tuple[int, datetime, str]:
    return alert.severity.rank, alert.starts_at, alert.fingerprint
