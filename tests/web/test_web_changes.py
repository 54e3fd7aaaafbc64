"""POST /events/change, and changes on the pages and in the API."""

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


def post_change(world: World, change: object = DEPLOY, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    data = change if isinstance(change, bytes) else json.dumps(change)
    return world.post("/events/change", data=data, address=address, **headers)


def kept(world: World) -> ChangeEvent:
    (change,) = world.changes.kept.values()
    return change


def count(world: World, kind: str, source: str) -> float | None:
    return world.metrics.registry.get_sample_value("bridge_changes_total", {"kind": kind, "source": source})


def test_a_change_is_recorded_and_its_retry_is_a_duplicate(world: World) -> None:
    first, again = post_change(world), post_change(world)
    assert [(each.status_code, body_of(each)["outcome"]) for each in (first, again)] == [
        (201, "recorded"),
        (200, "duplicate"),
    ]
    assert body_of(first)["id"] == body_of(again)["id"] == kept(world).id
    assert count(world, "deploy", "unknown") == 1


def test_missing_fields_have_defaults(world: World) -> None:
    assert post_change(world, {"kind": "Deploy", "service": "bert-api", "version": "v2"}).status_code == 201
    change = kept(world)
    assert (
        change.kind,
        change.at,
        change.summary,
        change.source,
    ) == ("deploy", NOW, "bert-api v2 was deployed", "local")


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
def test_times_are_accepted_in_several_formats(world: World, given: float | str | None, seen: datetime) -> None:
    assert post_change(world, {**DEPLOY, "at": given}).status_code == 201
    assert kept(world).at == seen


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
def test_an_invalid_field_is_named_and_nothing_is_recorded(world: World, field: str, value: object) -> None:
    answer = post_change(world, {**DEPLOY, field: value})
    assert (answer.status_code, body_of(answer)["field"]) == (400, field)
    assert body_of(answer)["error"].startswith(field)
    assert world.changes.kept == {}


@pytest.mark.parametrize(("name", "value"), [("pod", 7), ("pod", "x" * 501)])
def test_an_invalid_label_is_named(world: World, name: str, value: int | str) -> None:
    answer = post_change(world, {**DEPLOY, "labels": {name: value}})
    assert (answer.status_code, body_of(answer)["field"]) == (400, f"labels.{name}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"deploy"', b"\xff\xfe", b"[" * 50_000, b"kind=deploy"])
def test_a_body_that_is_no_object_is_refused(world: World, body: bytes) -> None:
    answer = post_change(world, body)
    assert answer.status_code == 400
    assert body_of(answer)["error"]
    assert world.changes.kept == {}


def test_the_model_servers_fields_are_understood_and_unknown_ones_ignored(world: World) -> None:
    posted = {**DEPLOY, "model": "toxic-bert", "revision": 7, "pod": {"name": "a"}, "labels": {"namespace": "ml"}}
    assert post_change(world, posted).status_code == 201
    assert kept(world).labels == {"model": "toxic-bert", "namespace": "ml"}


def test_texts_are_cleaned_and_cut(world: World) -> None:
    posted = {
        **DEPLOY,
        "summary": "a\x00b\x1b[31m\nc\u202e" + "d" * 2000,
        "by": "ann\x07" + "x" * 300,
        "version": " v2\n",
    }
    assert post_change(world, posted).status_code == 201
    change = kept(world)
    assert change.summary.startswith("ab[31m cd")
    assert (len(change.summary), len(change.by), change.version) == (1000, 200, "v2")


def test_changes_with_the_same_id_are_the_same(world: World) -> None:
    answers = [post_change(world, {**DEPLOY, "id": "run-7", "at": at}).status_code for at in (1763900000, 1763900060)]
    assert answers == [201, 200]


def test_a_large_body_is_refused_with_and_without_its_length(world: World) -> None:
    body = json.dumps({**DEPLOY, "more": "x" * 70_000}).encode()
    assert post_change(world, body).status_code == 413
    assert post_change(world, Content_Encoding="gzip").status_code == 415
    assert world.changes.kept == {}


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("bug")])
def test_a_body_that_cannot_be_stored_now_is_answered_with_503(
    world: World, error: RuntimeError | StoreUnavailable
) -> None:
    world.changes.error = error
    answer = post_change(world)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (count(world, "deploy", "unknown") or 0) == 0


def test_without_sources_only_this_machine_may_post(world: World) -> None:
    assert post_change(world, address=REMOTE).status_code == 403
    assert post_change(world, X_Forwarded_For="10.0.0.9").status_code == 403
    assert post_change(world, Origin="https://evil.example").status_code == 403
    assert world.changes.kept == {}


def test_the_credential_of_any_source_is_accepted_and_names_the_sender(guarded: World) -> None:
    basic = "Basic " + base64.b64encode("am:pässword".encode()).decode()
    for number, (credential, source) in enumerate(
        [("Bearer am-token", "prod"), ("Bearer other-token", "other"), (basic, "other")]
    ):
        change = {**DEPLOY, "id": str(number)}
        assert post_change(guarded, change, address=REMOTE, Authorization=credential).status_code == 201
        assert list(guarded.changes.kept.values())[-1].source == source
    assert (count(guarded, "deploy", "prod"), count(guarded, "deploy", "other")) == (1, 2)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
def test_a_request_without_a_credential_is_refused(guarded: World, headers: Mapping[str, str]) -> None:
    answer = post_change(guarded, **headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert guarded.changes.kept == {}


def test_a_source_without_credential_accepts_this_machine_only() -> None:
    world = World(PLAIN + "sources: [{name: near}, {name: far, tokens: ['${TOKEN}']}]\n")
    assert post_change(world).status_code == 201
    assert kept(world).source == "near"
    assert post_change(world, address=REMOTE).status_code == 401
    assert post_change(world, Authorization="Bearer wrong").status_code == 401


def test_only_known_kinds_reach_the_metrics(guarded: World) -> None:
    post_change(guarded, {**DEPLOY, "kind": "migration"}, Authorization="Bearer am-token")
    assert count(guarded, "other", "prod") == 1
    assert count(guarded, "migration", "prod") is None


def test_every_kind_and_source_has_its_series_from_the_start(guarded: World) -> None:
    text = guarded.get("/metrics").text
    for kind in ("deploy", "rollback", "retraining", "config", "other"):
        assert f'bridge_changes_total{{kind="{kind}",source="prod"}} 0.0' in text


def test_a_get_request_records_nothing(world: World) -> None:
    answer = world.get("/events/change")
    assert (answer.status_code, answer.mimetype) == (405, "application/json")


def test_the_api_lists_changes_newest_first(world: World) -> None:
    for minutes in (30, 10, 20):
        post_change(
            world, {**DEPLOY, "at": (NOW - timedelta(minutes=minutes)).isoformat(), "link": "https://ci.example/7"}
        )
    changes = body_of(world.get("/api/v1/changes?limit=2"))["changes"]
    assert [each["at"] for each in changes] == ["2026-11-23T11:50:00+00:00", "2026-11-23T11:40:00+00:00"]
    assert tuple(changes[0][name] for name in ("kind", "previous", "by", "link", "source")) == (
        "deploy",
        "v1",
        "ann",
        "https://ci.example/7",
        "local",
    )
    assert world.get("/api/v1/changes?limit=0").status_code == 400


def test_pages_and_api_of_changes_need_the_usual_login() -> None:
    world = World(PLAIN + USERS, require_login=True)
    for path in ("/changes", "/api/v1/changes"):
        assert world.get(path).status_code == 401
        assert world.get(path, auth=("ann", "right")).status_code == 200


def test_the_page_of_changes_shows_them_as_text(world: World) -> None:
    assert "No change was reported yet" in world.get("/changes").text
    post_change(
        world,
        {**DEPLOY, "summary": "<script>alert(1)</script>", "link": "https://ci.example/7", "labels": {"a": "<i>"}},
    )
    page = world.get("/changes").text
    assert "<script" not in page
    assert "<i>" not in page
    for word in ("&lt;script&gt;", "v1 → v2", "by ann", 'href="https://ci.example/7"', "service=&#34;bert-api&#34;"):
        assert word in page


def test_an_incident_shows_the_changes_before_it_and_since(world: World) -> None:
    """Its one alert, of pod <b>p1</b>, began at NOW."""
    labels = {"alertname": "A", "job": "bert-api", "namespace": "ml"}
    world.reader.all[7] = with_labels(world.reader.all[7], labels)
    changes: list[tuple[int, dict[str, object]]] = [
        (-12, {}),
        (-121, {"summary": "too long ago"}),
        (-5, {"service": "billing", "summary": "of others"}),
        (-6, {"labels": {"namespace": "test"}, "summary": "elsewhere"}),
        (3, {"kind": "rollback", "version": "v1", "previous": "v2"}),
    ]
    for minutes, more in changes:
        post_change(world, {**DEPLOY, **more, "at": (NOW + timedelta(minutes=minutes)).isoformat()})
    world.now = NOW + timedelta(minutes=10)
    page = world.get("/incidents/7").text
    for word in ("12 min before it fired", "3 min after it fired", "bert-api was rolled back to v1"):
        assert word in page
    for word in ("too long ago", "of others", "elsewhere"):
        assert word not in page
    assert [each["kind"] for each in body_of(world.get("/api/v1/incidents/7"))["changes"]] == ["rollback", "deploy"]


def test_the_configuration_sets_how_long_before_an_incident_changes_are_shown() -> None:
    world = World(PLAIN + 'context: {prometheus: {url: "http://127.0.0.1:9"}, window: 5m}\n')
    world.reader.all[7] = with_labels(world.reader.all[7], {"job": "bert-api"})
    for minutes in (4, 6):
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        post_change(world, {**DEPLOY, "version": f"v{minutes}", "at": at})
    assert [each["version"] for each in body_of(world.get("/api/v1/incidents/7"))["changes"]] == ["v4"]
    page = world.get("/incidents/7").text
    assert "bert-api v4 was deployed" in page
    assert "bert-api v6 was deployed" not in page


def test_an_incident_without_changes_says_so(world: World) -> None:
    assert "No change that concerns it was reported, from 2 h before it fired on" in world.get("/incidents/7").text


def with_labels(incident: Incident, labels: Mapping[str, str]) -> Incident:
    alerts = {name: replace(alert, labels=labels, starts_at=NOW) for name, alert in incident.alerts.items()}
    return replace(incident, alerts=alerts)
