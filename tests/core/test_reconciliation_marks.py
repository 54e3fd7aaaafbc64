"""What is marked as muted, and which groups are completed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.core.reconciliation import (
    Listed,
    ListedGroup,
    Silence,
    StateQuery,
    Unavailable,
    query_for,
)
from tests.builders import a_group, an_alert, at
from tests.core.reconciliation_builders import (
    LONG_AGO,
    ONE,
    THREE,
    TWO,
    a_state,
    after,
    an_incident,
    deciding,
    texts_of,
)

SILENCES = {"a": Silence("alice", at(7200)), "b": Silence("", at(3600)), "c": Silence("carol", None)}


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (Listed(ONE, silenced_by=("a",)), "silenced by alice until 2026-03-01 14:00 UTC"),
        (Listed(ONE, silenced_by=("b", "a")), "silenced by alice until 2026-03-01 14:00 UTC"),
        (Listed(ONE, silenced_by=("b", "gone")), "silenced until 2026-03-01 13:00 UTC"),
        (Listed(ONE, silenced_by=("c", "a")), "silenced by carol"),
        (Listed(ONE, silenced_by=("gone",)), "silenced"),
        (Listed(ONE, inhibited_by=(TWO.fingerprint, "gone")), "inhibited by Two"),
        (Listed(ONE, inhibited_by=("gone",)), "inhibited"),
        (Listed(ONE, muted_by=("nights", "holidays")), "muted by holidays, nights"),
    ],
)
def test_the_reason_for_muting_is_recorded_once_and_ends_nothing(listed: Listed, why: str) -> None:
    state = a_state(listed, TWO, silences=SILENCES)
    (found,) = deciding(an_incident(), state).findings
    marked = after(found)
    assert (texts_of(found), marked.alerts[ONE.fingerprint].muted, marked.resolved) == ([f"One: {why}"], why, False)
    assert (marked.revision, marked.seen_at) == (1, at(0))
    assert deciding(marked, state).findings == ()
    (over,) = deciding(marked, a_state(ONE)).findings
    assert (texts_of(over), after(over).alerts[ONE.fingerprint].muted) == (["One: no longer muted"], "")


def test_an_end_is_notified_to_the_targets_with_nothing_left_firing_while_the_rest_is_muted() -> None:
    """PagerDuty would page again for an incident that a user has resolved there."""
    muted = [replace(alert, muted="silenced") for alert in (ONE, THREE)]
    incident = replace(an_incident(ONE, THREE), alerts={alert.fingerprint: alert for alert in muted})
    silenced = a_state(Listed(THREE, silenced_by=("gone",)))
    (found,) = deciding(incident, silenced, absent={ONE.fingerprint: at(0)}).findings
    assert (after(found).revision, texts_of(found)) == (2, ["One ended: Alertmanager no longer knows it"])
    change = receive(incident, found.group, at(1000), Rules(), "uid")
    assert change is not None
    assert change.ends_only  # only for targets with nothing left firing
    (unmuted,) = deciding(incident, a_state(THREE), absent={ONE.fingerprint: at(0)}).findings
    assert after(unmuted).revision == 2
    (last,) = deciding(after(found), a_state(), absent={THREE.fingerprint: at(0)}).findings
    assert (after(last).resolved, after(last).revision) == (True, 3)


def test_an_alertmanager_that_started_recently_completes_nothing() -> None:
    group = a_listed_group(ONE, THREE)
    state = a_state(ONE, THREE, groups=(group,), started=900)
    assert deciding(a_truncated_incident(ONE, left_out=2), state).findings == ()
    old = replace(state, started_at=at(LONG_AGO))
    (found,) = deciding(a_truncated_incident(ONE, left_out=2), state, old).findings
    assert set(after(found).alerts) == {ONE.fingerprint, THREE.fingerprint}


def test_a_mark_stays_without_answers_and_is_removed_by_a_webhook() -> None:
    state = a_state(Listed(ONE, silenced_by=("a",)), silences=SILENCES)
    (found,) = deciding(an_incident(), state).findings
    marked = after(found)
    assert deciding(marked, Unavailable("")).findings == ()
    received = receive(marked, a_group(ONE, key="group"), at(1100), Rules(), "uid")
    assert received is not None
    assert [entry.text for entry in received.entries] == ["One: no longer muted"]
    ended = receive(marked, a_group(an_alert("One", ends=1050), key="group"), at(1100), Rules(), "uid")
    assert ended is not None
    assert (ended.incident.resolved, ended.incident.alerts[ONE.fingerprint].muted) == (True, "")


def test_an_alert_muted_by_one_of_two_is_not_muted() -> None:
    muting = a_state(Listed(ONE, inhibited_by=("x",)))
    assert deciding(an_incident(), muting, a_state(ONE)).findings == ()
    assert len(deciding(an_incident(), muting, a_state()).findings) == 1


def a_truncated_incident(*alerts: Alert, left_out: int) -> Incident:
    return an_incident(*alerts, truncated=left_out)


def a_listed_group(*alerts: Alert | Listed, receiver: str = "bridge", name: str = "One") -> ListedGroup:
    listed = tuple(each if isinstance(each, Listed) else Listed(each) for each in alerts)
    return ListedGroup(receiver, {"alertname": name}, listed)


def test_a_truncated_group_is_completed_without_its_muted_alerts() -> None:
    group = a_listed_group(ONE, THREE, Listed(TWO, muted_by=("nights",)))
    (found,) = deciding(a_truncated_incident(ONE, left_out=1), a_state(ONE, THREE, groups=(group,))).findings
    whole = after(found)
    assert (set(whole.alerts), whole.truncated) == ({ONE.fingerprint, THREE.fingerprint}, 0)
    assert texts_of(found) == ["One joined (left out of the webhook)", "no alert is left out any more"]
    again = receive(whole, a_group(ONE, key="group", truncated=1), at(1300), Rules(), "uid")
    assert again is not None
    assert (again.incident.truncated, [entry.kind for entry in again.entries]) == (0, ["reminder"])


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param((), id="no group"),
        pytest.param((a_listed_group(ONE, THREE, receiver="other"),), id="another receiver's"),
        pytest.param((a_listed_group(ONE, THREE, name="Other"),), id="other labels"),
        pytest.param((a_listed_group(ONE, THREE), a_listed_group(THREE)), id="groups of two routes with equal labels"),
    ],
)
def test_an_ambiguous_group_completes_nothing(groups: tuple[ListedGroup, ...]) -> None:
    assert deciding(a_truncated_incident(ONE, left_out=1), a_state(ONE, THREE, groups=groups)).findings == ()


def test_a_complete_group_is_not_queried() -> None:
    assert query_for([an_incident()]) == StateQuery(frozenset([ONE.fingerprint]), frozenset())
    assert query_for([a_truncated_incident(ONE, left_out=1)]).receivers == frozenset(["bridge"])
    assert deciding(an_incident(), a_state(ONE, THREE, groups=(a_listed_group(ONE, THREE),))).findings == ()
