"""The pages of an incident: its links, and the command that silences it."""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace

import pytest

from bridge.core.model import State
from tests.web.web_fakes import ALERT, INCIDENT, NOW, PLAIN, World

SOURCE = 'sources: [{name: prod, tokens: ["${TOKEN}"], url: "http://am:9093"%s}]\n'
UI = ', alertmanager_ui: "https://am.example.org/ui/"'
QUERY = "http://prometheus:9090/graph?g0.expr=up"


@pytest.fixture
def world() -> World:
    world = World(PLAIN + SOURCE % "")
    world.reader.all[7] = replace(INCIDENT, external_url="http://webhook.example:9093")
    return world


def command(page: str) -> list[str]:
    (found,) = re.findall(r'<pre class="command">(.*?)</pre>', page, re.DOTALL)
    return shlex.split(html.unescape(found))


def test_the_silence_command_has_the_group_labels(world: World) -> None:
    page = world.get("/incidents/7/silence").text
    words = command(page)
    assert words[:5] == ["amtool", "silence", "add", "--alertmanager.url=http://am:9093", "--duration=2h"]
    assert words[5:] == [f"--comment=#7 {INCIDENT.title}", 'alertname="A"']
    assert "Its matchers match 1 of the 1 alerts that fire now" in " ".join(page.split())
    assert "Alertmanager&#39;s own pages" not in page


def test_the_silence_command_uses_the_url_from_the_webhook_if_none_is_configured(world: World) -> None:
    world.settings = World(PLAIN).settings
    assert "--alertmanager.url=http://webhook.example:9093" in command(world.get("/incidents/7/silence").text)
    world.reader.all[7] = replace(INCIDENT, external_url="javascript:alert(1)")
    assert not [word for word in command(world.get("/incidents/7/silence").text) if word.startswith("--alertmanager")]


def test_the_silence_command_has_the_common_labels_if_there_are_no_group_labels(world: World) -> None:
    one, two = (replace(ALERT, fingerprint=p, labels={"alertname": "A", "team": "x y", "pod": p}) for p in "ab")
    found = replace(INCIDENT, group_labels={}, alerts={"a": one, "b": two}, external_url="http://webhook.example:9093")
    world.reader.all[7] = found
    assert command(world.get("/incidents/7/silence").text)[-2:] == ['alertname="A"', 'team="x y"']
    world.reader.all[7] = replace(found, alerts={"a": one, "b": replace(two, labels={"alertname": "B"})})
    page = world.get("/incidents/7/silence").text
    assert "amtool silence add" not in page and "no label in common" in page


def test_the_pages_of_alertmanager_are_linked(world: World) -> None:
    assert '<a href="http' not in world.get("/incidents/7").text.partition("Alertmanager</dt>")[2].partition("</dd>")[0]
    world.settings = World(PLAIN + SOURCE % UI).settings
    form = "https://am.example.org/ui/#/silences/new?filter=%7Balertname%3D%22A%22%7D"
    assert f'href="{form}"' in world.get("/incidents/7/silence").text
    assert 'href="https://am.example.org/ui"' in world.get("/incidents/7").text


def test_an_incident_of_another_source_is_silenced_there(world: World) -> None:
    world.reader.all[7] = INCIDENT
    assert "does not come from an Alertmanager" in world.get("/incidents/7/silence").text
    elsewhere = replace(ALERT, annotations={"silence_url": "https://grafana.example/silence?x=1&y=2"})
    world.reader.all[7] = replace(INCIDENT, alerts={"f1": elsewhere})
    assert 'href="https://grafana.example/silence?x=1&amp;y=2"' in world.get("/incidents/7/silence").text


def test_a_resolved_incident_says_so(world: World) -> None:
    world.reader.all[7] = replace(world.reader.all[7], state=State.RESOLVED, resolved_at=NOW)
    assert "It is resolved" in world.get("/incidents/7/silence").text
    assert ">Silence</a>" not in world.get("/incidents/7").text


@pytest.mark.parametrize(
    "path", ["/incidents/99/alerts", "/incidents/99/silence", "/incidents/x/silence", "/incidents/7/"]
)
def test_the_pages_of_an_unknown_incident_are_not_found(world: World, path: str) -> None:
    assert world.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/incidents/7", "/incidents/7/alerts", "/incidents/7/silence"])
def test_received_text_is_escaped(world: World, path: str) -> None:
    nasty = {"alertname": "<script>x</script>", "a\u202eb": '"><img src=x>', "c": "';rm -rf ~;'"}
    alert = replace(
        ALERT, labels=nasty, generator_url="javascript:alert(1)", annotations={"runbook_url": "javascript:x"}
    )
    world.reader.all[7] = replace(INCIDENT, group_labels=nasty, alerts={"f": alert}, external_url="http://a:1/';x'")
    page = world.get(path).text
    assert "<script" not in page and "<img" not in page and 'href="javascript' not in page and "\u202e" not in page


def test_an_incident_links_to_its_runbook_dashboard_and_source(world: World) -> None:
    annotations = {"runbook_url": "/MLErrorRateCritical", "dashboard_url": "/d/mlops?x=1"}
    world.reader.all[7] = replace(INCIDENT, alerts={"f1": replace(ALERT, annotations=annotations, generator_url=QUERY)})
    page = world.get("/incidents/7").text
    assert 'href="/runbooks/MLErrorRateCritical"' in page and ">Dashboard</a>" not in page
    assert f'href="{QUERY}"' in page and ">Prometheus</a>" in page
    more = "runbook_base_url: https://wiki.example/ops/\ndashboard_base_url: https://grafana.example\nexternal_url: https://b.example\n"
    world.settings = World(PLAIN + more).settings
    page = world.get("/incidents/7").text
    assert 'href="https://wiki.example/ops/MLErrorRateCritical"' in page
    assert 'href="https://grafana.example/d/mlops?x=1&amp;from=' in page
    assert 'href="/incidents/7/alerts"' in page


def test_labels_are_shown_as_prometheus_shows_them(world: World) -> None:
    world.reader.all[7] = replace(INCIDENT, alerts={"f1": replace(ALERT, labels={"team": 'a "b"'})})
    for path in ("/incidents/7", "/incidents/7/alerts"):
        assert 'team="a \\"b\\""' in html.unescape(world.get(path).text)
