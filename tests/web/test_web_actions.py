"""POST /api/v1/incidents/N/...: who may act, from where, and what is refused and why."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bridge.app.settings import load_text
from bridge.core.incidents.actions import Action, Verb
from bridge.core.model import Severity, State
from bridge.core.roles import Role
from bridge.core.timeline import Place
from bridge.web.logins import Logins
from tests.web.web_fakes import ENVIRON, HASH, PLAIN, World

TOKENS = {role: f"token-of-a-{role}" for role in Role}
ACCESS = (
    PLAIN
    + f"""
people:
  - {{name: Ann Lee, login: ann, role: responder}}
  - {{name: Bob Ray, login: bot-responder}}
  - {{name: Vic Low, login: vic, role: viewer}}
web:
  users: {{ann: "{HASH}", vic: "{HASH}", zoe: "{HASH}"}}
  tokens:
"""
    + "".join(
        f"    - {{name: bot-{role}, role: {role}, hash: {hashlib.sha256(token.encode()).hexdigest()}}}\n"
        for role, token in TOKENS.items()
    )
)
BODIES: dict[str, dict[str, Any]] = {
    "ack": {},
    "unack": {},
    "resolve": {},
    "note": {"text": "Looking."},
    "escalate": {"channel": "slack-ml"},
}


def post(world: World, word: str = "ack", body: Any = None, number: int = 7, **more: Any) -> TestResponse:
    body = BODIES[word] if body is None else body
    more = {"json": body, "environ_base": {"REMOTE_ADDR": "127.0.0.1"}} | more
    return world.client.post(f"/api/v1/incidents/{number}/{word}", **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("ack", Action(Verb.ACKNOWLEDGE, "this machine", Place.API)),
        ("unack", Action(Verb.UNACKNOWLEDGE, "this machine", Place.API)),
        ("resolve", Action(Verb.RESOLVE, "this machine", Place.API)),
        ("note", Action(Verb.NOTE, "this machine", Place.API, text="Looking.")),
        ("escalate", Action(Verb.ESCALATE, "this machine", Place.API, channel="slack-ml")),
    ],
)
def test_each_word_is_an_action(word: str, action: Action) -> None:
    world = World()
    answer = post(world, word)
    assert (answer.status_code, answer.get_json()["changed"]) == (200, True)
    assert world.actions.taken == [(7, action, None)]


@pytest.mark.parametrize("word", BODIES)
def test_a_get_never_acts(word: str) -> None:
    world = World()
    for method in ("get", "head", "options"):
        getattr(world.client, method)(f"/api/v1/incidents/7/{word}", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert world.client.get(f"/api/v1/incidents/7/{word}").status_code == 405
    assert world.actions.taken == []


MAY = {  # role: read, act, reload
    Role.VIEWER: (200, 403, 403),
    Role.RESPONDER: (200, 200, 403),
    Role.ADMIN: (200, 200, 200),
}


@pytest.mark.parametrize("role", Role)
def test_what_each_role_may(role: Role) -> None:
    world = World(ACCESS, reload=list)
    headers = bearer(TOKENS[role])
    read = world.client.get("/api/v1/incidents", headers=headers).status_code
    acts = {post(world, word, headers=headers, environ_base={"REMOTE_ADDR": "10.9.9.9"}).status_code for word in BODIES}
    reload = world.client.post("/-/reload", headers=headers).status_code
    assert (read, acts, reload) == (MAY[role][0], {MAY[role][1]}, MAY[role][2])


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (bearer(TOKENS[Role.ADMIN]), "bot-admin"),
        (bearer(TOKENS[Role.RESPONDER]), "Bob Ray"),
        ({"Authorization": "Basic YW5uOnJpZ2h0"}, "Ann Lee"),
        ({"Authorization": "Basic em9lOnJpZ2h0"}, "zoe"),
    ],
)
def test_the_login_or_token_says_who_acts(headers: dict[str, str], name: str) -> None:
    world = World(ACCESS)
    assert post(world, headers=headers).status_code == 200
    assert [action.actor for _, action, _ in world.actions.taken] == [name]
    claimed = post(world, body={"actor": "Eve"}, headers=headers)
    assert claimed.status_code == 400 and name in claimed.get_json()["error"]


def test_a_viewer_learns_which_role_it_takes() -> None:
    answer = post(World(ACCESS), headers={"Authorization": "Basic dmljOnJpZ2h0"})
    assert answer.status_code == 403
    assert "Vic Low has the role viewer, and this needs responder" in answer.get_json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        bearer(hashlib.sha256(b"x").hexdigest()),
        {"Authorization": "Basic YW5uOndyb25n"},
    ],
)
def test_no_login_no_action(headers: dict[str, str]) -> None:
    world = World(ACCESS)
    assert (post(world, headers=headers).status_code, world.actions.taken) == (401, [])


def test_without_users_this_machine_alone_acts_and_may_say_who() -> None:
    world = World(PLAIN + "people: [{name: Ann Lee, login: ann}]\n")
    assert post(world, environ_base={"REMOTE_ADDR": "10.9.9.9"}).status_code == 401
    assert post(world, body={"actor": " ann "}).status_code == 200
    assert [action.actor for _, action, _ in world.actions.taken] == ["Ann Lee"]


def test_a_token_may_come_from_a_file_that_is_read_at_each_use(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    world = World(PLAIN + f"web: {{tokens: [{{name: bot, role: responder, token_file: {file}}}]}}\n")
    remote: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "10.9.9.9"}}
    assert post(world, headers=bearer("first"), **remote).status_code == 200
    file.write_text("second\n")
    assert post(world, headers=bearer("first"), **remote).status_code == 401
    assert post(world, headers=bearer("second"), **remote).status_code == 200
    file.unlink()
    assert post(world, headers=bearer("second"), **remote).status_code == 401
    assert post(world, headers=bearer(""), **remote).status_code == 401


def test_a_credential_that_is_gone_once_it_was_let_in_gives_no_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token's file is replaced, or the configuration reloaded, between the login and the look at the role."""
    file = tmp_path / "token"
    file.write_text("first\n")
    for access, headers in (
        (f"web: {{tokens: [{{name: bot, role: viewer, token_file: {file}}}]}}\n", bearer("first")),
        (ACCESS.removeprefix(PLAIN), {"Authorization": "Basic dmljOnJpZ2h0"}),
    ):
        world = World(PLAIN + access, reload=list)
        demand = Logins.demand

        def lose(logins: Logins, world: World = world, demand: Any = demand) -> Any:
            found = demand(logins)
            file.unlink(missing_ok=True)
            world.settings = load_text(PLAIN, ENVIRON)
            return found

        monkeypatch.setattr(Logins, "demand", lose)
        remote: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "10.9.9.9"}, "headers": headers}
        assert (post(world, **remote).status_code, world.actions.taken) == (403, [])
        world.settings = load_text(PLAIN + access, ENVIRON)
        file.write_text("first\n")
        assert world.client.post("/-/reload", **remote).status_code == 403
        monkeypatch.undo()


