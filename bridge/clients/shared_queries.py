"""Queries within a budget: in parallel, shared by all that ask the same, and none to a server that fails.

Invariant: ask() returns within the budget whatever the server does, and never raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bridge.core.context.enrichment import Answer, Failure, HistoryAnswer, Query, Sample
from bridge.core.context.series import RangeQuery, Series

Observe = Callable[[str, float], None]
Q = TypeVar("Q", Query, RangeQuery)
A = TypeVar("A", tuple[Sample, ...], tuple[Series, ...])


class Source(Protocol):
    @property
    def name(self) -> str: ...

    async def query(self, query: Query, timeout_seconds: float) -> Answer: ...

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> HistoryAnswer: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Seconds, but for the counts."""

    budget: float = 1.5  #: for the whole context of one message
    per_query: float = 1.0
    shared: float = 5.0  #: one answer serves all equal queries within this time
    parallel: int = 8
    failures: int = 3  #: after so many in a row the server is left alone ...
    pause: float = 20.0  #: ... for this long
    window: float = 7200.0  #: how long before an incident its cause is looked for
    step: float = 60.0  #: between two points of a history


@dataclass(frozen=True, slots=True)
class Answers:
    once: dict[Query, Answer]
    over_time: dict[RangeQuery, HistoryAnswer]


class SharedQueries:
    """Use it inside one running loop."""

    def __init__(self, source: Source, limits: QueryLimits, observe: Observe) -> None:
        self._source, self._limits, self._observe = source, limits, observe
        self._once: dict[Query, tuple[float, asyncio.Task[Answer]]] = {}
        self._over_time: dict[RangeQuery, tuple[float, asyncio.Task[HistoryAnswer]]] = {}
        self._slots = asyncio.Semaphore(limits.parallel)
        self._failed, self._rest_until = 0, 0.0

    async def ask(self, queries: Iterable[Query], ranges: Iterable[RangeQuery], shared: float) -> Answers:
        """A query that is late goes on: the next message may have its answer. shared: seconds that one is valid."""
        self._forget()
        once = {query: self._task(query, shared, self._once, self._source.query) for query in queries}
        over_time = {query: self._task(query, shared, self._over_time, self._source.query_range) for query in ranges}
        tasks: list[asyncio.Task[Any]] = [*once.values(), *over_time.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.budget)
        asyncio.get_running_loop().call_later(self._limits.shared, self._forget)
        late = Failure(f"{self._source.name} does not answer within {self._limits.budget:.1f} s")
        return Answers(_done(once, late), _done(over_time, late))

    @property
    def kept(self) -> int:
        """How many answers are in memory, or under way."""
        return len(self._once) + len(self._over_time)

    async def close(self) -> None:
        tasks: list[asyncio.Task[Any]] = [task for _, task in self._once.values()]
        tasks += [task for _, task in self._over_time.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    def _task(
        self,
        query: Q,
        shared: float,
        known: dict[Q, tuple[float, asyncio.Task[A | Failure]]],
        ask: Callable[[Q, float], Awaitable[A | Failure]],
    ) -> asyncio.Task[A | Failure]:
        now = time.monotonic()
        at, task = known.get(query, (0.0, None))
        if task is None or (task.done() and now - at > shared):
            task = asyncio.create_task(self._ask(lambda: ask(query, self._limits.per_query)))
            known[query] = (now, task)
        return task

    def _forget(self) -> None:
        """Answers that are valid no more: those over time of many pods have megabytes."""
        _drop_old(self._once, self._limits.shared)
        _drop_old(self._over_time, self._limits.shared)

    async def _ask(self, ask: Callable[[], Awaitable[A | Failure]]) -> A | Failure:
        async with self._slots:
            rest = self._rest_until - time.monotonic()
            if rest > 0:
                self._observe("paused", 0.0)
                return Failure(f"{self._source.name} has not answered lately; it is asked again in {rest:.0f} s")
            return await self._observed(ask())

    async def _observed(self, work: Awaitable[A | Failure]) -> A | Failure:
        began = time.monotonic()
        answer = await work
        silent = isinstance(answer, Failure) and answer.silent
        self._failed = self._failed + 1 if silent else 0
        if self._failed >= self._limits.failures:
            self._rest_until = time.monotonic() + self._limits.pause
            self._failed = self._limits.failures - 1  # one probe after the pause, not three
        outcome = "ok" if not isinstance(answer, Failure) else "failed" if silent else "refused"
        self._observe(outcome, time.monotonic() - began)
        return answer


def _done(tasks: dict[Q, asyncio.Task[A | Failure]], late: Failure) -> dict[Q, A | Failure]:
    return {query: task.result() if task.done() and not task.cancelled() else late for query, task in tasks.items()}


def _drop_old(known: dict[Q, tuple[float, asyncio.Task[A | Failure]]], shared: float) -> None:
    now = time.monotonic()
    for query in [query for query, (at, task) in known.items() if task.done() and now - at >= shared]:
        del known[query]
