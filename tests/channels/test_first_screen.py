"""What a message says on its first screen, in every channel: what, since when, where, why, what changed, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.facts import Confidence, Context, Fact, Hypothesis, Onset, Part, Unit, Unknown, Verdict
from bridge.core.model import Severity
from bridge.core.ports import Message
from bridge.rendering.places import where_of
from bridge.rendering.sample import sample_context
from tests.channels.channel_builders import AT, a_claim, a_slack, an_alert
from tests.channels.message_reading import (
    a_change,
    a_fact,
    a_view,
    an_incident,
    details_of,
    rendered,
    slack_texts,
)

LIKELY = Hypothesis("version_fails", "v2 fails: 40 of 90.", ("40 of 90",), Confidence.LIKELY, "only v2")
POSSIBLE = replace(LIKELY, confidence=Confidence.POSSIBLE)
UNKNOWN = (Unknown("Drift", "no answer within 1.5 s"),)
LOOKED_AT = ("deploys", "pods")


def in_each_channel(message: Message) -> Iterator[str]:
    yield message.text
    yield message.html
    yield "\n".join(slack_texts(message))
    yield json.dumps(details_of(message), ensure_ascii=False)


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({"hypothesis": LIKELY}, ["probably", "v2 fails: 40 of 90."], ["possibly", "no cause found"]),
        ({"hypothesis": POSSIBLE}, ["possibly", "v2 fails: 40 of 90."], ["probably", "no cause found"]),
        ({"looked_at": LOOKED_AT}, ["no cause found; looked at: deploys, pods"], ["probably", "possibly"]),
        (
            {"looked_at": LOOKED_AT, "unknown": UNKNOWN},
            ["no cause found; looked at: deploys, pods", "drift: no answer within 1.5 s"],
            ["probably"],
        ),
        ({"unknown": UNKNOWN}, ["no cause found: nothing could be measured", "drift"], ["probably", "looked at"]),
        ({"facts": (a_fact(),)}, [], ["no cause found", "probably"]),
        ({"changes_known": True}, ["no change known in the 2 h before"], []),
        ({"changes_known": False}, [], ["no change known"]),
        ({"changes_known": True, "changes": (a_change(),)}, ["v2 deployed"], ["no change known"]),
        ({"onset": Onset(AT, "errors")}, ["began", "before it fired"], []),
        ({}, [], ["began", "before it fired"]),
    ],
)
def test_each_channel_says_what_is_known_and_claims_nothing_else(
    changes: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    context = Context(AT, **changes)
    for text in map(
        str.lower, in_each_channel(rendered(an_incident(opened_at=AT), replace(context, onset=_onset(context))))
    ):
        assert [each for each in said if each not in text] == []
        assert [each for each in unsaid if each in text] == []


def _onset(context: Context) -> Onset | None:
    """Four minutes before the sample's start."""
    return replace(context.onset, at=sample_context().at - timedelta(minutes=16)) if context.onset else None


def test_changes_are_dated_by_when_it_began_where_that_is_known() -> None:
    began = Onset(AT - timedelta(minutes=4), "errors")
    change = a_change(by="")
    assert a_view(changes=(change,), onset=began).changes[0].text == "v2 deployed 2 min before it began"
    assert a_view(changes=(change,)).changes[0].text == "v2 deployed 6 min before it fired"
    for seconds in (-59, 0, 59):  # clocks agree no better
        at = began.at + timedelta(seconds=seconds)
        assert a_view(changes=(replace(change, at=at),), onset=began).changes[0].text == "v2 deployed as it began"
    earlier = a_change(by="", at=AT - timedelta(minutes=1))
    assert a_view(changes=(earlier,), onset=began).changes[0].text == "v2 deployed 3 min after it began"


@pytest.mark.parametrize(
    ("seconds", "began"), [(0, "as it fired"), (59, "as it fired"), (240, "4 min before it fired")]
)
def test_when_it_began_is_shown_beside_when_it_fired(seconds: int, began: str) -> None:
    assert a_view(onset=Onset(AT - timedelta(seconds=seconds), "errors")).began.endswith(f" UTC, {began}")


def test_an_onset_after_it_fired_is_of_another_outbreak() -> None:
    shown = a_view(onset=Onset(AT + timedelta(minutes=1), "errors"))
    assert (shown.began, shown.onset_at) == ("", None)


def test_what_is_bad_comes_first_and_no_pod_at_work_before_everything() -> None:
    facts = (
        a_fact(name="good", verdict=Verdict.GOOD),
        a_fact(name="plain"),
        a_fact(name="bad", verdict=Verdict.BAD, why="above 5 %"),
        a_fact(name="pods", title="Pods that answer", unit=Unit.COUNT, value=0.0, of=3.0, role="pods_up"),
    )
    shown = a_view(*facts)
    assert [fact.name for fact in shown.facts] == ["pods", "bad", "good", "plain"]
    assert [fact.name for fact in shown.worst] == ["pods", "bad"]
    assert shown.worst[0].value == "0 of 3"


@pytest.mark.parametrize(
    ("pods", "minutes", "verdict"),
    [(3.0, 0, "good"), (0.0, 0, "neutral"), (3.0, 9, "neutral"), (3.0, 1, "good")],
    ids=["measured now", "no pod works", "old", "a minute old"],
)
def test_nothing_is_good_that_is_not_measured_now(pods: float, minutes: int, verdict: str) -> None:
    up = a_fact(name="pods", unit=Unit.COUNT, value=pods, of=3.0, role="pods_up")
    fact = a_fact(name="errors", value=0.0, verdict=Verdict.GOOD, why="below 1 %", at=AT - timedelta(minutes=minutes))
    (shown,) = (line for line in a_view(up, fact).facts if line.name == "errors")
    assert (verdict, verdict == "good") == (shown.verdict, "good" in shown.judgement)


