"""The benchmark of context runs, and loses nothing while Prometheus hangs."""

from __future__ import annotations

import math

from dev.bench.context import measured


def test_pages_arrive_while_prometheus_hangs() -> None:
    figures = measured("hangs", 1, 8)
    assert figures["lost"] == 0.0
    assert math.isfinite(figures["page p99 ms"])
