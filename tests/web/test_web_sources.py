"""POST /webhook/grafana and /webhook/cloud-monitoring: the same invariants, and each vendor's own credentials."""

import base64
import hmac
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from bridge.app.settings import load_text
from bridge.core.errors import StoreUnavailable
from bridge.observability import logs
from bridge.web import check_listen
from tests.answers import body_of
from tests.web.web_fakes import ENVIRON, NOW, PLAIN, World

PAYLOADS = Path(__file__).parents[1] / "sources" / "payloads"
OPEN, CLOSED, TEST = ((PAYLOADS / f"cloud_monitoring_{name}.json").read_bytes() for name in ("open", "closed", "test"))
FIRING = (PAYLOADS / "grafana_firing.json").read_bytes()
REMOTE = "10.0.0.9"
GOOGLE, GRAFANA = "/webhook/cloud-monitoring", "/webhook/grafana"
SOURCES = """
sources:
  - {name: prod, tokens: ["${TOKEN}"]}
  - {name: gcp, type: cloud_monitoring, tokens: ["${OTHER}", "${BASIC}"]}
  - {name: gcp-basic, type: cloud_monitoring, basic_auth: {username: google, password: "${BASIC}"}}
  - {name: signed, type: grafana, hmac_secret: "${OTHER}"}
  - {name: timed, type: grafana, hmac_secret: "${BASIC}", hmac_timestamp_header: X-Time, hmac_max_age: 1m}
  - {name: both, type: grafana, tokens: ["${TOKEN}"], hmac_secret: "${OTHER}"}
"""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def guarded() -> World:
    return World(PLAIN + SOURCES)


def count(world: World, source: str, outcome: str) -> float | None:
    labels = {"source": source, "outcome": outcome}
    return world.metrics.registry.get_sample_value("bridge_webhooks_received_total", labels)


def signature(secret: str, body: bytes = FIRING, stamp: int | str | None = None) -> str:
    signed = body if stamp is None else f"{stamp}:".encode() + body
    return hmac.new(secret.encode(), signed, "sha256").hexdigest()


def send(
    world: World,
    path: str,
    body: bytes = FIRING,
    secret: str | None = None,
    stamp: int | str | None = None,
    **headers: str,
) -> TestResponse:
    if secret is not None:
        headers["X-Grafana-Alerting-Signature"] = signature(secret, body, stamp)
    if stamp is not None:
        headers["X-Time"] = str(stamp)
    return world.post(path, body, address=REMOTE, **headers)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [(GOOGLE, OPEN, "cloud-monitoring"), (GRAFANA, FIRING, "grafana"), (f"{GOOGLE}/eu", CLOSED, "eu")],
)
def test_without_sources_only_this_machine_may_send(world: World, path: str, body: bytes, name: str) -> None:
    assert world.post(path, body, address=REMOTE).status_code == 403
    answer = world.post(path, body)
    assert (answer.status_code, body_of(answer)) == (200, {"incident": 7, "outcome": "opened"})
    assert world.intake.groups[0].source == name
    assert count(world, "unknown", "opened") == 1


def test_the_test_notification_of_google_is_accepted(world: World) -> None:
    assert world.post(GOOGLE, TEST).status_code == 200
    assert world.intake.groups[0].alerts[0].starts_at == NOW


def test_put_is_accepted_from_grafana_but_not_from_google(world: World) -> None:
    local = {"REMOTE_ADDR": "127.0.0.1"}
    assert world.client.put(GRAFANA, data=FIRING, environ_base=local).status_code == 200
    refused = world.client.put(GOOGLE, data=OPEN, environ_base=local)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    assert world.get(GRAFANA).headers["Allow"] == "POST, PUT"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_accepted_methods_are_named(world: World, method: str) -> None:
    refused = world.client.open(GRAFANA, method=method)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST, PUT")


