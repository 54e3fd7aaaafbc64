"""Where a message's links lead: to what there is, and nowhere else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from bridge.core.model import Incident
from bridge.core.ports import Message
from bridge.rendering.links import MAX_HREF, Addresses, below, links_of, safe_href
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_alert, sample_claim, sample_incident
from bridge.rendering.view import in_order
from tests.channels.channel_builders import a_claim, a_pagerduty, a_slack, an_email

BRIDGE = "https://bridge.example"
QUERY = "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
SLACK_LINK = re.compile(r"<https?://[^<>|\s]+\|([^<>|]+)>")
OWN = "MLErrorRateCritical"  #: a runbook that the bridge brings along


def an_incident(generator_url: str = "", *, resolved: bool = False, **annotations: str) -> Incident:
    incident = sample_incident(resolved=resolved)
    status = next(iter(incident.alerts.values())).status
    alert = replace(sample_alert("A", status), annotations=annotations, generator_url=generator_url)
    return replace(incident, alerts={"a": alert}, group_labels={"alertname": 'A "b"', "c": "d e"})


def links(incident: Incident, addresses: Addresses) -> dict[str, str]:
    return {link.text: link.href for link in links_of(incident, in_order(incident), addresses)}


@pytest.mark.parametrize(
    ("written", "runbooks", "href"),
    [
        (f"/{OWN}", None, f"{BRIDGE}/runbooks/{OWN}"),
        (OWN, None, f"{BRIDGE}/runbooks/{OWN}"),
        ("/NobodyWroteIt", None, None),
        (f"/{OWN}", "https://wiki.example/ops", f"https://wiki.example/ops/{OWN}"),
        ("team/Slow?x=1", "https://wiki.example/ops", "https://wiki.example/ops/team/Slow?x=1"),
        ("https://other.example/a b", "https://wiki.example/ops", "https://other.example/a%20b"),
        ("see the wiki", "https://wiki.example", None),
        ("//evil.example/x", "https://wiki.example", None),
        ("javascript:alert(1)", "https://wiki.example", None),
        ("/a/../../-/reload", "https://wiki.example", None),
        ("/a/%2e%2e/b", "https://wiki.example", None),
        ("/a\\..\\b", "https://wiki.example", None),
        ("", "https://wiki.example", None),
    ],
)
def test_a_runbook_is_a_page_below_one_address(written: str, runbooks: str | None, href: str | None) -> None:
    found = links(an_incident(runbook_url=written), Addresses(BRIDGE, runbooks))
    assert found.get("Runbook") == href


def test_without_an_address_of_its_own_the_bridge_leads_to_no_runbook_of_its_own() -> None:
    assert links(an_incident(runbook_url=f"/{OWN}"), Addresses()) == {}


def test_a_dashboard_is_a_path_below_one_address_around_the_start() -> None:
    incident = an_incident(dashboard_url="/d/mlops?var-namespace=$__all&var-job=a b")
    assert "Dashboard" not in links(incident, Addresses(BRIDGE))
    href = links(incident, Addresses(BRIDGE, dashboards="https://grafana.example/g"))["Dashboard"]
    assert href.startswith("https://grafana.example/g/d/mlops?var-namespace=$__all&var-job=a%20b&from=17")


def test_alerts_and_silence_lead_to_pages_that_every_installation_has() -> None:
    found = links(an_incident(), Addresses(BRIDGE, alertmanagers={"sample": "https://am.example"}))
    assert found == {"Alerts": f"{BRIDGE}/incidents/7/alerts", "Silence": f"{BRIDGE}/incidents/7/silence"}


@pytest.mark.parametrize("change", [{"external_url": ""}, {"resolved": True}])
def test_what_came_from_no_alertmanager_or_is_over_is_not_silenced(change: dict[str, object]) -> None:
    resolved = bool(change.pop("resolved", False))
    incident = replace(an_incident(resolved=resolved), **change)  # type: ignore[arg-type]
    assert list(links(incident, Addresses(BRIDGE))) == ["Alerts"]


def test_where_the_bridge_has_no_address_an_alertmanager_with_pages_is_linked() -> None:
    assert links(an_incident(), Addresses()) == {}
    found = links(an_incident(), Addresses(alertmanagers={"sample": "https://am.example"}))
    assert list(found) == ["Alerts", "Silence"]
    start, _, encoded = found["Silence"].partition("?filter=")
    assert start == "https://am.example/#/silences/new"
    assert "+" not in encoded and "%20" in encoded  # as its page decodes it
    assert unquote(encoded) == '{alertname="A \\"b\\"", c="d e"}'


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (QUERY, "Prometheus"),
        ("https://grafana.example/alerting/x/view", "Source"),
        ("javascript:alert(1)", None),
        ("http://u:secret@prometheus/graph?g0.expr=up", None),
        (f"http://prometheus/graph?g0.expr={'x' * MAX_HREF}", None),
        ("", None),
    ],
)
def test_where_an_alert_comes_from_is_linked(url: str, text: str | None) -> None:
    found = links(an_incident(url), Addresses())
    assert ([text] if text else []) == list(found)
    assert [safe_href(url)] == list(found.values()) or text is None


def message(incident: Incident) -> Message:
    renderer = Renderer(None, BRIDGE, addresses=Addresses(dashboards="https://grafana.example"))
    return renderer.message(incident, sample_claim(firing=True), (), html=True)


@pytest.mark.parametrize("wide", [False, True])
def test_every_channel_carries_them(wide: bool) -> None:
    url = QUERY + ("&x=" + '<|>"' * 100 if wide else "")
    shown = message(an_incident(url, runbook_url=f"/{OWN}", dashboard_url="/d/a"))
    slack = json.dumps(a_slack().compose(shown, a_claim()).content)
    event = a_pagerduty().compose(shown, a_claim()).content["events"][0]
    mail = an_email().compose(shown, a_claim()).content.decode()
    assert {each["text"] for each in event["links"]} == {"Runbook", "Dashboard", "Alerts", "Silence", "Prometheus"}
    assert {"Runbook", "Dashboard", "Alerts", "Silence", "Prometheus", "Incident"} <= set(SLACK_LINK.findall(slack))
    assert (
        shown.html.count(">Prometheus</a>") == 1 and "\nPrometheus: http://prometheus:9090/graph?g0.expr" in shown.text
    )
    assert "Prometheus" in mail


def test_no_link_takes_the_place_of_the_incidents_own() -> None:
    long = an_incident(f"http://prometheus/graph?g0.expr={'x' * 1900}", runbook_url="https://r.example/" + "y" * 1900)
    slack = json.dumps(a_slack().compose(message(long), a_claim()).content)
    assert "|Incident>" in slack and "|Runbook>" in slack


def test_a_base_is_never_left() -> None:
    assert below("https://a.example/b", "/c d?e=<f>") == "https://a.example/b/c%20d?e=%3Cf%3E"
    assert below("https://a.example/b", "@evil.example/") is None
