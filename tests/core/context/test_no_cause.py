"""When no cause is named, and what was looked at then."""

from __future__ import annotations

import pytest

from tests.core.context.examples import DEPLOY, DEPLOYED
from tests.core.context.worlds import Pod, World, a_change, from_minute, of_version, seconds, three

NOTHING = {
    "a deploy after the errors began": World(
        three(versions=((-1000, "1.0.0"), (-3, "2.0.0")), bad=from_minute(-7.5, 0.3)),
        changes=[a_change("deploy", -3, "2.0.0")],
    ),
    "a deploy that ran clean for an hour and a half": World(
        three(versions=((-1000, "1.0.0"), (-93, "2.0.0")), bad=from_minute(-5, 0.3)),
        changes=[a_change("deploy", -93, "2.0.0")],
    ),
    "a share of errors that is the share of traffic": World(
        [
            Pod("a", DEPLOYED, from_minute(-7, 0.08), lambda m: 40.0),
            Pod("b", bad=from_minute(-7, 0.08)),
            Pod("c", DEPLOYED, from_minute(-7, 0.08)),
        ],
        changes=[a_change("deploy", -8, "2.0.0")],
    ),
    "two of 27 at night": World([Pod("a"), Pod("b", bad=from_minute(-4, 0.3), a_second=lambda m: 0.03), Pod("c")]),
    "a stray error": World([Pod("a"), Pod("b"), Pod("c", bad=lambda m, v: 0.02)]),
    "the first start of everything": World(three(versions=DEPLOYED, bad=lambda m, v: 0.3), since=-8),
    "clients that try again": World(
        three(a_second=lambda m: 4.0 if m < -3 else 14.0, bad=from_minute(-8, 0.4)), role="slowness"
    ),
    "a retraining that was only started": World(three(bad=from_minute(-6, 0.3)), changes=[a_change("retraining", -7)]),
    "a rollback just before": World(three(bad=from_minute(-6, 0.3)), changes=[a_change("rollback", -7, "1.0.0")]),
    "answers that changed with a version that nothing is compared with": World(
        three(versions=((-1000, "1.0.0"), (-50, "1.1.0")), bad=of_version("1.1.0", 0.6, 0.1)), role="outputs"
    ),
    "a drift as old as all that is known": World(three(bad=lambda m, v: 0.6), role="outputs"),
    "a steady memory": World(three(memory=lambda m: 0.85), role=""),
    "no trouble at all": World(three(versions=DEPLOYED), changes=[DEPLOY]),
    "a surge in an alert about something else": World(three(a_second=lambda m: 4.0 if m < -7 else 20.0), role=""),
    "no slowness, and a surge": World(three(a_second=lambda m: 4.0 if m < -7 else 14.0), role="slowness"),
    "three times the traffic on three times the pods": World(
        three(bad=from_minute(-6, 0.4))
        + [Pod(f"new-{index}", bad=from_minute(-6, 0.4), there=lambda m: m > -7.5) for index in range(6)],
        role="slowness",
    ),
    "a rise of the traffic long before": World(
        three(a_second=lambda m: 4.0 if m < -35 else 14.0, bad=from_minute(-6, 0.4)), role="slowness"
    ),
    "less traffic, and more failures": World(
        three(a_second=lambda m: 4.0 if m < -9 else 1.2, bad=from_minute(-9, 0.2, 0.0085))
    ),
    "nothing": World(three(bad=from_minute(-6, 0.3))),
    "a remedy fifty seconds after": World(
        three(bad=from_minute(-6, 0.3)), changes=[a_change("config", -5.15, summary="Circuit breaker on")]
    ),
    "a remedy two minutes after": World(
        three(bad=from_minute(-6, 0.15)), changes=[a_change("config", -4, summary="Timeout made longer")]
    ),
    "a deploy that ran clean for eleven minutes": World(
        three(versions=((-1000, "1.0.0"), (-17, "2.0.0")), bad=from_minute(-6, 0.25)),
        changes=[a_change("deploy", -17, "2.0.0", "1.0.0")],
    ),
    "a change in a gap in which the errors began": World(
        three(bad=from_minute(-12, 0.3)),
        scraped=lambda m: not -14 < m < -1,
        changes=[a_change("config", -3, summary="Network policy changed")],
    ),
    "fewer pods at night": World([Pod("a"), Pod("b")]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_cause_is_named_without_evidence(name: str) -> None:
    found = NOTHING[name].decision().hypothesis
    assert found is None, found.text


def test_what_was_looked_at_is_said() -> None:
    decision = NOTHING["nothing"].decision()
    assert decision.looked_at == ("deploys", "versions", "pods", "traffic", "inputs", "restarts")
    unknown = World(three(bad=from_minute(-6, 0.3)), changes_known=False).decision()
    assert "deploys" not in unknown.looked_at


def test_the_onset_is_before_the_alert() -> None:
    decision = NOTHING["nothing"].decision()
    assert decision.onset is not None
    assert abs(decision.onset.at.timestamp() - seconds(-6)) <= 60
    assert decision.onset.source == "Failed predictions"