@pytest.mark.parametrize(("path", "body"), [(GOOGLE, OPEN), (GRAFANA, FIRING)])
@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("bug")])
def test_a_body_that_cannot_be_stored_now_is_answered_with_503(
    world: World, path: str, body: bytes, error: RuntimeError | StoreUnavailable
) -> None:
    world.intake.error = error
    answer = world.post(path, body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (GOOGLE, OPEN.replace(b'"open"', b'"ajar"'), "incident.state"),
        (GRAFANA, FIRING.replace(b'"firing"', b'"burning"'), "alerts[0].status"),
        (GRAFANA, OPEN, "alerts"),
        (GOOGLE, FIRING, "incident"),
    ],
)
def test_a_body_that_can_never_be_accepted_names_the_field(world: World, path: str, body: bytes, field: str) -> None:
    answer = world.post(path, body)
    assert (answer.status_code, body_of(answer)["field"]) == (400, field)
    assert not world.intake.groups


@pytest.mark.parametrize("path", [GOOGLE, GRAFANA])
def test_a_too_large_or_compressed_body_is_refused(path: str) -> None:
    world = World(PLAIN + "limits: {body: 1024}")
    assert world.post(path, b" " * 2000).status_code == 413
    assert world.post(path, Content_Encoding="gzip").status_code == 415


