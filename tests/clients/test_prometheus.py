"""The client against servers that answer, refuse, hang, drip and lie. It returns; it never raises."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from bridge.clients.prometheus import MAX_POINTS, Prometheus, Server
from bridge.core.context.enrichment import Answer, Failure, Query, Sample
from bridge.core.context.series import RangeQuery, Series, Span
from bridge.outbound.http import MAX_ANSWER

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PATIENT = 60.0  #: seconds; where an answer comes, however busy the machine is
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REFUSAL = {"status": "error", "error": "parse error: x\n"}
UP = Query("up")
HOUR = RangeQuery("up", Span(NOW - timedelta(hours=1), NOW), timedelta(seconds=30))
VECTOR = {"resultType": "vector", "result": [{"metric": {"pod": "a"}, "value": [NOW.timestamp(), "0.25"]}]}


def asking(handler: Handler, query: Query | RangeQuery = UP, seconds: float = PATIENT, **server: Any) -> Any:
    """What the client makes of a server that handles every query so."""

    async def ask() -> Any:
        application = web.Application(client_max_size=10**6)
        endpoint = "query_range" if isinstance(query, RangeQuery) else "query"
        application.router.add_post(f"/prom/api/v1/{endpoint}", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        prometheus = Prometheus(Server(f"http://127.0.0.1:{port}/prom/", **server), lambda: NOW)
        try:
            if isinstance(query, RangeQuery):
                return await prometheus.query_range(query, seconds)
            return await prometheus.query(query, seconds)
        finally:
            await prometheus.close()
            await runner.cleanup()

    return asyncio.run(ask())


def says(status: int = 200, body: Any = None, text: str | None = None) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text) if text is not None else web.json_response(body, status=status)

    return handle


def test_a_vector_is_read() -> None:
    assert (Sample({"pod": "a"}, 0.25, NOW),) == asking(says(body={"status": "success", "data": VECTOR}))


def test_a_scalar_is_a_vector_of_one() -> None:
    data = {"resultType": "scalar", "result": [NOW.timestamp(), "3"]}
    assert (Sample({}, 3.0, NOW),) == asking(says(body={"status": "success", "data": data}))


def test_what_is_asked_is_told_with_its_time_and_the_servers_own_headers() -> None:
    seen: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.update(await request.post())
        seen.update({name: request.headers.get(name) for name in ("Authorization", "X-Scope-OrgID")})
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}})

    query = Query("sum(up)", timedelta(hours=1))
    assert asking(handle, query, headers={"X-Scope-OrgID": "ml"}, token=lambda: "t0k") == ()
    expected = {"query": "sum(up)", "time": f"{NOW.timestamp() - 3600:.3f}", "timeout": "60.000"}
    assert {**expected, "Authorization": "Bearer t0k", "X-Scope-OrgID": "ml"} == seen


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(100):
        await answer.write(b" ")
        await asyncio.sleep(0.05)
    return answer


async def flood(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b" " * (MAX_ANSWER + 2))


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def strange(value: Any) -> Handler:
    return says(body={"status": "success", "data": {"resultType": "vector", "result": value}})


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        pytest.param(hang, "does not answer within 0.5 s", id="hang"),
        pytest.param(drip, "does not answer within 0.5 s", id="drip"),
        pytest.param(flood, "answered with more than 4 MiB", id="flood"),
        pytest.param(reset, "does not answer (ServerDisconnectedError)", id="reset"),
        pytest.param(says(503, text="busy"), "(HTTP 503, no JSON)", id="503"),
        pytest.param(says(text="<html>"), "(HTTP 200, no JSON)", id="html"),
        pytest.param(says(302, text=""), "(HTTP 302, no JSON)", id="redirect"),
        pytest.param(
            says(400, body={"status": "error", "error": "parse error: x\n"}), "refuses the query: parse", id="400"
        ),
        pytest.param(says(401, body={"status": "error", "error": "who"}), "does not answer (HTTP 401)", id="401"),
        pytest.param(says(body=[]), "does not answer (HTTP 200)", id="list"),
        pytest.param(says(body={"status": "success"}), "(no vector)", id="no data"),
        pytest.param(strange({}), "(no vector)", id="result is a mapping"),
        pytest.param(strange([{"metric": {}, "value": [1, "many"]}]), "(no vector)", id="value is a word"),
        pytest.param(strange([{"metric": [], "value": [1, "1"]}]), "(no vector)", id="metric is a list"),
        pytest.param(strange([{"metric": {}, "value": [1e300, "1"]}]), "(no vector)", id="time is huge"),
        pytest.param(strange([{"metric": {}}] * 20_000), "more than 10,000 samples", id="too many"),
    ],
)
def test_what_is_no_answer_is_a_failure_that_says_so(handler: Handler, why: str) -> None:
    answer = asking(handler, UP, 0.5 if "within" in why else PATIENT)
    assert isinstance(answer, Failure)
    assert why in answer.why


def test_nobody_there_and_no_token_are_failures_too() -> None:
    def missing() -> str:
        raise FileNotFoundError("/run/secrets/token")

    async def ask(server: Server) -> Answer:
        prometheus = Prometheus(server, lambda: NOW)
        try:
            return await prometheus.query(Query("up"), PATIENT)
        finally:
            await prometheus.close()

    nobody = asyncio.run(ask(Server("http://127.0.0.1:9")))
    assert Failure("Prometheus does not answer (ClientConnectorError)") == nobody
    assert Failure("Mimir does not answer (FileNotFoundError)") == asyncio.run(
        ask(Server("http://127.0.0.1:9", token=missing, name="Mimir"))
    )


def lines(result: Any) -> Handler:
    return says(body={"status": "success", "data": {"resultType": "matrix", "result": result}})


def test_a_matrix_is_read_with_its_gaps() -> None:
    values = [[NOW.timestamp(), "0.25"], [NOW.timestamp() + 30, "NaN"], [NOW.timestamp() + 60.5, "+Inf"]]
    (series,) = asking(lines([{"metric": {"pod": "a"}, "values": values}]), HOUR)
    assert series.labels == {"pod": "a"}
    assert ((NOW.timestamp(), 0.25),) == series.finite
    assert [NOW.timestamp(), NOW.timestamp() + 30, NOW.timestamp() + 60.5] == [at for at, _ in series.points]
    assert math.isnan(series.points[1][1]) and math.inf == series.points[2][1]


def test_a_native_histogram_is_no_line() -> None:
    plain = {"metric": {}, "values": [[1, "2"]]}
    histogram = {"metric": {}, "histograms": [[1, {"count": "1", "sum": "1", "buckets": []}]]}
    assert (Series({}, ((1.0, 2.0),)),) == asking(lines([histogram, plain]), HOUR)


def test_a_range_is_asked_with_its_ends_and_step() -> None:
    seen: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.update(await request.post())
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": []}})

    assert asking(handle, HOUR) == ()
    end = NOW.timestamp()
    times = {"start": f"{end - 3600:.3f}", "end": f"{end:.3f}", "step": "30.000", "timeout": "60.000"}
    assert {"query": "up", **times} == seen


TOO_MANY = [[at, "1"] for at in range(MAX_POINTS // 10)]


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        pytest.param(hang, "does not answer within 0.5 s", id="hang"),
        pytest.param(flood, "answered with more than 4 MiB", id="flood"),
        pytest.param(reset, "does not answer (ServerDisconnectedError)", id="reset"),
        pytest.param(says(400, body=REFUSAL), "refuses the query: parse error: x", id="400"),
        pytest.param(says(body={"status": "success", "data": VECTOR}), "(no matrix)", id="vector"),
        pytest.param(lines({}), "(no matrix)", id="result is a mapping"),
        pytest.param(lines([3]), "(no matrix)", id="series is a number"),
        pytest.param(lines([{"metric": {}}]), "(no matrix)", id="without values"),
        pytest.param(lines([{"metric": {}, "values": [[1, "many"]]}]), "(no matrix)", id="value is a word"),
        pytest.param(lines([{"metric": {}, "values": [[1]]}]), "(no matrix)", id="half a point"),
        pytest.param(lines([{"metric": {}, "values": [[1e300, "1"]]}]), "(no matrix)", id="time is huge"),
        pytest.param(lines([{"metric": {}, "values": [["NaN", "1"]]}]), "(no matrix)", id="time is no number"),
        pytest.param(
            lines([{"metric": {}, "values": TOO_MANY}] * 10),
            "more than 100,000 points: aggregate it",
            id="too many points",
        ),
        pytest.param(
            lines([{"metric": {}, "values": []}] * (MAX_POINTS + 1)), "more than 100,000", id="too many series"
        ),
    ],
)
def test_what_is_no_range_is_a_failure_that_says_so(handler: Handler, why: str) -> None:
    answer = asking(handler, HOUR, 0.5 if "within" in why else PATIENT)
    assert isinstance(answer, Failure)
    assert why in answer.why


def test_an_answer_that_is_too_large_is_no_silence_for_which_the_server_is_left_alone() -> None:
    answer = asking(lines([{"metric": {}, "values": TOO_MANY}] * 10), HOUR)
    assert isinstance(answer, Failure)
    assert not answer.silent
