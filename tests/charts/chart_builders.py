"""Charts that are valid by default; name only what matters to the test."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bridge.core.charts.chart import DistributionChart, Line, LineChart, Mark
from bridge.core.charts.expressions import Threshold
from bridge.core.context.distributions import Bin
from bridge.core.context.series import Span
from bridge.core.facts import Unit
from tests.builders import NOON, at

SPAN = Span(NOON - timedelta(hours=2), at(600))


def a_line(
    value: Callable[[float], float] = lambda share: 0.1 + 0.4 * share, name: str = "", points: int = 130
) -> Line:
    """`value` gets the share of the time span that has passed, from 0 to 1."""
    start, step = SPAN.start.timestamp(), SPAN.seconds / max(1, points - 1)
    return Line(name, tuple((start + n * step, value(n / max(1, points - 1))) for n in range(points)))


def a_chart(*lines: Line, **more: Any) -> LineChart:
    fields: dict[str, Any] = {
        "title": "MLToxicRateHigh",
        "unit": Unit.RATIO,
        "span": SPAN,
        "step_seconds": 60.0,
        "lines": lines or (a_line(),),
        "threshold": Threshold(">", 0.4),
        "started": NOON,
        "changes": (Mark(at(-1800), "v2.1.0"),),
    }
    return LineChart(**{**fields, **more})


def a_distribution(count: int = 12, **more: Any) -> DistributionChart:
    shares = [1 / count] * count
    bins = tuple(
        Bin(-math.inf if not n else n / count, (n + 1) / count, share, share) for n, share in enumerate(shares)
    )
    return DistributionChart(**{"title": "Confidence", "unit": Unit.NUMBER, "bins": bins, **more})