@given(st.sampled_from([GOOGLE, GRAFANA]), st.binary() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_no_body_ever_breaks_the_bridge(path: str, body: bytes | str) -> None:
    assert World().post(path, body).status_code in (200, 400)


def test_the_token_of_google_may_be_in_the_query(guarded: World) -> None:
    assert send(guarded, f"{GOOGLE}?auth_token=other-token", OPEN).status_code == 200
    assert send(guarded, f"{GOOGLE}/gcp?auth_token=p%C3%A4ssword", OPEN).status_code == 200
    assert send(guarded, f"{GOOGLE}/gcp", OPEN, Authorization="Bearer other-token").status_code == 200
    assert send(guarded, GOOGLE, OPEN, Authorization=basic("google", "pässword")).status_code == 200
    assert [group.source for group in guarded.intake.groups] == ["gcp", "gcp", "gcp", "gcp-basic"]


@pytest.mark.parametrize(
    "path",
    [
        GOOGLE,
        f"{GOOGLE}?auth_token=",
        f"{GOOGLE}?auth_token=am-token",  # of an Alertmanager
        f"{GOOGLE}/gcp-basic?auth_token=other-token",
        f"{GOOGLE}?auth_token=%ff&auth_token=other-token",
        f"{GOOGLE}?token=other-token",
    ],
)
def test_a_wrong_token_in_the_query_is_refused_even_from_this_machine(guarded: World, path: str) -> None:
    answer = guarded.post(path, OPEN)
    assert answer.status_code == 401
    assert not guarded.intake.groups


def test_google_is_asked_for_basic_authentication_where_it_is_configured(guarded: World) -> None:
    assert send(guarded, f"{GOOGLE}/gcp-basic", OPEN).headers["WWW-Authenticate"] == 'Basic realm="incident bridge"'
    refused = send(guarded, f"{GOOGLE}/gcp", OPEN)
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="incident bridge"'
    assert "?auth_token=" in body_of(refused)["error"]
    assert count(guarded, "gcp", "unauthorized") == 1


@pytest.mark.parametrize(
    "path",
    ["/webhook/alertmanager/prod?auth_token=am-token", f"{GRAFANA}/both?auth_token=am-token"],
)
def test_only_google_may_send_a_token_in_the_query(guarded: World, path: str) -> None:
    assert send(guarded, path, secret="other-token").status_code == 401


def test_a_token_in_the_query_is_not_accepted_for_a_change(guarded: World) -> None:
    change = json.dumps({"kind": "deploy", "service": "s"})
    assert guarded.post("/events/change?auth_token=other-token", change).status_code == 401


def test_a_source_is_found_under_its_own_type_only(guarded: World) -> None:
    assert send(guarded, f"{GRAFANA}/gcp?auth_token=other-token").status_code == 404
    assert send(guarded, f"{GOOGLE}/prod", OPEN, Authorization="Bearer am-token").status_code == 404
    assert "of type cloud_monitoring" in body_of(send(World(PLAIN + "sources: [{name: a}]"), GOOGLE, OPEN))["error"]


def test_a_valid_signature_is_accepted_from_grafana(guarded: World) -> None:
    assert send(guarded, f"{GRAFANA}/signed", secret="other-token").status_code == 200
    assert count(guarded, "signed", "opened") == 1


def test_without_a_name_the_signature_determines_the_source(guarded: World) -> None:
    stamp = int(NOW.timestamp())
    assert send(guarded, GRAFANA, secret="pässword", stamp=stamp).status_code == 200
    assert send(guarded, GRAFANA, secret="other-token").status_code == 200
    assert [group.source for group in guarded.intake.groups] == ["timed", "signed"]


def test_a_changed_body_or_another_signature_is_refused(guarded: World) -> None:
    path, right = f"{GRAFANA}/signed", {"X-Grafana-Alerting-Signature": signature("other-token")}
    for answer in (
        send(guarded, path),
        send(guarded, path, secret="am-token"),
        send(guarded, path, X_Grafana_Alerting_Signature="é"),
        send(guarded, path, body=FIRING.replace(b"critical", b"info"), **right),
        guarded.post(path, FIRING),  # from this machine
    ):
        assert answer.status_code == 403
        assert "signature" in body_of(answer)["error"]
    assert not guarded.intake.groups
    assert count(guarded, "signed", "unauthorized") == 5


@pytest.mark.parametrize(("age", "code"), [(0, 200), (59, 200), (-59, 200), (61, 403), (-61, 403), (86400, 403)])
def test_a_replayed_body_is_refused(guarded: World, age: int, code: int) -> None:
    stamp = int(NOW.timestamp()) - age
    answer = send(guarded, f"{GRAFANA}/timed", secret="pässword", stamp=stamp)
    assert answer.status_code == code
    assert code == 200 or "hmac_max_age" in body_of(answer)["error"]


def test_the_signed_time_cannot_be_omitted_or_replaced(guarded: World) -> None:
    path, stamp = f"{GRAFANA}/timed", int(NOW.timestamp())
    old = signature("pässword", stamp=stamp - 86400)
    assert "X-Time" in body_of(send(guarded, path, secret="pässword"))["error"]
    assert send(guarded, path, X_Time=str(stamp), X_Grafana_Alerting_Signature=old).status_code == 403
    assert send(guarded, path, secret="pässword", stamp="soon").status_code == 403
    assert send(guarded, path, secret="pässword", stamp="").status_code == 403
    assert not guarded.intake.groups


def test_a_source_with_token_and_secret_needs_both(guarded: World) -> None:
    path, token = f"{GRAFANA}/both", "Bearer am-token"
    assert send(guarded, path, secret="other-token").status_code == 401
    assert send(guarded, path, Authorization=token).status_code == 403
    assert send(guarded, path, secret="other-token", Authorization=token).status_code == 200


def test_a_source_with_a_secret_accepts_nothing_unsigned() -> None:
    world = World(PLAIN + 'sources: [{name: g, type: grafana, hmac_secret: "${OTHER}"}]')
    change = json.dumps({"kind": "deploy", "service": "s"})
    assert world.post("/events/change", change).status_code == 401
    assert world.post("/events/change", change, Authorization="Bearer other-token").status_code == 401
    check_listen("0.0.0.0", load_text(f"{PLAIN}{SOURCES}web: {{users: {{a: '{HASH}'}}}}", ENVIRON))


HASH = "scrypt:32768:8:1$YWJj$" + "0" * 128


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The log so far, in which no secret is redacted."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before, level = root.handlers, root.level
    logs.configure("debug")
    yield stream.getvalue
    root.handlers = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_token_in_the_query_is_in_no_log_answer_or_metric(guarded: World, log: Callable[[], str]) -> None:
    shown = []
    for path, body, error in (
        (f"{GOOGLE}?auth_token=old-secret", OPEN, None),
        (f"{GOOGLE}/unknown?auth_token=old-secret", OPEN, None),
        (f"{GOOGLE}/a/b?auth_token=old-secret", OPEN, None),
        ("/nothing?auth_token=old-secret", OPEN, None),
        (f"{GOOGLE}?auth_token=other-token", OPEN, RuntimeError("bug")),
        (f"{GOOGLE}?auth_token=other-token", b"{", None),
        (f"{GOOGLE}?auth_token=other-token", OPEN, None),
    ):
        guarded.intake.error = error
        answer = send(guarded, path, body)
        shown.append(f"{answer.headers}{answer.text}")
    text = log() + "".join(shown) + guarded.get("/metrics").text
    assert "webhook refused" in text and "webhook not stored" in text
    assert "old-secret" not in text and "other-token" not in text
