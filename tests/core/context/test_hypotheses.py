"""Each rule with its evidence, and silence without it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.context.hypotheses import Evidence, hypothesis_of
from bridge.core.facts import ChangeEvent, Fact, Hypothesis, Part, Past, Unit, Verdict
from tests.builders import at

WINDOW = timedelta(hours=2)
DEPLOY = ChangeEvent("deploy", "toxicity-api", at(-360), "v2 was deployed", version="v2", previous="v1", by="ci")


def a_fact(role: str, value: float | None = None, /, **changes: Any) -> Fact:
    parts = tuple(Part(name, share) for name, share in changes.pop("parts", {}).items())
    titles = {"errors_by_version": "Errors", "errors_by_pod": "Errors", "traffic": "Traffic", "drift": "Drift (PSI)"}
    return Fact(
        role,
        titles.get(role, role),
        changes.pop("unit", Unit.PER_SECOND),
        value,
        at(0),
        parts=parts,
        role=role,
        **changes,
    )


def told(*facts: Fact, changes: Sequence[ChangeEvent] = (), known: bool = True) -> Hypothesis | None:
    return hypothesis_of(Evidence(facts, changes, at(0), WINDOW, changes_known=known))


BY_VERSION = a_fact("errors_by_version", parts={"v2": 9.4, "v1": 0.6})
BOTH_RUN = a_fact("pods_by_version", unit=Unit.COUNT, parts={"v1": 1, "v2": 2})


def test_a_bad_deployment() -> None:
    found = told(BY_VERSION, BOTH_RUN, changes=[DEPLOY])
    assert found is not None
    assert found.rule == "new_version_fails"
    assert found.text == "v2 was deployed 6 min before; 94 % of the errors come from v2, v1 runs beside it."


def test_one_version_fails_and_nobody_told_of_a_deployment() -> None:
    found = told(BY_VERSION, BOTH_RUN)
    assert found is not None
    assert (found.rule, found.text) == ("one_version_fails", "94 % of the errors come from v2; v1 runs beside it.")


def test_without_another_version_there_is_nothing_to_compare() -> None:
    alone = a_fact("pods_by_version", unit=Unit.COUNT, parts={"v2": 3})
    found = told(a_fact("errors_by_version", parts={"v2": 9.4}), alone, changes=[DEPLOY])
    assert found is not None
    expected = "v2 was deployed 6 min before; every pod runs it, so there is nothing to compare it with."
    assert ("changed_before", expected) == (found.rule, found.text)


def test_errors_everywhere_do_not_blame_the_new_version() -> None:
    even = a_fact("errors_by_version", parts={"v2": 6, "v1": 4})
    found = told(even, BOTH_RUN, changes=[DEPLOY])
    assert found is not None
    assert (found.rule, found.text) == ("changed_before", "v2 was deployed 6 min before.")


def test_one_pod_of_three() -> None:
    found = told(a_fact("errors_by_pod", parts={"api-2": 9.3, "api-1": 0.4, "api-0": 0.3}))
    assert found is not None
    assert found.rule == "one_pod_fails"
    assert found.text == "93 % of the errors come from api-2; the other 2 are nearly free of them."


@pytest.mark.parametrize(
    ("factor", "saturation", "rule"),
    [(11.0, Verdict.BAD, "overload"), (2.5, Verdict.BAD, "overload"), (11.0, Verdict.GOOD, "traffic_surge")],
)
def test_too_much_traffic(factor: float, saturation: Verdict, rule: str) -> None:
    traffic = a_fact("traffic", 4 * factor, past=(Past("usually", 4.0),))
    full = a_fact("saturation", 63.0, unit=Unit.COUNT, verdict=saturation)
    found = told(traffic, full)
    assert found is not None
    assert rule == found.rule
    assert "what is usual" in found.text


def test_a_little_more_traffic_is_no_cause() -> None:
    full = a_fact("saturation", 63.0, unit=Unit.COUNT, verdict=Verdict.BAD)
    assert told(a_fact("traffic", 6.0, past=(Past("usually", 4.0),)), full) is None


DRIFT = a_fact("drift", 0.41, unit=Unit.NUMBER, verdict=Verdict.BAD, why="above 0.2")


def test_drift_without_a_deployment_is_the_inputs() -> None:
    found = told(DRIFT)
    assert found is not None
    expected = "Drift (PSI) is 0.41 (above 0.2) and nothing was deployed in the 2 h before: the inputs have changed."
    assert ("inputs_drifted", expected) == (found.rule, found.text)


def test_nothing_is_said_of_deployments_that_could_not_be_asked_for() -> None:
    assert told(DRIFT, known=False) is None


@pytest.mark.parametrize("seconds", [-WINDOW.total_seconds() - 1, 121])
def test_only_changes_around_the_start_are_suspects(seconds: float) -> None:
    change = ChangeEvent("config", "toxicity-api", at(seconds), "The queue was made shorter")
    assert told(changes=[change]) is None


def test_other_changes_are_told_in_their_own_words() -> None:
    change = ChangeEvent("config", "toxicity-api", at(-60), "The queue was made shorter")
    found = told(changes=[change])
    assert found is not None
    assert found.text == "The queue was made shorter 1 min before."


def test_no_evidence_no_guess() -> None:
    assert told() is None


UP = a_fact("pods_up", 2.0, unit=Unit.COUNT, verdict=Verdict.BAD, of=3.0)


def test_a_pod_that_is_gone() -> None:
    found = told(UP)
    assert found is not None
    assert (found.rule, found.text) == ("pods_missing", "pods_up: 2 of 3.")
    assert found.evidence == ("pods_up: 2 of 3",)


def test_a_pod_that_is_gone_after_a_deployment() -> None:
    found = told(UP, changes=[DEPLOY])
    assert found is not None
    assert (found.rule, found.text) == ("pods_missing", "pods_up: 2 of 3; v2 was deployed 6 min before.")


def test_nothing_is_missing_when_nobody_knows_how_many_there_should_be() -> None:
    assert told(a_fact("pods_up", 2.0, unit=Unit.COUNT)) is None


def test_a_version_that_only_the_metrics_show_may_be_the_cause() -> None:
    seen = ChangeEvent("appeared", "api", at(-360), "v2 began to serve (seen in the metrics)", version="v2")
    found = told(BY_VERSION, BOTH_RUN, changes=[seen])
    assert found is not None
    assert found.rule == "new_version_fails"
    assert found.text.startswith("v2 began to serve (seen in the metrics) 6 min before; 94 % of the errors")
