"""What may be ended, marked and completed, and above all what may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Group
from bridge.core.reconciliation import (
    AlertmanagerAnswer,
    AlertmanagerState,
    Listed,
    ListedGroup,
    Outcome,
    Unavailable,
    decide,
    is_verified,
    outcome_of,
)
from tests.builders import an_alert, at
from tests.core.reconciliation_builders import (
    GRACE,
    LONG_AGO,
    ONE,
    TWO,
    a_state,
    after,
    an_incident,
    deciding,
    texts_of,
)


def test_an_alert_missing_for_the_grace_period_is_ended() -> None:
    incident = an_incident()
    first = deciding(incident, a_state(), now=1000)
    assert (first.findings, first.absent_since) == ((), {ONE.fingerprint: at(1000)})
    early = deciding(incident, a_state(), absent=first.absent_since, now=1299)
    assert (early.findings, early.absent_since) == ((), first.absent_since)
    (found,) = deciding(incident, a_state(), absent=early.absent_since, now=1300).findings
    assert found.ended == 1
    ended = after(found, 1300)
    assert (ended.resolved, ended.alerts[ONE.fingerprint].ends_at) == (True, at(1000))
    assert texts_of(found, 1300) == ["One ended: Alertmanager no longer knows it", "every alert has ended"]


def test_an_alert_seen_again_starts_its_grace_period_anew() -> None:
    incident = an_incident()
    first = deciding(incident, a_state(), now=1000)
    there = deciding(incident, a_state(ONE), absent=first.absent_since, now=1060)
    assert there.absent_since == {}
    again = deciding(incident, a_state(), absent=there.absent_since, now=1400)
    assert (again.findings, again.absent_since) == ((), {ONE.fingerprint: at(1400)})


def test_an_alert_seen_on_one_of_two_starts_its_grace_period_anew() -> None:
    there = deciding(an_incident(), a_state(ONE), Unavailable(""), absent={ONE.fingerprint: at(0)}, now=1000)
    assert (there.findings, there.absent_since) == ((), {})


def test_an_absent_alert_that_starts_in_the_future_is_ended() -> None:
    ahead = an_alert("One", starts=5000)
    (found,) = deciding(an_incident(ahead), a_state(), absent={ahead.fingerprint: at(600)}).findings
    assert after(found).resolved


def test_other_alerts_of_the_group_are_not_ended() -> None:
    absent = {ONE.fingerprint: at(0)}
    (found,) = deciding(an_incident(ONE, TWO), a_state(TWO), absent=absent).findings
    assert [alert.name for alert in after(found).firing] == ["Two"]


def test_an_incident_updated_since_the_query_is_left_alone() -> None:
    absent = {ONE.fingerprint: at(0)}
    assert deciding(an_incident(seen=1000), a_state(), absent=absent, now=1000).findings == ()
    assert deciding(replace(an_incident(), truncated=3), a_state(), now=0).findings == ()


@pytest.mark.parametrize(
    ("answers", "verified", "outcome"),
    [
        pytest.param([], True, Outcome.UNANSWERED, id="no Alertmanager"),
        pytest.param([Unavailable("")], True, Outcome.UNANSWERED, id="no answer"),
        pytest.param([a_state(), Unavailable("")], True, Outcome.UNANSWERED, id="one of two does not answer"),
        pytest.param([a_state(), a_state(started=701)], True, Outcome.FRESH, id="one of two started lately"),
        pytest.param([a_state(started=1500)], True, Outcome.FRESH, id="started in the future"),
        pytest.param([a_state(settling=True)], True, Outcome.FRESH, id="its cluster is not there yet"),
        pytest.param([a_state(name="a", peers=frozenset("ab"))], True, Outcome.INCOMPLETE, id="a peer is not asked"),
        pytest.param(
            [a_state(name="a", peers=frozenset("ab")), a_state(name="c", peers=frozenset("c"))],
            True,
            Outcome.INCOMPLETE,
            id="another cluster instead of the peer",
        ),
        pytest.param([a_state()], False, Outcome.UNVERIFIED, id="it never had one of our alerts"),
        pytest.param([a_state(started=700)], True, Outcome.OK, id="old enough"),
        pytest.param(
            [a_state(name=name, peers=frozenset("ab")) for name in "ab"], True, Outcome.OK, id="the whole cluster"
        ),
    ],
)
def test_any_doubt_ends_nothing(answers: list[AlertmanagerAnswer], verified: bool, outcome: Outcome) -> None:
    assert outcome_of(answers, at(1000), GRACE, verified=verified) is outcome
    absent = {ONE.fingerprint: at(1000)}
    assert deciding(an_incident(), *answers, absent=absent, now=1000, verified=verified).findings == ()
    # At 1300 those that started recently are old enough, but they were not at the first absence.
    later = deciding(an_incident(), *answers, absent=absent, now=1300, verified=verified)
    assert (outcome is Outcome.OK) == bool(later.findings)


def test_an_absence_is_kept_without_answers_but_not_over_a_restart() -> None:
    absent = {ONE.fingerprint: at(0)}
    silent = deciding(an_incident(), Unavailable(""), absent=absent, now=600)
    assert silent.absent_since == absent
    restarted = deciding(an_incident(), a_state(started=600), absent=absent, now=1000)
    assert (restarted.findings, restarted.absent_since) == ((), {ONE.fingerprint: at(1000)})


def test_an_unverified_alertmanager_marks_and_completes_nothing() -> None:
    silenced = a_state(
        Listed(ONE, silenced_by=("s",)), groups=(ListedGroup("bridge", {"alertname": "One"}, (Listed(TWO),)),)
    )
    incident = replace(an_incident(), truncated=1)
    assert deciding(incident, silenced, verified=False).findings == ()
    assert len(deciding(incident, silenced).findings) == 1


def test_a_source_is_verified_by_an_alert_with_its_start() -> None:
    in_milliseconds = replace(ONE, starts_at=at(-0.0009))
    elsewhere = replace(ONE, starts_at=at(-90))
    assert is_verified([Unavailable(""), a_state(in_milliseconds)], [an_incident()])
    assert not is_verified([a_state(elsewhere), a_state(TWO), Unavailable("")], [an_incident()])
    assert not is_verified([a_state(ONE)], [an_incident(an_alert("One", ends=10), TWO)])


def test_a_reconciled_group_is_no_reminder() -> None:
    incident = an_incident()
    same = Group(incident.source, incident.receiver, "group", {"alertname": "One"}, (ONE,), asked=True)
    change = receive(incident, same, at(1000), Rules(), "uid")
    assert change is not None
    assert (change.entries, change.incident.seen_at) == ((), at(0))


Server = tuple[bool, bool, tuple[int, ...]]
ALERTS = [an_alert("Many", pod=str(pod)) for pod in range(2)]
#: one Alertmanager in one round: whether it answers, whether it has restarted, and the alerts that it has
SERVER = st.tuples(
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([(), (), (), (0,), (1,), (0, 1)]),
)
#: seconds since the previous round, and both Alertmanagers
STATES = st.lists(st.tuples(st.sampled_from([60, 150, 310, 620]), st.tuples(SERVER, SERVER)), min_size=3, max_size=8)


@settings(max_examples=500)
@given(STATES)
def test_no_alert_is_ended_that_an_alertmanager_had_or_could_have_lost(
    rounds: list[tuple[int, tuple[Server, Server]]],
) -> None:
    incident, absent, now = an_incident(*ALERTS), dict[str, datetime](), 1000.0
    started, history = [LONG_AGO, LONG_AGO], list[tuple[float, set[str], bool]]()
    for seconds, servers in rounds:
        now += seconds
        answers: list[AlertmanagerAnswer] = []
        for index, (up, restarted, has) in enumerate(servers):
            started[index] = now if restarted else started[index]
            answers.append(a_state(*(ALERTS[each] for each in has), started=started[index]) if up else Unavailable(""))
        sure = all(isinstance(state, AlertmanagerState) for state in answers) and now - max(started) >= 300
        present = {name for state in answers if isinstance(state, AlertmanagerState) for name in state.alerts}
        history.append((now, present, sure))
        decision = decide([incident], answers, absent, at(now), GRACE, verified=True)
        absent = dict(decision.absent_since)
        for found in decision.findings:
            assert sure
            for alert in found.group.alerts:
                lately = [had for when, had, _ in history if when >= now - 300]
                assert not any(alert.fingerprint in had for had in lately)
                assert any(
                    when <= now - 300 and certain and alert.fingerprint not in had for when, had, certain in history
                )
            incident = after(found, now)
