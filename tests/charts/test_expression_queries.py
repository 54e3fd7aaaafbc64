"""Alerts' own expressions get a bounded part of Prometheus' time, whatever their number and cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from bridge.charts.expression_queries import A_MINUTE, AT_ONCE, ExpressionQueries
from bridge.core.context.enrichment import Failure
from bridge.core.context.series import RangeQuery, Series, Span
from tests.builders import NOON

SPAN = Span(NOON, NOON + timedelta(hours=3))
HOUR = 3600.0


class Server:
    """Each query takes `seconds` of the clock; records the queries and how many ran at once."""

    def __init__(self, answer: tuple[Series, ...] | Failure = (), seconds: float = 0.0) -> None:
        self.answer, self.seconds, self.now = answer, seconds, 0.0
        self.asked: list[str] = []
        self.here, self.most = 0, 0

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> tuple[Series, ...] | Failure:
        self.asked.append(query.expr)
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0)
        self.here -= 1
        self.now += self.seconds
        return self.answer


def query(expr: str) -> RangeQuery:
    return RangeQuery(expr, SPAN, timedelta(seconds=60))


def run(server: Server, scenario: Callable[[ExpressionQueries], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(ExpressionQueries(server, 3.0, lambda: server.now))

    asyncio.run(main())


def why(answer: tuple[Series, ...] | Failure) -> str:
    assert isinstance(answer, Failure) and not answer.silent
    return answer.why


def test_queries_are_limited_at_a_time_and_per_minute() -> None:
    server = Server()

    async def scenario(queries: ExpressionQueries) -> None:
        answers = await asyncio.gather(*(queries.run(query(f"x{n}")) for n in range(A_MINUTE + 5)))
        assert answers[:A_MINUTE] == [()] * A_MINUTE
        assert all("within a minute" in why(each) for each in answers[A_MINUTE:])
        server.now += 61
        assert await queries.run(query("later")) == ()

    run(server, scenario)
    assert server.most == AT_ONCE


def test_a_query_that_costs_too_much_is_never_sent() -> None:
    server = Server()

    async def scenario(queries: ExpressionQueries) -> None:
        assert "looks back" in why(await queries.run(query("rate(x[1y])")))

    run(server, scenario)
    assert server.asked == []


def test_a_query_that_took_too_long_is_not_repeated_soon() -> None:
    server = Server(Failure("Prometheus does not answer within 3.0 s"), seconds=3.0)

    async def scenario(queries: ExpressionQueries) -> None:
        await queries.run(query("slow"))
        assert "too long" in why(await queries.run(query("slow")))
        await queries.run(query("other"))
        server.now += HOUR
        await queries.run(query("slow"))

    run(server, scenario)
    assert server.asked == ["slow", "other", "slow"]


def test_queries_pause_after_three_failures_and_then_resume() -> None:
    server = Server(Failure("Prometheus does not answer"))

    async def scenario(queries: ExpressionQueries) -> None:
        for number in range(3):
            await queries.run(query(f"x{number}"))
        assert "3 in a row have failed" in why(await queries.run(query("y")))
        server.now, server.answer = server.now + 61, ()
        assert await queries.run(query("y")) == ()

    run(server, scenario)


def test_a_refused_expression_does_not_count_as_a_failure() -> None:
    server = Server(Failure("Prometheus refuses the query", silent=False))

    async def scenario(queries: ExpressionQueries) -> None:
        for number in range(6):
            await queries.run(query(f"x{number}"))

    run(server, scenario)
    assert len(server.asked) == 6
