"""The digest: the incident that stands for all that a storm suppresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.core.model import Change, ChannelSpec, Incident, Severity, State, Target
from bridge.core.storms.detection import Storm, StormLimits
from bridge.core.storms.digests import (
    Suppressed,
    SuppressedGroup,
    channel_of,
    digest_states,
    grouped,
    opened,
    over,
    updated,
)
from tests.builders import at

CRITICAL, WARNING = Severity.CRITICAL.rank, Severity.WARNING.rank
URL = "https://bridge.example.org/?channel=slack-ml&held=storm"
LIMITS = StormLimits(1.0, suppressed_url=URL)
SLOW, ERRORS = (
    SuppressedGroup("HighLatency", WARNING, 400, at(-3600), 420),
    SuppressedGroup("HighErrors", CRITICAL, 12, at(-60), 19),
)
STORM = Storm("slack-ml", 7, WARNING, at(0), at(0), None, at(0), 400, WARNING)


def opened_digest(*groups: SuppressedGroup) -> Change:
    return opened("slack-ml", groups or (SLOW,), LIMITS, "400 messages waited", at(0), "uid")


def known(*groups: SuppressedGroup) -> Incident:
    return replace(opened_digest(*groups).incident, number=7)


def changed(incident: Incident, groups: Sequence[SuppressedGroup], **more: bool) -> Change:
    return updated(incident, STORM, groups, LIMITS, at(30), **more)


def alert_of(change: Change) -> dict[str, str]:
    (alert,) = change.incident.alerts.values()
    return dict(alert.annotations)


def test_a_digest_lists_the_suppressed_incidents_the_most_severe_first() -> None:
    change = opened_digest(SLOW, SuppressedGroup("One\nLine", WARNING, 1, at(0), 421), ERRORS)
    assert (change.incident.title, change.incident.severity) == ("Storm on slack-ml", Severity.CRITICAL)
    assert alert_of(change) == {
        "summary": "413 incidents are suppressed on slack-ml: 12 critical, 401 warning",
        "description": "12 × HighErrors, critical, since 11:59 UTC, newest #19\n"
        "400 × HighLatency, warning, since 11:00 UTC, newest #420\n"
        "1 × One Line, warning, since 12:00 UTC, #421",
        "held_url": URL,
    }
    (entry,) = change.entries
    assert (entry.kind, entry.text, entry.loud) == ("opened", "slack-ml storms: 400 messages waited", True)


def test_suppressed_incidents_are_counted_by_name_and_severity() -> None:
    slow = [Suppressed(number, "HighLatency", WARNING, at(-number)) for number in (7, 9, 8)]
    found = grouped([*slow, Suppressed(6, "HighLatency", CRITICAL, at(0))])
    assert found == [
        SuppressedGroup("HighLatency", WARNING, 3, at(-9), 9),
        SuppressedGroup("HighLatency", CRITICAL, 1, at(0), 6),
    ]


def test_names_beyond_the_first_are_counted() -> None:
    many = [SuppressedGroup(f"Name{number:02}", WARNING, 2, at(0), number) for number in range(25)]
    lines = alert_of(opened_digest(*many))["description"].splitlines()
    assert (len(lines), lines[-1]) == (21, "and 10 more under 5 other names")


def test_a_digest_goes_to_its_channel_only() -> None:
    channels = {"slack-ml": ChannelSpec("slack-ml"), "mail": ChannelSpec("mail", ("a@x.org", "b@x.org"))}
    (state,) = digest_states(opened_digest(), channels)
    assert (state.target, state.firing, state.loud) == (Target("slack-ml"), True, True)
    mailed = opened("mail", (SLOW,), LIMITS, "", at(0), "uid")
    assert [each.target.recipient for each in digest_states(mailed, channels)] == ["a@x.org", "b@x.org"]
    assert digest_states(opened_digest(), {}) == ()


def test_only_a_digest_has_a_channel() -> None:
    assert channel_of(known()) == "slack-ml"
    assert channel_of(replace(known(), source="prod")) is None
    assert channel_of(replace(known(), receiver="heartbeats")) is None


def test_an_update_is_an_edit_unless_it_is_louder() -> None:
    more = changed(known(), [replace(SLOW, count=500)])
    (entry,) = more.entries
    assert (
        more.incident.revision,
        entry.text,
        entry.loud,
    ) == (2, "500 incidents are suppressed on slack-ml: 500 warning", False)
    assert changed(known(), [SLOW, ERRORS]).loud
    assert changed(known(), [replace(SLOW, count=4000)]).loud
    assert changed(known(), [SLOW]).entries == ()


def test_an_empty_digest_keeps_its_severity() -> None:
    nothing = changed(known(SLOW, ERRORS), [])
    assert nothing.incident.severity is Severity.CRITICAL
    assert alert_of(nothing)["summary"] == "no incident is suppressed on slack-ml"


def test_a_critical_incident_reopens_an_acknowledged_digest() -> None:
    acknowledged = replace(known(), state=State.ACKNOWLEDGED, acknowledged_by="ada", acknowledged_at=at(5))
    assert changed(acknowledged, [replace(SLOW, count=4000)]).incident.state is State.ACKNOWLEDGED
    again = changed(acknowledged, [SLOW, ERRORS])
    assert (
        again.incident.state,
        again.incident.acknowledged_by,
        again.entries[0].kind,
    ) == (State.OPEN, None, "paged_again")
    assert changed(acknowledged, [SLOW, ERRORS], page_again=False).incident.state is State.ACKNOWLEDGED


def test_a_digest_resolved_by_a_user_reopens_only_for_a_change() -> None:
    closed = replace(known(), state=State.RESOLVED, resolved_at=at(5), resolved_by="ada")
    assert changed(closed, [SLOW]).entries == ()
    back = changed(closed, [replace(SLOW, count=401)])
    assert (back.incident.state, back.incident.resolved_at, back.reopened) == (State.OPEN, None, True)


def test_the_end_of_a_digest_reports_what_became_of_its_incidents() -> None:
    change = over(known(SLOW, ERRORS), STORM, 38, 974, "quiet for 1 min", at(720))
    summary = "the storm on slack-ml is over: what still fires is notified one by one (38), 974 ended unnotified"
    assert alert_of(change) == {"summary": summary, "description": "quiet for 1 min"}
    assert (
        change.incident.state,
        change.incident.severity,
        change.incident.firing,
    ) == (State.RESOLVED, Severity.CRITICAL, ())
    assert change.loud
    closed = replace(known(), state=State.RESOLVED, resolved_at=at(5), resolved_by="ada")
    assert over(closed, STORM, 0, 0, "", at(720)).entries == ()
