"""POST /events/change, and what the pages and the API show of it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.test import TestResponse

from bridge.core.errors import StoreUnavailable
from bridge.core.facts import ChangeEvent
from bridge.core.model import Incident
from tests.answers import body_of
from tests.web.web_fakes import NOW, PLAIN, SOURCES, USERS, World

REMOTE = "10.0.0.9"
DEPLOY = {
    "kind": "deploy",
    "service": "bert-api",
    "version": "v2",
    "previous": "v1",
    "by": "ann",
    "at": NOW.timestamp(),
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def guarded() -> World:
    return World(PLAIN + SOURCES)


def tell(world: World, change: object = DEPLOY, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    data = change if isinstance(change, bytes) else json.dumps(change)
    return world.post("/events/change", data=data, address=address, **headers)


def kept(world: World) -> ChangeEvent:
    (change,) = world.changes.kept.values()
    return change


def count(world: World, kind: str, source: str) -> float | None:
    return world.metrics.registry.get_sample_value("bridge_changes_total", {"kind": kind, "source": source})


def test_a_change_is_recorded_and_its_retry_is_known(world: World) -> None:
    first, again = tell(world), tell(world)
    assert [(201, "recorded"), (200, "duplicate")] == [
        (each.status_code, body_of(each)["outcome"]) for each in (first, again)
    ]
    assert body_of(first)["id"] == body_of(again)["id"] == kept(world).id
    assert 1 == count(world, "deploy", "unknown")


def test_what_is_left_out_is_filled_in(world: World) -> None:
    assert 201 == tell(world, {"kind": "Deploy", "service": "bert-api", "version": "v2"}).status_code
    change = kept(world)
    assert ("deploy", NOW, "bert-api v2 was deployed", "local") == (
        change.kind,
        change.at,
        change.summary,
        change.source,
    )


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("2026-11-23T12:30:00+01:00", NOW - timedelta(minutes=30)),
        ("2026-11-23T11:59:59.5Z", NOW - timedelta(seconds=0.5)),
        (1763900000, datetime(2025, 11, 23, 12, 13, 20, tzinfo=UTC)),
        ("1763900000", datetime(2025, 11, 23, 12, 13, 20, tzinfo=UTC)),
        (1763900000.25, datetime(2025, 11, 23, 12, 13, 20, 250000, tzinfo=UTC)),
        (None, NOW),
        ("", NOW),
    ],
)
def test_times_come_as_people_and_as_machines_write_them(
    world: World, given: float | str | None, seen: datetime
) -> None:
    assert 201 == tell(world, {**DEPLOY, "at": given}).status_code
    assert seen == kept(world).at


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", None),
        ("kind", "<b>"),
        ("kind", 7),
        ("kind", "x" * 33),
        ("service", None),
        ("service", " \n"),
        ("service", "s" * 201),
        ("version", 2),
        ("version", "v" * 201),
        ("previous", {}),
        ("at", "yesterday"),
        ("at", "2026-13-01T00:00:00Z"),
        ("at", -1),
        ("at", True),
        ("at", 1763900000000),
        ("at", 1e300),
        ("at", "2026-11-25T12:00:00Z"),
        ("link", "javascript:alert(1)"),
        ("link", "ftp://x.org"),
        ("link", "https://ann:secret@x.org"),
        ("link", "https://x.org/" + "a" * 2000),
        ("labels", ["a"]),
        ("labels", {str(n): "x" for n in range(51)}),
        ("labels", {"": "x"}),
        ("model", 3),
        ("id", "i" * 201),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_recorded(world: World, field: str, value: object) -> None:
    answer = tell(world, {**DEPLOY, field: value})
    assert (400, field) == (answer.status_code, body_of(answer)["field"])
    assert body_of(answer)["error"].startswith(field)
    assert {} == world.changes.kept


@pytest.mark.parametrize(("name", "value"), [("pod", 7), ("pod", "x" * 501)])
def test_a_label_that_is_wrong_is_named(world: World, name: str, value: int | str) -> None:
    answer = tell(world, {**DEPLOY, "labels": {name: value}})
    assert (400, f"labels.{name}") == (answer.status_code, body_of(answer)["field"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"deploy"', b"\xff\xfe", b"[" * 50_000, b"kind=deploy"])
def test_what_is_no_object_is_refused(world: World, body: bytes) -> None:
    answer = tell(world, body)
    assert 400 == answer.status_code
    assert body_of(answer)["error"]
    assert {} == world.changes.kept


def test_the_model_servers_fields_are_understood_and_unknown_ones_ignored(world: World) -> None:
    posted = {**DEPLOY, "model": "toxic-bert", "revision": 7, "pod": {"name": "a"}, "labels": {"namespace": "ml"}}
    assert 201 == tell(world, posted).status_code
    assert {"model": "toxic-bert", "namespace": "ml"} == kept(world).labels


def test_texts_come_out_clean_and_of_bounded_length(world: World) -> None:
    posted = {
        **DEPLOY,
        "summary": "a\x00b\x1b[31m\nc\u202e" + "d" * 2000,
        "by": "ann\x07" + "x" * 300,
        "version": " v2\n",
    }
    assert 201 == tell(world, posted).status_code
    change = kept(world)
    assert change.summary.startswith("ab[31m cd")
    assert (1000, 200, "v2") == (len(change.summary), len(change.by), change.version)


def test_an_id_makes_a_change_the_same_whatever_else_it_says(world: World) -> None:
    answers = [tell(world, {**DEPLOY, "id": "run-7", "at": at}).status_code for at in (1763900000, 1763900060)]
    assert [201, 200] == answers


def test_a_large_body_is_refused_with_and_without_its_length(world: World) -> None:
    body = json.dumps({**DEPLOY, "more": "x" * 70_000}).encode()
    assert 413 == tell(world, body).status_code
    assert 415 == tell(world, Content_Encoding="gzip").status_code
    assert {} == world.changes.kept


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("bug")])
def test_what_cannot_be_stored_now_is_asked_for_again(world: World, error: RuntimeError | StoreUnavailable) -> None:
    world.changes.error = error
    answer = tell(world)
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
    assert 0 == (count(world, "deploy", "unknown") or 0)


def test_without_sources_only_this_machine_may_tell(world: World) -> None:
    assert 403 == tell(world, address=REMOTE).status_code
    assert 403 == tell(world, X_Forwarded_For="10.0.0.9").status_code
    assert 403 == tell(world, Origin="https://evil.example").status_code
    assert {} == world.changes.kept


def test_any_sources_token_or_password_lets_in_and_names_the_teller(guarded: World) -> None:
    basic = "Basic " + base64.b64encode("am:pässword".encode()).decode()
    for number, (credential, source) in enumerate(
        [("Bearer am-token", "prod"), ("Bearer other-token", "other"), (basic, "other")]
    ):
        change = {**DEPLOY, "id": str(number)}
        assert 201 == tell(guarded, change, address=REMOTE, Authorization=credential).status_code
        assert source == list(guarded.changes.kept.values())[-1].source
    assert (1, 2) == (count(guarded, "deploy", "prod"), count(guarded, "deploy", "other"))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
def test_without_a_sources_credential_nobody_tells_anything(guarded: World, headers: Mapping[str, str]) -> None:
    answer = tell(guarded, **headers)
    assert 401 == answer.status_code
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert {} == guarded.changes.kept


def test_a_source_without_credential_is_open_to_this_machine_alone() -> None:
    world = World(PLAIN + "sources: [{name: near}, {name: far, tokens: ['${TOKEN}']}]\n")
    assert 201 == tell(world).status_code
    assert "near" == kept(world).source
    assert 401 == tell(world, address=REMOTE).status_code
    assert 401 == tell(world, Authorization="Bearer wrong").status_code


def test_only_known_kinds_reach_the_metrics(guarded: World) -> None:
    tell(guarded, {**DEPLOY, "kind": "migration"}, Authorization="Bearer am-token")
    assert 1 == count(guarded, "other", "prod")
    assert count(guarded, "migration", "prod") is None


def test_every_kind_and_source_has_its_series_from_the_start(guarded: World) -> None:
    text = guarded.get("/metrics").text
    for kind in ("deploy", "rollback", "retraining", "config", "other"):
        assert f'bridge_changes_total{{kind="{kind}",source="prod"}} 0.0' in text


def test_reading_it_is_no_way_to_tell(world: World) -> None:
    answer = world.get("/events/change")
    assert (405, "application/json") == (answer.status_code, answer.mimetype)


def test_the_api_lists_changes_newest_first(world: World) -> None:
    for minutes in (30, 10, 20):
        tell(world, {**DEPLOY, "at": (NOW - timedelta(minutes=minutes)).isoformat(), "link": "https://ci.example/7"})
    changes = body_of(world.get("/api/v1/changes?limit=2"))["changes"]
    assert ["2026-11-23T11:50:00+00:00", "2026-11-23T11:40:00+00:00"] == [each["at"] for each in changes]
    assert ("deploy", "v1", "ann", "https://ci.example/7", "local") == tuple(
        changes[0][name] for name in ("kind", "previous", "by", "link", "source")
    )
    assert 400 == world.get("/api/v1/changes?limit=0").status_code


def test_pages_and_api_of_changes_want_a_login_where_the_others_do() -> None:
    world = World(PLAIN + USERS, require_login=True)
    for path in ("/changes", "/api/v1/changes"):
        assert 401 == world.get(path).status_code
        assert 200 == world.get(path, auth=("ann", "right")).status_code


def test_the_page_of_changes_shows_them_as_text(world: World) -> None:
    assert "No change was reported yet" in world.get("/changes").text
    tell(
        world,
        {**DEPLOY, "summary": "<script>alert(1)</script>", "link": "https://ci.example/7", "labels": {"a": "<i>"}},
    )
    page = world.get("/changes").text
    assert "<script" not in page
    assert "<i>" not in page
    for word in ("&lt;script&gt;", "v1 → v2", "by ann", 'href="https://ci.example/7"', "service=&#34;bert-api&#34;"):
        assert word in page


def test_an_incident_shows_what_was_changed_before_it_and_since(world: World) -> None:
    """Its one alert, of pod <b>p1</b>, began at NOW."""
    labels = {"alertname": "A", "job": "bert-api", "namespace": "ml"}
    world.reader.all[7] = with_labels(world.reader.all[7], labels)
    told: list[tuple[int, dict[str, object]]] = [
        (-12, {}),
        (-121, {"summary": "too long ago"}),
        (-5, {"service": "billing", "summary": "of others"}),
        (-6, {"labels": {"namespace": "test"}, "summary": "elsewhere"}),
        (3, {"kind": "rollback", "version": "v1", "previous": "v2"}),
    ]
    for minutes, more in told:
        tell(world, {**DEPLOY, **more, "at": (NOW + timedelta(minutes=minutes)).isoformat()})
    world.now = NOW + timedelta(minutes=10)
    page = world.get("/incidents/7").text
    for word in ("12 min before it fired", "3 min after it fired", "bert-api was rolled back to v1"):
        assert word in page
    for word in ("too long ago", "of others", "elsewhere"):
        assert word not in page
    assert ["rollback", "deploy"] == [each["kind"] for each in body_of(world.get("/api/v1/incidents/7"))["changes"]]


def test_the_configuration_says_how_long_before_an_incident_its_cause_is_looked_for() -> None:
    world = World(PLAIN + 'context: {prometheus: {url: "http://127.0.0.1:9"}, window: 5m}\n')
    world.reader.all[7] = with_labels(world.reader.all[7], {"job": "bert-api"})
    for minutes in (4, 6):
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        tell(world, {**DEPLOY, "version": f"v{minutes}", "at": at})
    assert ["v4"] == [each["version"] for each in body_of(world.get("/api/v1/incidents/7"))["changes"]]
    page = world.get("/incidents/7").text
    assert "bert-api v4 was deployed" in page
    assert "bert-api v6 was deployed" not in page


def test_an_incident_without_changes_says_so(world: World) -> None:
    assert "No change that concerns it was reported, from 2 h before it fired on" in world.get("/incidents/7").text


def with_labels(incident: Incident, labels: Mapping[str, str]) -> Incident:
    alerts = {name: replace(alert, labels=labels, starts_at=NOW) for name, alert in incident.alerts.items()}
    return replace(incident, alerts=alerts)