COUNTED = (Part("api-1", 40, 90), Part("api-2", 1, 88), Part("api-3", 0, 91))
FAILING = a_fact(name="on", unit=Unit.COUNT, value=1.0, of=3.0, role="pods_failing")
BY_POD = a_fact(name="pod", unit=Unit.COUNT, value=41.0, parts=COUNTED, role="symptom_by_pod")
BY_VERSION = a_fact(name="v", unit=Unit.COUNT, value=41.0, parts=(Part("v2", 40, 90),), role="symptom_by_version")
RUNNING = a_fact(name="r", unit=Unit.COUNT, value=3.0, parts=(Part("v1", 2), Part("v2", 1)), role="pods_by_version")
UP = a_fact(name="up", title="Pods that answer Prometheus", unit=Unit.COUNT, value=0.0, of=3.0, role="targets")
UNCOUNTED = replace(BY_POD, parts=(Part("api-1", 0.4),), unit=Unit.PER_SECOND)


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ((FAILING, BY_POD, BY_VERSION, RUNNING), "1 of 3 pods; api-1: 40 of 90, api-2: 1 of 88; v2: 40 of 90"),
        ((FAILING, BY_POD, RUNNING), "1 of 3 pods; api-1: 40 of 90, api-2: 1 of 88; running v1 on 2 pods, v2 on 1 pod"),
        ((FAILING, UNCOUNTED), "1 of 3 pods"),
        ((BY_POD, RUNNING), "api-1: 40 of 90, api-2: 1 of 88; running v1 on 2 pods, v2 on 1 pod"),
        ((RUNNING,), "running v1 on 2 pods, v2 on 1 pod"),
        ((replace(FAILING, value=0.0),), ""),
        ((replace(UP, value=2.0), RUNNING), "2 of 3 pods that answer Prometheus; running v1 on 2 pods, v2 on 1 pod"),
        ((replace(UP, value=3.0), RUNNING), "running v1 on 2 pods, v2 on 1 pod"),
        ((UP, RUNNING), ""),  # that none works is said first, and what they ran is no place
    ],
    ids=[
        "all",
        "one version",
        "shares",
        "not about errors",
        "nothing else",
        "none fails",
        "some are missing",
        "all are there",
        "no pod works",
    ],
)
def test_where_names_pods_and_versions_by_counts_of_their_own(facts: tuple[Fact, ...], where: str) -> None:
    assert a_view(*facts).where == where


def test_without_measurements_where_is_what_the_alerts_say() -> None:
    for text in in_each_channel(rendered(an_incident(), None)):
        assert "where" in text.lower() and "instance" in text


def test_a_notice_needs_no_cause() -> None:
    alert = replace(an_incident().alerts["1"], severity=Severity.INFO)
    notice = an_incident(alerts={"1": alert}, severity=Severity.INFO)
    message = rendered(notice, Context(AT, looked_at=LOOKED_AT, changes_known=True))
    assert message.informational
    for text in in_each_channel(message):
        assert not [word for word in ("No cause found", "No change known") if word in text]


def test_last_time_has_its_place_in_each_channel() -> None:
    last_time = "4th in 30 days; last #388, 23 min, ended after rollback to 1.0.0 (Ana)"
    message = replace(rendered(an_incident(), sample_context()), last_time=last_time)
    assert last_time in "\n".join(slack_texts(message))
    assert details_of(message)["last_time"] == last_time
    (attachment,) = a_slack().compose(message, a_claim()).content["attachments"]
    assert attachment["blocks"][5]["type"] == "section"


def test_no_change_names_the_time_that_was_looked_at() -> None:
    assert a_view(changes_known=True, window=timedelta(minutes=30)).no_change == "No change known in the 30 min before"


@pytest.mark.parametrize(
    ("measured", "where"),
    [
        ("", "pod api-1, api-2"),
        ("running v1 on 2 pods", "pod api-1, api-2; running v1 on 2 pods"),
        ("1 of 3 pods; api-1: 40 of 90", "1 of 3 pods; api-1: 40 of 90"),
    ],
)
def test_where_names_the_pods_of_the_alerts_once(measured: str, where: str) -> None:
    alerts = [an_alert(labels={"pod": pod}) for pod in ("api-2", "api-1")]
    assert where_of(measured, alerts) == where


def test_a_reason_is_not_cut_before_its_number() -> None:
    why = "above 80 %; grows 12 % an hour, full in about 2 h 40 min, which is the number that matters"
    assert a_view(a_fact(verdict=Verdict.BAD, why=why)).worst[0].detail == why


def test_a_share_and_its_count_are_one_fact_of_the_first_screen() -> None:
    count = a_fact(name="failing", title="Failed predictions in 5 min", unit=Unit.COUNT, value=466.0, of=3615.0)
    share = a_fact(name="failed_share", title="Failed predictions", unit=Unit.RATIO, value=0.13, of=None)
    alone = a_fact(name="slow", title="Slow inferences in 5 min", unit=Unit.COUNT, value=40.0, of=90.0)
    bad = [replace(fact, verdict=Verdict.BAD) for fact in (count, share, alone)]
    found = [(line.title, line.value) for line in a_view(*bad).worst]
    assert found == [
        ("Failed predictions", "13 % (466 of 3,615 in 5 min)"),
        ("Slow inferences in 5 min", "40 of 90"),
    ]
    assert a_view(*bad).bad == a_view(*bad).worst
