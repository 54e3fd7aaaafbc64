"""What counts as notified: by the shapes in which the sandbox and the bridge report it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dev.stack.drill_watching import Incident, Rule, Site, Unanswered, Watch, running_site
from dev.stack.errors import StackError
from dev.stack.places import Places
from dev.stack.ports import Ports

INCIDENT = {"number": 7, "uid": "u7", "dedup_key": "key", "state": "open", "revision": 2}
OLD = INCIDENT | {"number": 3, "uid": "u3", "state": "resolved"}


@dataclass
class World:
    """One server in the place of all four; answers by path, and what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    port: int = 0

    def site(self, places: Places, speed: int = 30) -> Site:
        return Site(
            places, Ports(**dict.fromkeys(("sandbox", "alertmanager", "prometheus", "bridge"), self.port)), speed
        )


@pytest.fixture
def world() -> Iterator[World]:
    world = World()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            world.asked.append((parts.path, parse_qs(parts.query)))
            content = world.answers.get(parts.path)
            self.send_response(503 if content is None else 200)
            self.end_headers()
            self.wfile.write(content.encode() if isinstance(content, str) else json.dumps(content).encode())

        def log_message(self, *words: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        world.port = server.server_port
        yield world
        server.shutdown()


@pytest.fixture
def watch(world: World, places: Places) -> Watch:
    return Watch(world.site(places))


def rule(severity: str, **labels: str) -> Rule:
    return Rule("MyAlert", "x > 1", 10, 5, {"severity": severity, **labels})


def incident(state: str = "open", revision: int = 2) -> Incident:
    return Incident(7, "u7", "key", state, revision, "http://x/incidents/7")


def sandbox(**parts: Any) -> dict[str, Any]:
    return {"pagerduty": {"incidents": []}, "mail": [], "slack": {"channels": {}}, **parts}


def page(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {"number": number, "status": status, "dedup_key": "key", "summary": "12 %", "custom_details": {}} | more


def mail(status: str, revision: int, number: int = 7) -> dict[str, Any]:
    headers = [["X-Alert-Incident", str(number)], ["X-Alert-Status", status], ["X-Alert-Revision", str(revision)]]
    return {"number": revision, "recipients": ["a@example.org"], "subject": "hot", "headers": headers}


def post(revision: int, uid: str = "u7") -> dict[str, Any]:
    payload = {"delivery_id": f"{uid}:slack-ml", "revision": revision}
    return {"text": "new version", "metadata": {"event_type": "incident", "event_payload": payload}}


def test_the_newest_incident_of_the_alert_is_the_one(world: World, watch: Watch) -> None:
    other = INCIDENT | {"number": 9}
    names = [("MyAlert", INCIDENT), ("MyAlert", OLD), ("Other", other)]
    world.answers["/api/v1/incidents"] = {
        "incidents": [one | {"group_labels": {"alertname": name}} for name, one in names] + [{"group_labels": {}}]
    }
    found = watch.incident("MyAlert")
    assert found is not None
    assert (found.number, found.uid, found.url) == (7, "u7", f"http://127.0.0.1:{world.port}/incidents/7")
    assert watch.incident("Unknown") is None


def test_a_critical_alert_is_a_page_of_its_incident(world: World, watch: Watch) -> None:
    pages = [page(1, "resolved"), page(2, "triggered"), page(3, "resolved", dedup_key="other")]
    world.answers["/state"] = sandbox(pagerduty={"incidents": pages})
    assert watch.message(rule("critical"), incident(), firing=True) == "PagerDuty incident #2, triggered: 12 %"
    assert watch.message(rule("critical"), incident("resolved"), firing=False) == ""
    pages[1]["status"] = "resolved"
    world.answers["/state"] = sandbox(pagerduty={"incidents": pages})
    assert watch.message(rule("critical"), incident("resolved"), firing=False).startswith("PagerDuty incident #2, res")
    assert watch.message(rule("critical"), incident(), firing=True) == ""


def test_a_warning_is_the_newest_mail_of_its_incident(world: World, watch: Watch) -> None:
    world.answers["/state"] = sandbox(mail=[mail("firing", 1), mail("firing", 2), mail("resolved", 9, number=8)])
    assert watch.message(rule("warning"), incident(), firing=True) == "mail 2 to a@example.org: hot"
    assert watch.message(rule("warning"), incident(revision=3), firing=True) == "", "the mail shows an older state"
    assert watch.message(rule("warning"), incident("resolved", 3), firing=False) == ""
    world.answers["/state"]["mail"].append(mail("resolved", 3))
    assert watch.message(rule("warning"), incident("resolved", 3), firing=False).startswith("mail 3 ")


def test_an_info_is_a_slack_message_that_shows_the_newest_revision(world: World, watch: Watch) -> None:
    messages = [post(2), post(9, uid="u8"), {"text": "another's", "metadata": None}]
    world.answers["/state"] = sandbox(slack={"channels": {"#ml": {"messages": messages}}})
    assert watch.message(rule("info"), incident(), firing=True) == "Slack message in #ml: new version"
    assert watch.message(rule("info"), incident("resolved", 3), firing=False) == "", "it was not edited yet"


def test_nothing_is_notified_before_the_bridge_agrees(world: World, watch: Watch) -> None:
    world.answers["/state"] = sandbox(mail=[mail("firing", 2)])
    assert watch.message(rule("warning"), None, firing=True) == ""
    assert watch.message(rule("warning"), incident("resolved"), firing=True) == ""


def test_a_direct_alert_is_a_page_past_the_bridge(world: World, watch: Watch) -> None:
    direct = page(4, "triggered", custom_details={"runbook": "https://runbooks.example.org/MyAlert"})
    world.answers["/state"] = sandbox(pagerduty={"incidents": [page(3, "triggered"), direct]})
    assert watch.message(rule("critical", route="direct"), None, firing=True).startswith("PagerDuty incident #4")


def test_a_rule_is_known_as_this_prometheus_evaluates_it(world: World, watch: Watch) -> None:
    listed = {"name": "MyAlert", "query": "x > 1", "duration": 10, "keepFiringFor": 5, "labels": {"severity": "info"}}
    world.answers["/api/v1/rules"] = {"data": {"groups": [{"rules": [{"name": "Other"}, listed]}]}}
    assert watch.rule("MyAlert") == rule("info")
    with pytest.raises(StackError, match="has no alert Missing"):
        watch.rule("Missing")


def test_firing_anywhere_counts_for_the_whole_alert(world: World, watch: Watch) -> None:
    states = [("MyAlert", "pending"), ("MyAlert", "firing"), ("Other", "pending")]
    world.answers["/api/v1/alerts"] = {
        "data": {"alerts": [{"state": state, "labels": {"alertname": name}} for name, state in states]}
    }
    assert [watch.state(name) for name in ("MyAlert", "Other", "Unknown")] == ["firing", "pending", ""]


def test_a_value_that_is_no_number_is_none(world: World, watch: Watch) -> None:
    result = [{"value": [0, text]} for text in ("NaN", "0.5", "0.25")]
    world.answers["/api/v1/query"] = {"data": {"result": result}}
    assert watch.value("x{a='1 + 1'}") == 0.5
    assert world.asked[-1][1] == {"query": ["x{a='1 + 1'}"]}
    world.answers["/api/v1/query"] = {"data": {"result": result[:1]}}
    assert watch.value("x") is None


def test_who_mutes_an_alert_is_named(world: World, watch: Watch) -> None:
    worse = {"labels": {"alertname": "Worse"}, "fingerprint": "f1", "status": {"inhibitedBy": []}}
    mine = {"labels": {"alertname": "MyAlert"}, "fingerprint": "f2", "status": {"inhibitedBy": ["f1"]}}
    world.answers["/api/v2/alerts"] = [mine, worse]
    assert watch.since("MyAlert") == "Alertmanager mutes it, because of Worse"


def test_a_service_that_is_gone_or_mumbles_did_not_answer(world: World, watch: Watch) -> None:
    with pytest.raises(Unanswered, match=r"/state answered 503"):
        watch.message(rule("critical"), incident(), firing=True)
    world.answers["/state"] = "<html>"
    with pytest.raises(Unanswered, match="did not answer with JSON"):
        watch.message(rule("critical"), incident(), firing=True)


def test_without_make_up_a_drill_says_how_to_start_one(places: Places, world: World) -> None:
    with pytest.raises(StackError, match=r"(?s)No complete `make up` was found.*make up\n.*--start"):
        running_site(places)
    places.running.write_text(json.dumps({"speed": 30, "ports": {"prometheus": world.port}}))
    with pytest.raises(StackError, match="answered 503"):
        running_site(places)
    world.answers["/-/ready"] = "ok"
    assert running_site(places) == Site(places, Ports(prometheus=world.port), 30)
