"""Each answer and each log event has the id of its request."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from bridge.core.errors import StoreUnavailable
from bridge.core.ports import Accepted, WebhookOutcome
from tests.web.web_fakes import BODY, PLAIN, SOURCES, World

NAME = "X-Request-Id"


@pytest.fixture
def world() -> World:
    return World(PLAIN + SOURCES)


def send(world: World, name: str | None = None, **more: str) -> tuple[TestResponse, list[MutableMapping[str, Any]]]:
    headers = {"Authorization": "Bearer am-token", **({NAME: name} if name is not None else {})}
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = world.client.post("/webhook/alertmanager/prod", data=BODY, headers=headers | more)
    return answer, lines


@pytest.mark.parametrize("name", ["abc", "f" * 128, "9f86d081-884c-4d63-a15e:1/2+3=4@5_6.7"])
def test_a_request_id_of_the_sender_is_used(world: World, name: str) -> None:
    answer, (line,) = send(world, name)
    assert (answer.headers[NAME], line["request_id"]) == (name, name)


@pytest.mark.parametrize("name", [None, "", " ", "a b", "f" * 129, "-x", "a\tb", "ünicode", "<script>", "a,b", "'a'"])
def test_an_invalid_request_id_is_replaced(world: World, name: str | None) -> None:
    answer, (line,) = send(world, name)
    assert answer.headers[NAME] == line["request_id"] != name
    assert len(answer.headers[NAME]) == 16


def test_request_ids_are_unique(world: World) -> None:
    assert len({send(world)[0].headers[NAME] for _ in range(20)}) == 20


def test_a_change_by_a_webhook_is_one_log_event(world: World) -> None:
    _, (line,) = send(world, "r1")
    wanted = {"event": "webhook_accepted", "outcome": "opened", "incident": 7, "source": "prod", "alerts": 1}
    assert line == {**wanted, "request_id": "r1", "log_level": "info"}


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        *((news, "info") for news in ("opened", "changed", "reopened", "resolved", "ended", "reminder")),
        *((again, "debug") for again in ("duplicate", "ignored", "heartbeat")),
    ],
)
def test_a_webhook_without_a_change_is_not_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, outcome: str, level: str
) -> None:
    monkeypatch.setattr(world.intake, "accept", lambda group: Accepted(7, WebhookOutcome(outcome)))
    assert [(line["outcome"], line["log_level"]) for line in send(world)[1]] == [(outcome, level)]


@pytest.mark.parametrize(
    ("error", "headers", "code", "event"),
    [
        (StoreUnavailable("full"), {}, 503, "webhook not stored"),
        (RuntimeError("bug"), {}, 503, "webhook not stored"),
        (None, {"Authorization": "Bearer wrong"}, 401, "webhook refused"),
        (None, {"Content-Encoding": "gzip"}, 415, "webhook refused"),
    ],
)
def test_a_refused_request_has_a_request_id_too(
    world: World, error: Exception | None, headers: Mapping[str, str], code: int, event: str
) -> None:
    world.intake.error = error
    answer, (line,) = send(world, "r1", **headers)
    assert (answer.status_code, line["event"], line["request_id"], answer.headers[NAME]) == (code, event, "r1", "r1")


@pytest.mark.parametrize("path", ["/nothing", "/-/healthy", "/?%ff", "/api/v1/incidents/99"])
def test_every_answer_has_a_request_id(world: World, path: str) -> None:
    assert world.get(path, headers={NAME: "r1"}).headers[NAME] == "r1"


def test_the_time_of_every_webhook_is_measured_by_its_type(world: World) -> None:
    world.intake.error = StoreUnavailable("full")
    send(world)
    send(world, Authorization="Bearer wrong")
    count = "bridge_webhook_duration_seconds_count"
    assert world.metrics.registry.get_sample_value(count, {"type": "alertmanager"}) == 2.0
