"""Runs alerts' own expressions. The senders of alerts choose them, so they get a small part of Prometheus' time.

Invariant: run() never raises for what a server does; what it does not run is a Failure that says why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from bridge.core.charts.expression_limits import too_much
from bridge.core.context.enrichment import Failure
from bridge.core.context.series import RangeQuery, Series

AT_ONCE, A_MINUTE = 2, 30
FAILURES, REST = 3, 60.0  #: after so many in a row none is run for so many seconds
SLOW_FOR = 600.0  #: seconds in which one that took too long is not run again
SLOW_KEPT = 500


class RangeSource(Protocol):
    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> tuple[Series, ...] | Failure: ...


class ExpressionQueries:
    """Make and use it inside the running loop."""

    def __init__(self, source: RangeSource, timeout_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._source, self._timeout, self._now = source, timeout_seconds, now
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._begun: deque[float] = deque(maxlen=A_MINUTE)
        self._failed, self._rest_until = 0, 0.0
        self._slow: dict[str, float] = {}

    async def run(self, query: RangeQuery) -> tuple[Series, ...] | Failure:
        async with self._slots:
            why = too_much(query.expr) or self._not_now(query.expr)
            if why is not None:
                return Failure(f"the alert's expression is not run: {why}", silent=False)
            began = self._now()
            self._begun.append(began)
            answer = await self._source.query_range(query, self._timeout)
            self._remember(query.expr, answer, self._now() - began)
            return answer

    def _not_now(self, expr: str) -> str | None:
        now = self._now()
        if now < self._rest_until:
            return f"{FAILURES} in a row have failed"
        if now < self._slow.get(expr, 0.0):
            return "it has taken too long a few minutes ago"
        if len(self._begun) == A_MINUTE and now - self._begun[0] < 60:
            return f"{A_MINUTE} have been run within a minute"
        return None

    def _remember(self, expr: str, answer: tuple[Series, ...] | Failure, took: float) -> None:
        silent = isinstance(answer, Failure) and answer.silent
        self._failed = self._failed + 1 if silent else 0
        if self._failed >= FAILURES:
            self._failed, self._rest_until = 0, self._now() + REST
        if silent and took >= 0.9 * self._timeout:
            while len(self._slow) >= SLOW_KEPT:
                del self._slow[next(iter(self._slow))]
            self._slow[expr] = self._now() + SLOW_FOR
