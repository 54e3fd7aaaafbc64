"""The client against servers that answer, refuse, hang, drip and lie. It returns; it never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web

from bridge.clients.alertmanager import MAX_ANSWER, AlertmanagerApi, Server
from bridge.core.reconciliation import AlertmanagerAnswer, AlertmanagerState, Silence, StateQuery, Unavailable

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DATE = "Mon, 23 Nov 2026 12:00:00 GMT"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SILENT_ID = "c89e6f7f-526b-4e96-91b1-38003613abf0"
ALERT: dict[str, Any] = {
    "annotations": {"summary": "it is wrong"},
    "endsAt": "2026-11-23T15:23:52.400Z",
    "fingerprint": "85a90dc40c14e2e7",
    "receivers": [{"name": "bridge"}],
    "startsAt": "2026-11-23T11:22:52.400Z",
    "status": {"inhibitedBy": [], "silencedBy": [SILENT_ID], "state": "suppressed"},
    "updatedAt": "2026-11-23T11:23:52.401Z",
    "labels": {"alertname": "B", "severity": "critical"},
}
SILENCE = {"id": SILENT_ID, "status": {"state": "active"}, "createdBy": "alice", "endsAt": "2026-11-23T14:00:00Z"}
STATUS: dict[str, Any] = {"cluster": {"peers": [], "status": "disabled"}, "uptime": "2026-11-23T11:00:00.5Z"}
GROUP = {"alerts": [ALERT], "labels": {"alertname": "B"}, "receiver": {"name": "bridge"}}
ANSWERS = {"alerts": [ALERT], "silences": [SILENCE], "alerts/groups": [GROUP], "status": STATUS}
QUERY = StateQuery(frozenset([ALERT["fingerprint"]]), frozenset(["bridge", "a.b"]))


def fetched(handler: Handler, query: StateQuery = QUERY, seconds: float = 60, **server: Any) -> AlertmanagerAnswer:
    """What the client makes of a server that handles every request so."""

    async def fetch() -> AlertmanagerAnswer:
        application = web.Application()
        application.router.add_get("/am/api/v2/{path:.*}", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        api = AlertmanagerApi(Server(f"http://127.0.0.1:{port}/am/", timeout_seconds=seconds, **server), lambda: NOW)
        try:
            return await api.fetch(query)
        finally:
            await api.close()
            await runner.cleanup()

    return asyncio.run(fetch())


def says(date: str = DATE, **changed: Any) -> Handler:
    """An Alertmanager, but for what is changed; `_` stands for / in a path."""
    answers = ANSWERS | {name.replace("_", "/"): body for name, body in changed.items()}

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(answers[request.match_info["path"]], headers={"Date": date})

    return handle


def test_everything_is_asked_for_in_one_look_and_the_start_last() -> None:
    asked: list[tuple[str, Mapping[str, str]]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append((request.match_info["path"], dict(request.query)))
        return await says()(request)

    state = fetched(handle)
    assert isinstance(state, AlertmanagerState)
    every = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
    notified = {"active": "true", "silenced": "false", "inhibited": "false", "receiver": r"a\.b|bridge"}
    assert [("alerts", every), ("silences", {}), ("alerts/groups", notified), ("status", {})] == asked
    (listed,) = state.alerts.values()
    assert (listed.silenced_by, listed.alert.firing, listed.alert.name) == ((SILENT_ID,), True, "B")
    assert {SILENT_ID: Silence("alice", NOW + timedelta(hours=2))} == state.silences
    assert [("bridge", {"alertname": "B"}, (listed,))] == [(g.receiver, g.labels, g.alerts) for g in state.groups]
    assert (NOW - timedelta(seconds=3599.5), "", frozenset(), False) == (
        state.started_at,
        state.name,
        state.peers,
        state.settling,
    )


def test_silences_and_groups_are_asked_for_only_when_they_matter() -> None:
    asked = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.match_info["path"])
        return await says()(request)

    assert isinstance(fetched(handle, StateQuery()), AlertmanagerState)
    assert asked == ["alerts", "status"]


@pytest.mark.parametrize(
    ("server", "credential"),
    [
        ({}, None),
        ({"token": lambda: "t0k"}, "Bearer t0k"),
        ({"basic": ("ann", "pä:ss")}, encode_basic_auth("ann", "pä:ss")),
    ],
)
def test_the_credential_is_sent(server: dict[str, Any], credential: str | None) -> None:
    seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return await says()(request)

    assert isinstance(fetched(handle, **server), AlertmanagerState)
    assert {credential} == set(seen)


def test_a_member_of_a_cluster_tells_its_name_and_its_peers() -> None:
    peers = [{"name": name, "address": "10.0.0.1:9094"} for name in ("one", "two")]
    state = fetched(says(status={**STATUS, "cluster": {"name": "one", "peers": peers, "status": "settling"}}))
    assert isinstance(state, AlertmanagerState)
    assert ("one", frozenset({"one", "two"}), True) == (state.name, state.peers, state.settling)


@pytest.mark.parametrize(
    ("date", "age"),
    [
        pytest.param("Mon, 23 Nov 2026 11:01:00 GMT", 59.5, id="its clock is behind ours"),
        pytest.param("Mon, 23 Nov 2026 13:00:00 GMT", 3599.5, id="its clock is ahead of ours"),
        pytest.param("Mon, 23 Nov 2026 10:00:00 GMT", 0, id="it starts in its own future"),
        pytest.param("soon", 3599.5, id="no time"),
    ],
)
def test_it_counts_as_young_by_either_clock(date: str, age: float) -> None:
    state = fetched(says(date))
    assert isinstance(state, AlertmanagerState)
    assert timedelta(seconds=age) == NOW - state.started_at


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
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(MAX_ANSWER // 2**20 + 1):
        await answer.write(b" " * 2**20)
    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/elsewhere"})


def refuses(status: int, text: str = "") -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return handle


def strange(**fields: Any) -> Handler:
    return says(alerts=[ALERT, {**ALERT, **fields}])


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        pytest.param(reset, "does not answer (ServerDisconnectedError)", id="reset"),
        pytest.param(redirect, "answers /api/v2/alerts with HTTP 302: is the address", id="redirect"),
        pytest.param(refuses(503), "answers /api/v2/alerts with HTTP 503", id="503"),
        pytest.param(refuses(401), "set reconcile.token or reconcile.basic_auth", id="401"),
        pytest.param(refuses(404), "is the address that of Alertmanager?", id="404"),
        pytest.param(refuses(200, "<html>"), "not as Alertmanager does: the body is not JSON", id="html"),
        pytest.param(refuses(200, ""), "not as Alertmanager does: the body is not JSON", id="empty"),
        pytest.param(says(alerts={"status": "success", "data": []}), "must be a list", id="another API"),
        pytest.param(says(alerts=None), "must be a list", id="null"),
        pytest.param(says(alerts=["x"]), "[0]: must be an object", id="a word for an alert"),
        pytest.param(strange(fingerprint=""), "[1].fingerprint: is missing", id="no fingerprint"),
        pytest.param(strange(startsAt=None), "[1].startsAt: is missing", id="no start"),
        pytest.param(strange(labels=None), "[1].labels: must be an object", id="no labels"),
        pytest.param(strange(status={"state": "resting"}), "[1].status.state: must be one of", id="strange state"),
        pytest.param(
            strange(status={"state": "active", "silencedBy": {}, "inhibitedBy": [1]}),
            "[1].status.inhibitedBy: must be a list of texts",
            id="strange inhibition",
        ),
        pytest.param(says(silences=[{"createdBy": "x"}]), "[0].id: is missing", id="a silence without an id"),
        pytest.param(says(alerts_groups=[{**GROUP, "receiver": None}]), "receiver: must be", id="nobody's group"),
        pytest.param(says(status={"cluster": STATUS["cluster"]}), "uptime: is missing", id="no uptime"),
        pytest.param(says(status={**STATUS, "cluster": None}), "cluster: must be", id="no cluster"),
        pytest.param(says(status={**STATUS, "cluster": {"status": "ready"}}), "cluster", id="nameless member"),
    ],
)
def test_what_is_no_answer_is_no_look_and_says_so(handler: Handler, why: str) -> None:
    answer = fetched(handler)
    assert isinstance(answer, Unavailable)
    assert why in answer.why


@pytest.mark.parametrize("handler", [pytest.param(hang, id="hang"), pytest.param(drip, id="drip")])
def test_a_slow_answer_is_given_up(handler: Handler) -> None:
    assert Unavailable("does not answer within 0.5 s") == fetched(handler, seconds=0.5)


def test_an_endless_answer_is_cut_off() -> None:
    answer = fetched(flood)
    assert isinstance(answer, Unavailable)
    assert "with more than 32 MiB" in answer.why


def test_nobody_there_and_no_token_are_no_looks_either() -> None:
    def missing() -> str:
        raise FileNotFoundError("/run/secrets/token")

    async def fetch(server: Server) -> AlertmanagerAnswer:
        api = AlertmanagerApi(server, lambda: NOW)
        try:
            return await api.fetch(StateQuery())
        finally:
            await api.close()

    assert Unavailable("does not answer (ClientConnectorError)") == asyncio.run(fetch(Server("http://127.0.0.1:9")))
    unread = Server("http://127.0.0.1:9", token=missing)
    assert Unavailable("does not answer (FileNotFoundError)") == asyncio.run(fetch(unread))


def test_a_server_shows_no_secret() -> None:
    assert "hunter2" not in repr(Server("http://127.0.0.1:9", token=lambda: "hunter2", basic=("ann", "hunter2")))
