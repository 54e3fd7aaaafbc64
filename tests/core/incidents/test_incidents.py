"""What webhooks do to an incident."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.incidents.actions import acknowledge, resolve
from bridge.core.incidents.flapping import settle
from bridge.core.incidents.transitions import Rules, merge, receive
from bridge.core.model import Alert, Change, Incident, Severity, State
from bridge.core.routing.tree import canonical_labels
from tests.builders import a_group, an_alert, at

RULES = Rules(reopen_within=timedelta(minutes=15), late_within=timedelta(minutes=1))


def received(known: Incident | None, *alerts: Alert, now: float, **more: object) -> Change:
    change = receive(known, a_group(*alerts, **more), at(now), RULES, "uid", unnotified_end=False)  # type: ignore[arg-type]
    assert change is not None
    return change


def kinds(change: Change) -> list[str]:
    return [entry.kind for entry in change.entries]


def test_a_firing_group_opens_an_incident() -> None:
    change = received(None, an_alert(), now=1)
    assert kinds(change) == ["opened"]
    assert (
        change.incident.state,
        change.incident.severity,
        change.incident.revision,
    ) == (State.OPEN, Severity.CRITICAL, 1)


def test_the_same_group_again_changes_nothing() -> None:
    opened = received(None, an_alert(), now=1).incident
    again = received(opened, an_alert(), now=16)
    assert not again.changed
    assert kinds(again) == []
    assert again.incident.revision == opened.revision


def test_a_later_repeat_is_only_a_reminder() -> None:
    opened = received(None, an_alert(), now=1).incident
    again = received(opened, an_alert(), now=4 * 3600)
    assert kinds(again) == ["reminder"]
    assert not again.changed


def test_a_new_critical_alert_joins_and_raises_the_severity_loudly() -> None:
    opened = received(None, an_alert(severity="warning"), now=1).incident
    change = received(opened, an_alert(severity="warning"), an_alert("Down"), now=30)
    assert kinds(change) == ["joined", "raised"]
    assert change.loud
    assert change.incident.severity is Severity.CRITICAL


def test_an_alert_that_leaves_lowers_the_severity_quietly() -> None:
    opened = received(None, an_alert(severity="warning"), an_alert("Down"), now=1).incident
    change = received(opened, an_alert("Down", ends=50), an_alert(severity="warning"), now=60)
    assert kinds(change) == ["left", "lowered"]
    assert not change.loud


def test_an_absent_alert_is_not_resolved() -> None:
    opened = received(None, an_alert(), an_alert("Down"), now=1).incident
    change = received(opened, an_alert(), now=30)
    assert not change.changed
    assert len(change.incident.firing) == 2


def test_the_end_of_every_alert_resolves_the_incident() -> None:
    opened = received(None, an_alert(), now=1).incident
    change = received(opened, an_alert(ends=50), now=60)
    assert kinds(change) == ["left", "resolved"]
    assert change.incident.resolved


def test_a_straggling_firing_state_does_not_reopen() -> None:
    opened = received(None, an_alert(), now=1).incident
    resolved = received(opened, an_alert(ends=50), now=60).incident
    late = received(resolved, an_alert(), now=75)
    assert not late.changed
    assert late.incident.resolved


def test_the_same_start_long_after_the_end_reopens() -> None:
    opened = received(None, an_alert(), now=1).incident
    resolved = received(opened, an_alert(ends=50), now=60).incident
    assert kinds(received(resolved, an_alert(), now=200)) == ["reopened"]


def test_a_new_outbreak_within_the_window_reopens_and_later_opens_anew() -> None:
    opened = received(None, an_alert(), now=1).incident
    resolved = received(opened, an_alert(ends=50), now=60).incident
    soon = received(resolved, an_alert(starts=100), now=110)
    assert kinds(soon) == ["reopened"]
    assert not soon.opened
    late = received(resolved, an_alert(starts=5000), now=5010)
    assert kinds(late) == ["opened"]
    assert late.opened


def test_a_new_outbreak_continues_an_incident_whose_end_was_not_notified() -> None:
    opened = received(None, an_alert(), now=1).incident
    resolved = received(opened, an_alert(ends=50), now=60).incident
    change = receive(resolved, a_group(an_alert(starts=5000)), at(5010), RULES, "uid", unnotified_end=True)
    assert change is not None
    assert kinds(change) == ["reopened"]


def test_a_resolve_with_an_earlier_start_ends_the_alert() -> None:
    """Two Prometheus replicas start an alert at different times; Alertmanager merges to the earliest."""
    opened = received(None, an_alert(starts=10), now=11).incident
    assert received(opened, an_alert(starts=8, ends=50), now=60).incident.resolved


def test_an_alert_first_received_after_its_end_is_stored_quietly() -> None:
    ended = received(None, an_alert(ends=50), now=60)
    assert kinds(ended) == ["ended"]
    assert not ended.loud
    assert not received(ended.incident, an_alert(), now=70).changed


def test_the_first_acknowledgement_wins() -> None:
    opened = received(None, an_alert(), now=1).incident
    change = acknowledge(opened, "ada", at(5))
    assert (change.incident.acknowledged_by, change.incident.state) == ("ada", State.ACKNOWLEDGED)
    assert not acknowledge(change.incident, "bob", at(6)).changed


def test_an_incident_resolved_by_a_user_reopens_if_it_still_fires() -> None:
    opened = received(None, an_alert(), now=1).incident
    closed = resolve(opened, "ada", at(5)).incident
    assert not received(closed, an_alert(), now=30).changed
    assert kinds(received(closed, an_alert(), now=200)) == ["reopened"]


def test_five_thousand_alerts_are_one_incident() -> None:
    alerts = [an_alert(pod=f"pod-{number}") for number in range(5000)]
    change = received(None, *alerts, now=1)
    assert len(change.incident.firing) == 5000
    assert change.entries[0].text == "HighErrors (5000) began to fire"


@given(st.data())
def test_any_order_and_any_duplicates_give_the_true_state(data: st.DataObject) -> None:
    """Each alert has episodes; snapshots of them arrive in any order, some twice."""
    seen: list[Alert] = []
    truth: dict[str, bool] = {}
    for name in ("A", "B", "C")[: data.draw(st.integers(1, 3))]:
        episodes = data.draw(st.integers(1, 3))
        still = data.draw(st.booleans())
        for episode in range(episodes):
            start = episode * 10 + 1
            seen.append(an_alert(name, starts=start))
            if episode < episodes - 1 or not still:
                seen.append(an_alert(name, starts=start, ends=start + 5))
        truth[name] = still
    order = data.draw(st.permutations(seen + data.draw(st.lists(st.sampled_from(seen), max_size=5))))
    known: Incident | None = None
    for step, alert in enumerate(order):
        known = received(known, alert, now=40 + step / 100).incident
    assert known is not None
    known = settle(known, RULES, at(5000)).incident  # so many snapshots may look like flapping
    assert {alert.name: alert.firing for alert in known.alerts.values()} == truth
    assert known.resolved is not any(truth.values())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30) | st.none()), min_size=1, max_size=6))
def test_merging_does_not_depend_on_order(episodes: list[tuple[int, int | None]]) -> None:
    alerts = [an_alert(starts=start, ends=None if end is None else start + end) for start, end in episodes]
    results = set()
    for order in (alerts, alerts[::-1]):
        known: Alert | None = None
        for alert in order:
            known = merge(known, alert, at(100), RULES)
        assert known is not None
        results.add((known.status, known.starts_at, known.ends_at))
    assert len(results) == 1


def test_the_severity_of_an_alert_is_normalised() -> None:
    aliased = Rules(canonical=lambda labels: canonical_labels(labels, {"page": "critical"}, "urgency"))
    alerts = [an_alert("A", "", urgency="info"), an_alert("B", "", urgency="page"), an_alert("C", "", urgency="odd")]
    change = receive(None, a_group(*alerts), at(0), aliased, "uid")
    assert change is not None
    found = {alert.name: alert.severity for alert in change.incident.alerts.values()}
    assert found == {"A": Severity.INFO, "B": Severity.CRITICAL, "C": Severity.UNKNOWN}
    assert change.incident.severity is Severity.CRITICAL


def test_an_alert_gets_the_severity_of_the_current_aliases() -> None:
    """After a reload with another alias, with the next webhook."""
    known = received(None, an_alert(severity="page"), now=0).incident
    aliased = Rules(canonical=lambda labels: canonical_labels(labels, {"page": "critical"}))
    change = receive(known, a_group(an_alert(severity="page")), at(60), aliased, "uid")
    assert change is not None
    assert kinds(change) == ["raised"]
    assert [alert.severity for alert in change.touched] == [Severity.CRITICAL]
