"""Pods that a rollout replaced are not counted any more; those that do not answer are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.context.history_facts import facts_of, with_one_count
from bridge.core.context.up_pods import up_pods
from bridge.core.facts import Fact, Unit, Verdict
from tests.core.context.worlds import Pod, World, three, time


def rollout(at: float, *, count: int = 3, answers: bool = True) -> list[Pod]:
    """All of these pods have new names from then on."""
    old = [replace(pod, there=lambda minute: minute < at) for pod in three()]
    new = [
        Pod(f"new-{index}", [(-1000, "1.1.0")], there=lambda minute: minute >= at, up=lambda minute: answers)
        for index in range(count)
    ]
    return old + new


def beside(old: list[Pod]) -> list[Pod]:
    """The old ones stay."""
    return [replace(pod, there=lambda minute: True) if pod.name.startswith("api") else pod for pod in old]


@pytest.mark.parametrize(
    ("pods", "now", "expected", "down", "since"),
    [
        (rollout(-10), 3, 3, 0, None),
        (rollout(3), 3, 3, 0, None),
        (rollout(-10, count=2), 2, 3, 0, -10),
        (rollout(-10, count=5), 5, 5, 0, None),
        (beside(rollout(-10)), 6, 6, 0, None),
        (beside(rollout(-10, answers=False)), 3, 6, 3, -10),
        ([replace(three()[0], up=lambda minute: minute < -5), *three()[1:]], 2, 3, 1, -5),
        ([replace(pod, up=lambda minute: minute < -5) for pod in three()], 0, 3, 3, -5),
        ([replace(pod, there=lambda minute: minute < -5) for pod in three()], 0, 3, 0, -5),
    ],
)
def test_expected_are_those_that_are_asked_and_those_that_went_without_another(
    pods: list[Pod], now: int, expected: int, down: int, since: float | None
) -> None:
    (case,) = World(pods).cases()
    up = up_pods(case)
    assert up is not None and (up.now, up.expected, len(up.down)) == (now, expected, down)
    assert up.since == (time(since).timestamp() if since is not None else None)


def test_a_replaced_pod_serves_no_version_and_uses_no_memory() -> None:
    (case,) = World(rollout(-1), role="").cases()
    assert case.versions.running(case.until) == {"1.1.0": 3}
    assert set(case.gauge("memory")) == {"new-0", "new-1", "new-2"} == set(case.gauge("starts"))


def a_count(role: str, value: float, of: float, minute: float = 3) -> Fact:
    return Fact(role, role, Unit.COUNT, value, time(minute), role=role, of=of)


@pytest.mark.parametrize(
    ("pods", "fact", "shown"),
    [
        (rollout(-1), a_count("pods_failing", 2, 6), (2, 3, Verdict.NEUTRAL)),
        (rollout(-1), a_count("pods_failing", 5, 6), (5, 5, Verdict.NEUTRAL)),
        (rollout(-10, count=2), a_count("pods_up", 2, 2), (2, 3, Verdict.NEUTRAL)),
        (rollout(-10, count=2), a_count("pods_up", 1, 2), (1, 3, Verdict.BAD)),
        (beside(rollout(-10, answers=False)), a_count("pods_up", 3, 6), (3, 6, Verdict.BAD)),
        (rollout(-1), a_count("pods_up", 3, 6), (3, 3, Verdict.GOOD)),
        (rollout(-1), a_count("pods_up", 3, 6, minute=60), (3, 6, Verdict.NEUTRAL)),
        (rollout(-1), a_count("probe", 2, 50), (2, 50, Verdict.NEUTRAL)),
    ],
)
def test_all_that_is_counted_is_of_the_same_pods(
    pods: list[Pod], fact: Fact, shown: tuple[float, float, Verdict]
) -> None:
    (case,) = World(pods).cases()
    (found,) = with_one_count([fact], case)
    assert (found.value, found.of, found.verdict) == shown


def test_of_a_down_target_the_missing_pods_are_counted() -> None:
    (case,) = World(beside(rollout(-10, answers=False)), role="").cases()
    (fact,) = facts_of(case.histories["targets"], [case])
    assert (fact.value, fact.of, fact.verdict, fact.why) == (3, 6, Verdict.BAD, "3 missing")
