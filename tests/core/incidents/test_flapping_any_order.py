"""Whatever comes and goes: what flapping may and may not change for people."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.incidents.state_changes import next_check_at
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert
from tests.builders import an_alert, at
from tests.core.incidents.flapping_people import OFF, RULES, People

Step = tuple[float, frozenset[str]]
NAMES = {"A": "critical", "B": "warning", "C": "critical"}
steps = st.lists(
    st.tuples(st.sampled_from([20.0, 90.0, 240.0, 700.0, 2000.0]), st.frozensets(st.sampled_from(sorted(NAMES)))),
    min_size=1,
    max_size=40,
)


def played(rules: Rules, story: Iterable[Step]) -> People:
    """The same alerts come and go under these rules, and then nothing more."""
    people, now, since, ended = People(rules), 0.0, dict[str, float](), dict[str, Alert]()
    for wait, firing in story:
        now += wait
        if (
            people.known is not None
            and (due := next_check_at(people.known, rules.flapping)) is not None
            and due <= at(now)
        ):
            people.look(now)
        ended |= {
            name: an_alert(name, NAMES[name], starts=since.pop(name), ends=now) for name in set(since) - set(firing)
        }
        since |= dict.fromkeys(firing - since.keys(), now)
        alerts = [an_alert(name, NAMES[name], starts=start) for name, start in since.items()]
        rest = [alert for alert in ended.values() if alert.name not in since]
        if alerts or rest:
            people.hear(now, *alerts, *rest)
    if people.known is not None:
        people.look(now + 601)
    return people


@given(steps)
def test_after_the_calm_every_target_shows_what_it_would_without_flapping(story: list[Step]) -> None:
    damped, plain = played(RULES, story), played(OFF, story)
    assert {n for n, firing in plain.shown.items() if firing} == {n for n, firing in damped.shown.items() if firing}
    assert (plain.known is None) == (damped.known is None)
    if plain.known is not None:
        assert plain.incident.resolved == damped.incident.resolved
        assert {alert.name for alert in plain.incident.firing} == {alert.name for alert in damped.incident.firing}
        assert not any(alert.deferred for alert in damped.incident.alerts.values())


@given(steps)
def test_damping_never_turns_a_target_more_often_nor_hides_what_fires(story: list[Step]) -> None:
    for length in range(1, len(story) + 1, 7):
        damped, plain = played(RULES, story[:length]), played(OFF, story[:length])
        assert len(damped.turned) <= len(plain.turned)
    people, now, since = People(), 0.0, dict[str, float]()
    for wait, firing in story:
        now += wait
        since = {name: since.get(name, now) for name in firing}
        alerts = [an_alert(name, NAMES[name], starts=start) for name, start in since.items()]
        gone = [alert.name for alert in (people.known.firing if people.known else ()) if alert.name not in since]
        alerts += [an_alert(name, NAMES[name], starts=0, ends=now) for name in gone]
        if alerts:
            people.hear(now, *alerts)
        if any(NAMES[name] == "critical" for name in firing):
            assert people.shown["pager"]


@given(st.integers(4, 60), st.sampled_from([20.0, 60.0, 240.0, 590.0]))
def test_one_flap_is_one_notice_besides_the_turns_that_showed_it_and_its_end(times: int, every: float) -> None:
    people = People()
    after = people.flap(times, every=every)
    people.look(after + 700)
    kinds = [kind for kind in people.kinds if kind in ("opened", "reopened", "resolved", "flapping")]
    assert kinds == ["opened", "resolved", *["reopened", "resolved"] * 2, "reopened", "flapping", "resolved"]
    assert len(people.loud) == 9