@pytest.mark.parametrize("word", BODIES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_cannot_act(word: str, headers: dict[str, str]) -> None:
    world = World()
    assert (post(world, word, headers=headers).status_code, world.actions.taken) == (403, [])


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "", "text/plain; a=application/json"],
)
def test_what_a_form_can_send_does_not_act(kind: str) -> None:
    world = World()
    answer = post(world, json=None, data=b'{"text": "x"}', content_type=kind)
    assert (answer.status_code, world.actions.taken) == (415, [])
    assert "application/json" in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("word", "body", "why"),
    [
        ("note", {}, "text: the note is missing"),
        ("note", {"text": 5}, "text: the note is missing"),
        ("note", {"text": " \u0000\n"}, "text: the note is empty"),
        ("note", {"text": "x" * 2001}, "2,001 characters"),
        ("ack", {"revison": 3}, "'revison' is not known here; known are actor, revision"),
        ("ack", {"text": "x"}, "'text' is not known here"),
        ("ack", {"revision": "3"}, "revision: write the number"),
        ("ack", {"revision": True}, "revision: write the number"),
        ("ack", {"revision": 0}, "revision: write the number"),
        ("ack", {"revision": 2**31}, "revision: write the number"),
        ("ack", {"actor": ""}, "actor: write a name"),
        ("ack", {"actor": "x" * 201}, "actor: write a name"),
        ("escalate", {"channel": ""}, "channel: write a channel's name"),
        ("escalate", {"channel": " "}, "channel: write a channel's name"),
        ("escalate", {"channel": "\n\u0000"}, "channel: write a channel's name"),
        ("escalate", {"channel": "x" * 201}, "channel: write a channel's name"),
        ("escalate", {"channel": 0}, "channel: write a channel's name"),
        ("ack", [], "The body should be a JSON object"),
    ],
)
def test_a_wrong_body_is_explained(word: str, body: Any, why: str) -> None:
    world = World()
    answer = post(world, word, json=None, data=json.dumps(body), content_type="application/json")
    assert (answer.status_code, world.actions.taken) == (400, [])
    assert why in answer.get_json()["error"]


