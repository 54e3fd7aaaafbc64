"""Alerts' own expressions get a small part of Prometheus' time, however many there are and whatever they cost."""

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
    """Takes `seconds` of the clock for each query, and remembers how many it had at once."""

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


def run(server: Server, story: Callable[[ExpressionQueries], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(ExpressionQueries(server, 3.0, lambda: server.now))

    asyncio.run(told())


def why(answer: tuple[Series, ...] | Failure) -> str:
    assert isinstance(answer, Failure) and not answer.silent
    return answer.why


def test_few_at_a_time_and_few_a_minute() -> None:
    server = Server()

    async def story(queries: ExpressionQueries) -> None:
        answers = await asyncio.gather(*(queries.run(query(f"x{n}")) for n in range(A_MINUTE + 5)))
        assert [()] * A_MINUTE == answers[:A_MINUTE]
        assert all("within a minute" in why(each) for each in answers[A_MINUTE:])
        server.now += 61
        assert () == await queries.run(query("later"))

    run(server, story)
    assert AT_ONCE == server.most


def test_what_costs_too_much_is_never_asked() -> None:
    server = Server()

    async def story(queries: ExpressionQueries) -> None:
        assert "looks back" in why(await queries.run(query("rate(x[1y])")))

    run(server, story)
    assert [] == server.asked


def test_what_took_too_long_is_not_asked_again_soon() -> None:
    server = Server(Failure("Prometheus does not answer within 3.0 s"), seconds=3.0)

    async def story(queries: ExpressionQueries) -> None:
        await queries.run(query("slow"))
        assert "too long" in why(await queries.run(query("slow")))
        await queries.run(query("other"))
        server.now += HOUR
        await queries.run(query("slow"))

    run(server, story)
    assert ["slow", "other", "slow"] == server.asked


def test_after_three_failures_it_rests_and_then_goes_on() -> None:
    server = Server(Failure("Prometheus does not answer"))

    async def story(queries: ExpressionQueries) -> None:
        for number in range(3):
            await queries.run(query(f"x{number}"))
        assert "3 in a row have failed" in why(await queries.run(query("y")))
        server.now, server.answer = server.now + 61, ()
        assert () == await queries.run(query("y"))

    run(server, story)


def test_a_refused_expression_is_no_failure_of_the_server() -> None:
    server = Server(Failure("Prometheus refuses the query", silent=False))

    async def story(queries: ExpressionQueries) -> None:
        for number in range(6):
            await queries.run(query(f"x{number}"))

    run(server, story)
    assert 6 == len(server.asked)
