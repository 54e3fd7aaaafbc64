"""The context of an incident, as responders read it in each channel."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.core.facts import Confidence, Context, Hypothesis, Part, Past, Unit, Unknown, Verdict
from bridge.core.model import Status
from bridge.rendering.links import around
from bridge.rendering.sample import sample_alert, sample_context, sample_incident
from tests.channels.channel_builders import AT, a_message, an_alert
from tests.channels.message_reading import (
    a_change,
    a_fact,
    a_view,
    an_incident,
    details_of,
    rendered,
    slack_texts,
)


@pytest.mark.parametrize(
    ("now", "before", "arrow"),
    [(0.073, 0.021, "↑"), (0.021, 0.073, "↓"), (0.02, 0.021, "→"), (0.0, 0.0, "→"), (0.1, 0.0, "↑"), (-2, -1, "↓")],
)
def test_a_trend_is_shown_against_the_first_past(now: float, before: float, arrow: str) -> None:
    (fact,) = a_view(a_fact(value=now, past=(Past("usually", before),))).facts
    assert fact.trend[0] == arrow
    assert "usually" in fact.trend


def test_a_fact_reads_well_on_one_line() -> None:
    past, parts = (Past("usually", 0.021), Past("1 h ago", 0.02)), (Part("api-2", 0.31),)
    (fact,) = a_view(a_fact(past=past, parts=parts, verdict=Verdict.BAD, why="above 5 %")).facts
    assert fact.line == "7.3 % (bad, above 5 %); ↑ usually 2.1 % (3.5 x), 1 h ago 2 %; api-2: 31 %"
    assert fact.marked == "🔴 bad, above 5 %"
    assert fact.detail == "above 5 %; ↑ usually 2.1 % (3.5 x); api-2: 31 %"


@pytest.mark.parametrize(
    ("unit", "parts", "text"),
    [
        (Unit.COUNT, (Part("api-1", 40, 90), Part("api-2", 1, 88)), "api-1: 40 of 90, api-2: 1 of 88"),
        (Unit.COUNT, (Part("v1", 2), Part("v2", 1)), "v1: 2, v2: 1"),
        (Unit.PER_SECOND, (Part("api-2", 9.4), Part("api-1", 0.6)), "api-2: 9.4/s, api-1: 0.6/s"),
        (Unit.RATIO, (Part("api-2", 0.92),), "api-2: 92 %"),
    ],
)
def test_parts_are_shown_as_they_were_measured_and_never_as_shares_of_all(
    unit: Unit, parts: tuple[Part, ...], text: str
) -> None:
    (fact,) = a_view(a_fact(unit=unit, value=10.0, parts=parts)).facts
    assert fact.parts == text


@pytest.mark.parametrize(("minutes", "age"), [(0, ""), (2, ""), (9, "measured at 09:51:00, 9 min earlier"), (-5, "")])
def test_only_an_old_fact_tells_its_own_age(minutes: int, age: str) -> None:
    (fact,) = a_view(a_fact(at=AT - timedelta(minutes=minutes))).facts
    assert fact.age == age


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "v2 deployed 6 min before it fired, by ci"),
        ({"previous": "v1", "by": ""}, "v2 deployed (before: v1) 6 min before it fired"),
        ({"kind": "rollback", "version": "v1"}, "rolled back to v1 6 min before it fired, by ci"),
        ({"kind": "retraining", "version": "", "summary": "Retraining"}, "Retraining 6 min before it fired, by ci"),
        ({"version": "", "summary": "", "by": ""}, "deploy 6 min before it fired"),
        ({"at": AT + timedelta(seconds=90), "by": ""}, "v2 deployed 1 min after it fired"),
        ({"service": "gateway", "by": ""}, "gateway: v2 deployed 6 min before it fired"),
    ],
)
def test_a_change_says_what_when_and_by_whom(changes: dict[str, Any], text: str) -> None:
    (change,) = a_view(changes=(a_change(**changes),)).changes
    assert change.text == text


def test_a_changes_link_is_http_or_none() -> None:
    links = ("https://ci.example/1", "javascript:alert(1)", "")
    shown = [a_view(changes=(a_change(link=link),)).changes[0].href for link in links]
    assert shown == ["https://ci.example/1", None, None]


def test_what_is_missing_for_one_reason_is_listed_together() -> None:
    missing = (Unknown("PSI", "no answer"), Unknown("Pods", "no data"), Unknown("Memory", "no answer"))
    assert a_view(unknown=missing).unknown == ("PSI, Memory: no answer", "Pods: no data")


@pytest.mark.parametrize("count", [1, 15, 400])
@pytest.mark.parametrize("length", [3, 40, 1000])
def test_however_much_is_missing_the_reason_is_there(count: int, length: int) -> None:
    titles = [f"{number} ".ljust(length, "x") for number in range(count)]
    (text,) = a_view(unknown=[Unknown(title, "Prometheus does not answer within 1.5 s") for title in titles]).unknown
    assert len(text) <= 300 and text.startswith("0 ")
    assert text.endswith(": Prometheus does not answer within 1.5 s")
    listed = text.removesuffix(": Prometheus does not answer within 1.5 s")
    more = int(listed.rpartition(" and ")[2].removesuffix(" more")) if listed.endswith(" more") else 0
    assert listed.count(", ") + 1 + more == count


def test_a_name_that_is_written_from_right_to_left_keeps_its_number_beside_it() -> None:
    (fact,) = a_view(a_fact(value=None, parts=(Part("שלום", 0.5), Part("api", 0.4)))).facts
    assert fact.parts == "שלום\u200e: 50 %, api: 40 %"


HYPOTHESIS = Hypothesis(
    "version_fails", "v2 fails; v1 does not.", ("40 of 90",), Confidence.LIKELY, "v2 was deployed 6 min before"
)


SPREAD = a_fact(name="failing", value=3.0, unit=Unit.COUNT, of=3.0, role="pods_failing")


@pytest.mark.parametrize(
    ("context", "summary"),
    [
        (None, "Firing: API is slow"),
        (Context(AT, hypothesis=HYPOTHESIS), "Firing: API is slow; v2 was deployed 6 min before"),
        (Context(AT, (a_fact(verdict=Verdict.BAD),)), "Firing: API is slow; Errors 7.3 %"),
        (Context(AT, (a_fact(verdict=Verdict.GOOD),)), "Firing: API is slow"),
        (
            Context(AT, (SPREAD,), hypothesis=HYPOTHESIS),
            "Firing: API is slow on 3 of 3 pods; v2 was deployed 6 min before",
        ),
        (Context(AT, (replace(SPREAD, value=0.0),)), "Firing: API is slow"),
        (Context(AT, (replace(SPREAD, of=None),)), "Firing: API is slow"),
    ],
)
def test_a_summary_says_the_cause_or_else_the_worst_number(context: Context | None, summary: str) -> None:
    assert rendered(an_incident(), context).summary == summary


def test_a_summary_that_is_long_already_is_not_made_longer() -> None:
    long = sample_alert("Slow", Status.FIRING)
    long = replace(long, annotations={"summary": "x" * 140})
    message = rendered(an_incident(alerts={"1": long}), Context(AT, hypothesis=HYPOTHESIS))
    assert message.summary == "Firing: " + "x" * 140


def test_an_end_says_how_long_how_bad_and_who_had_it() -> None:
    over = replace(sample_incident(resolved=True), acknowledged_by="Ana")
    message = rendered(over, sample_context(), firing=False)
    assert message.summary == "Resolved after 12 min, peak 9.1 %, acknowledged by Ana: API is slow"
    for text in (message.text, message.html, " ".join(slack_texts(replace(message, firing=False)))):
        for words in ("12 min", "peak 9.1 %", "Ana"):
            assert words in text


def test_slack_says_everything_in_the_order_of_need() -> None:
    texts = "\n".join(slack_texts(rendered(an_incident(), sample_context())))
    order = [
        "HighLatency c1", "*critical*, open", "4 min before it fired", "incident 7",
        "🔴 Failing predictions *7.3 %* above 5 %; ↑ usually 2.1 %",
        "*Where:* instance &lt;i&amp;1&gt;", "*Probably:* v2 was",
        "*What changed:* api: v2 deployed (before: v1) 2 min before it began",
        "*<https://run.example/a|Runbook>*", "rule: change_at_onset",
        "Not known: Drift score: Prometheus did not answer", "🔴 firing *Slow*",
    ]  # fmt: skip
    places = [texts.find(words) for words in order]
    assert -1 not in places, texts
    assert places == sorted(places)


def test_bad_facts_are_dropped_from_the_least_important_on_and_the_message_says_how_many() -> None:
    facts = tuple(
        a_fact(title=f"Fact {n} {'é' * 50}", parts=(Part("é" * 60, 0.1),) * 6, verdict=Verdict.BAD) for n in range(30)
    )
    texts = slack_texts(a_message(context=Context(AT, facts), alerts=(an_alert(),) * 5))
    assert [line[:8] for line in texts[2].split("\n")[:3]] == ["🔴 Fact 0", "🔴 Fact 1", "🔴 Fact 2"]
    shown = [text[1:8].strip(" é") for text in texts if text.startswith("*Fact")]
    assert [f"Fact {n + 3}" for n in range(len(shown))] == shown
    assert 0 < len(shown) < 20
    assert f"{27 - len(shown)} more facts" in texts[-1]
    assert "<https://bridge.example/incidents/7|all of it>" in texts[-1]


def test_pagerdutys_details_begin_with_the_first_screen() -> None:
    details = details_of(rendered(an_incident(), sample_context()))
    first = ["what_fails", "began", "where", "probably", "what_changed", "rule", "facts", "not_known", "measured_at"]
    assert list(details)[: len(first)] == first
    assert details["what_fails"] == ["Failing predictions 7.3 %: above 5 %; ↑ usually 2.1 % (3.5 x)"]
    assert details["facts"]["Failing predictions"] == "7.3 % (bad, above 5 %); ↑ usually 2.1 % (3.5 x), 1 h ago 2 %"
    assert details["measured_at"] == "2026-01-02 03:16:05 UTC"


def test_all_channels_say_the_same_of_many_alerts() -> None:
    base = sample_alert("Slow", Status.FIRING)
    started = {str(n): replace(base, fingerprint=f"{n:03}", starts_at=AT - timedelta(hours=n)) for n in range(40)}
    ended = {each: replace(started[each], status=Status.RESOLVED, ends_at=AT) for each in ("38", "39")}
    incident = an_incident(alerts={**started, **ended}, opened_at=AT, updated_at=AT)
    message = rendered(incident, Context(AT, changes=(a_change(service=""),)))
    change = "v2 deployed 1 d 14 h after it fired, by ci"
    for text in (message.text, message.html, " ".join(slack_texts(message)), json.dumps(details_of(message))):
        assert change in text


def test_pagerdutys_facts_with_one_title_are_all_there() -> None:
    facts = tuple(a_fact(name=name) for name in ("a", "b"))
    assert list(details_of(a_message(context=Context(AT, facts)))["facts"]) == ["Errors", "Errors (b)"]


def test_without_a_context_nothing_is_said_of_one() -> None:
    message = rendered(an_incident(), None)
    assert list(details_of(message))[:2] == ["where", "incident"]
    for text in (message.text, message.html, " ".join(slack_texts(message))):
        assert not [word for word in ("robably", "easured", "ot known", "changed") if word in text]


def test_a_context_without_answers_says_so() -> None:
    silent = Context(AT, unknown=(Unknown("Errors", "Prometheus did not answer"),))
    message = rendered(an_incident(), silent)
    for text in (message.text, message.html, " ".join(slack_texts(message)), json.dumps(details_of(message))):
        assert "Prometheus did not answer" in text
    assert "2026-11-23 10:00:00" in message.text


def test_a_dashboard_opens_around_the_start() -> None:
    query = parse_qs(
        urlsplit(around("https://g.example/d/x?var-job=api#p", [sample_alert("Slow", Status.FIRING)])).query
    )
    started = sample_alert("Slow", Status.FIRING).starts_at.timestamp()
    assert query == {"var-job": ["api"], "from": [f"{started - 3600:.0f}000"], "to": [f"{started + 3600:.0f}000"]}


@pytest.mark.parametrize("own", ["from=now-1h&to=now", "to=5", "from="])
def test_a_dashboards_own_range_stays(own: str) -> None:
    address = f"https://g.example/d/x?{own}"
    assert around(address, [sample_alert("Slow", Status.FIRING)]) == address