def test_an_unknown_incident_and_a_huge_body() -> None:
    world = World()
    assert post(world, number=8).status_code == 404
    assert post(world, "note", {"text": "x" * 70_000}).status_code == 413
    assert post(world, json=None, data=b"{", content_type="application/json").status_code == 400


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ä"])
def test_a_key_that_is_none_is_explained(key: str) -> None:
    world = World()
    assert post(world, headers={"Idempotency-Key": key}).status_code == 400
    assert world.actions.taken == []


def test_a_key_is_the_users_own_and_the_request_is_what_is_asked_for() -> None:
    world = World(ACCESS)
    for token, body in (
        (Role.ADMIN, {}),
        (Role.ADMIN, {"revision": 2}),
        (Role.RESPONDER, {}),
        (Role.ADMIN, {"revision": None}),
    ):
        headers = {**bearer(TOKENS[token]), "Idempotency-Key": "k"}
        assert post(world, body=body, headers=headers).status_code == 200
    first, other_request, other_user, same = [key for _, _, key in world.actions.taken if key is not None]
    assert first.id == other_request.id != other_user.id
    assert first.request != other_request.request
    assert first == same


def test_the_list_is_filtered_as_asked() -> None:
    world = World()
    query = (
        'text=x&filter=team=~"ml|data"&filter=a!="b"&severity=critical&severity=info&state=open&source=prod&channel=c'
    )
    assert (
        world.get(f"/api/v1/incidents?{query}&since=2026-11-23T10:00:00%2B01:00&acknowledged_by=Ann").status_code == 200
    )
    wanted = world.reader.wanted_incidents
    assert [str(each) for each in wanted.matchers] == ['team=~"ml|data"', 'a!="b"']
    assert wanted.severities == frozenset({Severity.CRITICAL, Severity.INFO})
    assert wanted.states == frozenset({State.OPEN})
    assert (wanted.text, wanted.source, wanted.channel, wanted.acknowledged_by) == ("x", "prod", "c", "Ann")
    assert wanted.since is not None and wanted.since.isoformat() == "2026-11-23T09:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("severity=bad", "severity must be one of critical"),
        ("state=", "state must be one of open"),
        ("filter=team", "filter: "),
        ('filter=team=~"("', "RE2"),
        ("since=2026-11-23T22:30:00+01:00", "+ is written %2B"),
        ("since=yesterday", "since must be a time"),
        ("until=0001-01-01T00:00:00%2B23:00", "until must be a time"),
        ("text=" + "x" * 501, "text has 501 characters"),
        ("since=2026-11-23T11:00:00Z&until=2026-11-23T10:00:00Z", "since (2026-11-23T11:00:00Z) is later than until"),
        ("held=storm&channel=c&text=x", "held goes with channel alone"),
    ],
)
def test_a_filter_that_cannot_be_understood_is_explained(query: str, why: str) -> None:
    answer = World().get(f"/api/v1/incidents?{query}")
    assert answer.status_code == 400
    assert why in answer.get_json()["error"]
