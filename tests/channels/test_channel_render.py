"""The renderer: what messages say, that nothing active gets through, and that no template fault is fatal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.channels.slack.blocks import blocks_of
from bridge.core.model import Alert, Flap, Incident, State, Status, Target
from bridge.core.numbers import in_words
from bridge.core.ports import Message
from bridge.rendering.links import safe_href
from bridge.rendering.renderer import MAX_HTML_BYTES, NAMES, Renderer, check_templates
from bridge.rendering.sample import sample_alert, sample_claim, sample_context, sample_incident, sample_news

NASTY = {"summary": "<script>alert(1)</script>\x00\u202e", "description": "</td>&\r\nx", "runbook_url": "javascript:x"}


def rendered(incident: Incident, *, firing: bool = True, templates: Path | None = None, **more: Any) -> Message:
    renderer = Renderer(templates, "https://bridge.example", **more)
    return renderer.message(incident, sample_claim(firing=firing), sample_news(), html=True)


def an_incident(count: int = 2, **annotations: str) -> Incident:
    base = sample_alert("Slow", Status.FIRING)
    alerts: dict[str, Alert] = {
        str(n): replace(base, fingerprint=f"{n:03}", annotations=annotations or base.annotations) for n in range(count)
    }
    return replace(sample_incident(resolved=False), alerts=alerts, acknowledged_by=None, state=State.OPEN)


def test_summaries_read_well_aloud() -> None:
    assert rendered(an_incident(1)).summary == "Firing: API is slow"
    assert rendered(an_incident(3)).summary == "3 alerts firing: API is slow"
    half = rendered(sample_incident(resolved=False))
    assert half.summary == "1 of 2 alerts firing, acknowledged by Ana: API is slow"
    over = rendered(sample_incident(resolved=True), firing=False)
    assert over.summary == "Resolved after 12 min: API is slow"


def test_what_flaps_says_so_and_that_an_end_is_deferred() -> None:
    """The title is what responders search for, so it stays."""
    start, (steady, ended) = an_incident().opened_at, an_incident().alerts.values()
    flap = Flap(since=start, state_changes=6, state_changed_at=start + timedelta(minutes=23))
    alerts = {"0": steady, "1": replace(ended, status=Status.RESOLVED, deferred=True)}
    shown = rendered(replace(an_incident(), alerts=alerts, flap=flap))
    assert (shown.summary, shown.title) == ("Flapping, 6 times in 23 min: API is slow", an_incident().title)
    assert [line.muted for line in shown.alerts] == ["", "its end is deferred while it flaps"]
    assert "flapping (6 times in 23 min)" in shown.text and "flapping, 6 times in 23 min" in shown.html
    assert "flapping, 6 times in 23 min" in blocks_of(shown)[1]["text"]["text"]
    assert "Flapping" not in rendered(replace(an_incident(), flap=flap), firing=False).summary


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (61, "1 min"), (12000, "3 h 20 min"), (172800, "2 d")])
def test_durations(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


def test_at_most_25_alerts_the_firing_ones_first() -> None:
    incident = an_incident(40)
    ended = replace(incident.alerts["0"], status=Status.RESOLVED)
    message = rendered(replace(incident, alerts={**incident.alerts, "0": ended}))
    assert (len(message.alerts), message.hidden, message.firing_count) == (25, 15, 39)
    assert {line.status for line in message.alerts} == {"firing"}
    assert "15 more alerts" in message.text
    assert "15 more alerts" in message.html


def test_untrusted_text_stays_text() -> None:
    message = rendered(an_incident(2, **NASTY))
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert "javascript:" not in message.html + message.text
    assert not set("\x00\u202e\r") & set(message.html + message.text + message.summary)


def test_html_is_never_clipped() -> None:
    message = rendered(an_incident(25, description="é" * 2000, summary="&" * 500))
    assert 0 < len(message.html.encode()) <= MAX_HTML_BYTES


@pytest.mark.parametrize(
    "text", ["javascript:x", "data:,x", "http://", "//x", "", "http://u:p@x/", "http://[", "ftp://x"]
)
def test_no_other_schemes(text: str) -> None:
    assert safe_href(text) is None


@pytest.mark.parametrize("template", ["{{ nothing.at.all }}", "{% if %}", "{{ 1 / 0 }}", "{{ ''.__class__.__mro__ }}"])
def test_a_template_fault_is_reported_and_is_not_fatal(tmp_path: Path, template: str) -> None:
    for name in NAMES:
        (tmp_path / name).write_text(template)
    faulty: list[str] = []
    message = rendered(an_incident(), templates=tmp_path, on_fault=lambda name, text: faulty.append(name))
    assert message.summary == "2 alerts firing: API is slow"
    assert "Slow" in message.text
    assert message.html == ""
    assert sorted(faulty) == sorted(NAMES)
    assert len(list(check_templates(tmp_path))) == 3


def test_operator_templates_come_first_and_the_built_in_are_sound(tmp_path: Path) -> None:
    (tmp_path / "summary.txt").write_text("{{ title }} is {{ state }}\n")
    assert rendered(an_incident(), templates=tmp_path).summary == "HighLatency c1 is open"
    assert list(check_templates(tmp_path)) == list(check_templates(None)) == []


def test_an_incident_without_alerts() -> None:
    assert rendered(replace(an_incident(), alerts={}, external_url="")).summary == "0 alerts firing: HighLatency c1"


def test_a_fault_in_a_channels_folder_is_found_and_is_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "slack-ml").mkdir()
    (tmp_path / "slack-ml" / "summary.txt").write_text("{{ facts[0].colour }}")
    (tmp_path / "notes").mkdir()
    (found,) = check_templates(tmp_path)
    assert found.startswith("slack-ml/summary.txt: UndefinedError")
    renderer = Renderer(tmp_path, None)
    claim = replace(sample_claim(firing=True), target=Target("slack-ml"))
    assert renderer.message(an_incident(1), claim, (), sample_context(), html=False).summary.startswith("Firing: API")
    assert renderer.faults == 1


def test_a_sample_without_a_context_is_tried_too(tmp_path: Path) -> None:
    (tmp_path / "summary.txt").write_text("{{ facts[0].title }}")
    (found,) = check_templates(tmp_path)
    assert found.startswith("summary.txt: UndefinedError")
