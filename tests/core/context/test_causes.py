"""Which cause is named: worlds in which one thing is wrong, and the rule that says so with its evidence."""

from __future__ import annotations

import re

import pytest

from bridge.core.facts import Confidence, Fact, Hypothesis, Part, Unit, Verdict
from tests.builders import at
from tests.core.context.examples import DEPLOY, DEPLOYED, ROLLBACK, SPIKE, V2, golden, rolled
from tests.core.context.worlds import Pod, World, a_change, from_minute, of_version, three

RIGHT = {
    "a bad version beside a good one": (
        World([Pod("a", bad=V2), Pod("b", DEPLOYED, V2), Pod("c", DEPLOYED, V2)], changes=[DEPLOY]),
        "version_fails",
        r"^2\.0\.0, deployed 11 min ago, as the errors began, fails \([\d,]+ of .* against \d+ of .* by 1\.0\.0\)\.$",
    ),
    "the same without an event": (
        World([Pod("a", bad=V2), Pod("b", DEPLOYED, V2), Pod("c", DEPLOYED, V2)]),
        "version_fails",
        r"^2\.0\.0, serving since 11 min ago, as the errors began, fails ",
    ),
    "the same where the counters name the version": (
        World([Pod("a", bad=V2), Pod("b", DEPLOYED, V2), Pod("c", DEPLOYED, V2)], labelled=True),
        "version_fails",
        r"^2\.0\.0, serving since",
    ),
    "a rollback under way": (
        World(
            [Pod("a", rolled(-9, -1), V2), Pod("b", rolled(-9, -0.3), V2), Pod("c", rolled(-9, 99), V2)],
            changes=ROLLBACK,
        ),
        "version_fails",
        r"^2\.0\.0, deployed 12 min ago, .* fails .*; rollback under way: 2 of 3 pods back on 1\.1\.0",
    ),
    "a rollback that is done": (
        World(three(versions=rolled(-9, 1), bad=V2), now=8, changes=ROLLBACK),
        "change_at_onset",
        r"^2\.0\.0 was deployed as the errors began; .* rolled back \d min ago, all 3 pods are on 1\.1\.0",
    ),
    "a new version everywhere": (
        World(three(versions=DEPLOYED, bad=V2), changes=[DEPLOY]),
        "change_at_onset",
        r"^2\.0\.0 was deployed as the errors began; failed predictions: [\d,]+ of [\d,]+ since, \d+ of",
    ),
    "a deploy whose clock is two minutes late": (
        World(three(versions=DEPLOYED, bad=V2), changes=[a_change("deploy", -6, "2.0.0")]),
        "change_at_onset",
        r"^2\.0\.0 was deployed as the errors began",
    ),
    "a canary that is fine": (
        World([Pod(name, bad=lambda m, v: 0.3 if m > -6 else 0.002) for name in "ab"] + [Pod("c", DEPLOYED)]),
        "version_fails",
        r"^1\.0\.0 fails \(.* by 2\.0\.0\)\.$",
    ),
    "one pod": (
        World([Pod("a"), Pod("b"), Pod("c", bad=from_minute(-7, 0.6))]),
        "pod_fails",
        r"^c fails \([\d,]+ of [\d,]+ against \d+ of [\d,]+ on the other 2 pods\)",
    ),
    "one pod of a new version": (
        World(
            [Pod("a", DEPLOYED), Pod("b", DEPLOYED), Pod("c", DEPLOYED, from_minute(-7, 0.6))],
            changes=[a_change("deploy", -60, "2.0.0")],
        ),
        "pod_fails",
        r"^c fails",
    ),
    "no pod answers": (World(three(up=lambda m: m < -4)), "no_pods", r"^0 of 3 pods answer Prometheus for 7 min\.$"),
    "the only pod is down": (
        World([Pod("a", up=lambda m: m < -4)]),
        "no_pods",
        r"^The only pod does not answer Prometheus for 7 min\.$",
    ),
    "one pod is down": (
        World([Pod("a"), Pod("b"), Pod("c", up=lambda m: m < -6)], role=""),
        "pods_missing",
        r"^2 of 3 pods answer Prometheus, not c for 9 min\.$",
    ),
    "one pod is down for most of the hour": (
        World([Pod("a"), Pod("b"), Pod("c", up=lambda m: m < -50)], role=""),
        "pods_missing",
        r"^2 of 3 pods answer Prometheus, not c for 53 min\.$",
    ),
    "two of three died, and the last one is slow": (
        World(
            [Pod("a", bad=from_minute(-7, 0.5), a_second=lambda m: 4.0 if m < -7 else 12.0)]
            + [Pod(name, up=lambda m: m < -7) for name in "bc"],
            role="slowness",
        ),
        "pods_missing",
        r"^1 of 3 pods answer Prometheus, not b and c for 10 min",
    ),
    "a canary beside a small trouble that is older": (
        World(
            [Pod("a"), Pod("b"), Pod("c", bad=from_minute(-34, 0.15)), Pod("d"), Pod("e", DEPLOYED, V2)],
            changes=[DEPLOY],
        ),
        "version_fails",
        r"^2\.0\.0, deployed 11 min ago, as the errors began, fails .*\)\.$",
    ),
    "a version that is far worse than the bad one before it": (
        World(
            three(
                versions=((-1000, "1.0.0"), (-28, "1.9.0"), (-8, "2.0.0")),
                bad=lambda m, version: {"1.0.0": 0.002, "1.9.0": 0.03}.get(version, 0.3),
            ),
            changes=[DEPLOY, a_change("deploy", -28, "1.9.0", "1.0.0")],
        ),
        "change_at_onset",
        r"^2\.0\.0 was deployed as the errors began",
    ),
    "a rollback by new pods": (
        World(
            [Pod(f"old-{index}", up=lambda m: m < -9) for index in range(3)]
            + [Pod(f"bad-{index}", ((-1000, "2.0.0"),), V2, up=lambda m: -9.5 < m < 1) for index in range(3)]
            + [Pod(f"back-{index}", up=lambda m: m > 0.5) for index in range(2)],
            now=8,
            changes=[a_change("rollback", 0.3, "1.0.0", "2.0.0"), a_change("deploy", -10, "2.0.0", "1.0.0")],
        ),
        "change_at_onset",
        r"rolled back \d min ago, all 2 pods are on 1\.0\.0",
    ),
    "a sustained failure since a deploy": (
        World(
            three(versions=((-1000, "1.0.0"), (-70, "2.0.0")), bad=of_version("2.0.0", 0.03)),
            changes=[a_change("deploy", -70, "2.0.0", "1.0.0")],
        ),
        "change_at_onset",
        r"^2\.0\.0 was deployed as the errors began",
    ),
    "two pods of twelve": (
        World([Pod(f"a-{index}") for index in range(10)] + [Pod(name, bad=from_minute(-7, 0.4)) for name in "xy"]),
        "pod_fails",
        r"^x and y fail \(.* on the other 10 pods\)",
    ),
    "a second version that has the trouble, too": (
        World(
            three(versions=((-1000, "1.0.0"), (-12, "1.1.0"), (-5, "1.2.0")), bad=from_minute(-12, 0.3)),
            changes=[a_change("deploy", -5, "1.2.0", "1.1.0"), a_change("deploy", -12, "1.1.0", "1.0.0")],
        ),
        "change_at_onset",
        r"^1\.1\.0 was deployed as the errors began",
    ),
    "all pods restarted": (
        World(three(bad=from_minute(-6, 0.3), started=lambda m: -1000.0 if m < -7 else -7.0)),
        "pods_restarted",
        r"^All 3 pods restarted as the errors began\.$",
    ),
    "a pod that restarts again and again": (
        World(
            [
                Pod("a"),
                Pod("b"),
                Pod("c", started=lambda m: -1000.0 if m < -20 else (m // 4) * 4, memory=lambda m: 0.97),
            ],
            role="",
            now=5,
        ),
        "pod_restarts",
        r"^c restarted \d times in 30 min, its memory had reached 97 % of its limit\.$",
    ),
    "too much traffic": (
        World(three(a_second=lambda m: 4.0 if m < -7 else 14.0, bad=from_minute(-6.5, 0.4)), role="slowness"),
        "overload",
        r"^3\.5 x the usual traffic \(42/s\)",
    ),
    "new pods that are slow, and the traffic that they were added for": (
        World(
            three(a_second=lambda m: 4.0)
            + [
                Pod(f"new-{index}", bad=of_version("1.0.0", 0.8), there=lambda m: m > -9, started=lambda m: -9.0)
                for index in range(6)
            ],
            role="slowness",
        ),
        "new_pods_fail",
        r"^The 6 pods that started 12 min ago are slow \([\d,]+ of [\d,]+ against .* on the 3 older ones\)\.$",
    ),
    "pods that vanished, and the others get more": (
        World(
            [
                Pod(f"a-{index}", bad=from_minute(-9, 0.6), a_second=lambda m: 4.0 if m < -9 else 7.2)
                for index in range(5)
            ]
            + [Pod(f"b-{index}", there=lambda m: m < -9) for index in range(4)],
            role="slowness",
        ),
        "pods_missing",
        r"^5 of 9 pods answer Prometheus for 12 min; each of them gets 1\.8 x the requests of before\.$",
    ),
    "fewer pods by a change": (
        World(
            [Pod(f"a-{index}", bad=from_minute(-9, 0.6), a_second=lambda m: 4.0 if m < -9 else 9) for index in range(4)]
            + [Pod(f"b-{index}", there=lambda m: m < -9) for index in range(5)],
            role="slowness",
            changes=[a_change("config", -9.5, summary="replicas 9 to 4")],
        ),
        "pods_missing",
        r"^4 of 9 pods answer Prometheus for 12 min; each of them .* 2\.2 x .*; configuration change: replicas ",
    ),
    "traffic that vanished, and as many failures as ever": (
        World(three(a_second=lambda m: 4.0 if m < -9 else 0.44, bad=from_minute(-9, 0.077, 0.0085))),
        "traffic_fell",
        r"^Not more failures, but fewer requests: the traffic fell to 1\d % of what it was, as the errors began; "
        r"failed predictions: [\d.]+ a minute, [\d.]+ before\.$",
    ),
    "a spike by itself": (
        World(three(a_second=lambda m: 4.0 if m < -7 else 48.0), role="", facts=[SPIKE]),
        "traffic_surge",
        r"^12 x the usual traffic \(144/s\)\.$",
    ),
    "longer texts": (
        World(three(bad=from_minute(-9, 0.4)), role="slowness", tokens=lambda m: 20.0 if m < -9 else 70.0),
        "longer_texts",
        r"^Tokens of a text: 20 before, 70 now \(3\.5 x\), as the slowness began\.$",
    ),
    "shorter texts": (
        World(three(bad=from_minute(-40, 0.5, 0.1)), role="outputs", tokens=lambda m: 40.0 if m < -40 else 15.0),
        "inputs_changed",
        r"all 3 pods on 1\.0\.0 alike; .*Tokens of a text: 40 before, 15 now\.$",
    ),
    "other texts": (
        World(three(bad=from_minute(-40, 0.5, 0.1)), role="outputs", turkish=lambda m: 0.02 if m < -40 else 0.5),
        "inputs_changed",
        r"all 3 pods on 1\.0\.0 alike; .*Texts in tr: 2 % before, 50 % now\.$",
    ),
    "golden texts are answered as before": (
        World(three(bad=from_minute(-40, 0.5, 0.1)), role="outputs", facts=[golden(1, 1)]),
        "inputs_changed",
        r"golden texts are answered as after its deploy\.$",
    ),
    "golden texts are answered wrongly": (
        World(three(bad=from_minute(-40, 0.5, 0.1)), role="outputs", facts=[golden(9, 1)]),
        "model_degraded",
        r"^Wrong on 9 of 50 golden texts \(1\.0\.0\), 1 after the last deploy: the model",
    ),
    "a leak": (
        World([Pod("a", memory=lambda m: 0.45 + 0.48 * (m + 180) / 180), Pod("b"), Pod("c")], role=""),
        "memory_leak",
        r"^A leak: memory of a grows steadily: 94 % now, full in about 23 min, grows 16 % an hour, 46 % 3 h .* ago\.$",
    ),
    "a leak of a new version": (
        World([Pod("a", DEPLOYED, memory=lambda m: 0.45 + 0.48 * (m + 180) / 180), Pod("b"), Pod("c")], role=""),
        "memory_leak",
        r"only the pods of 2\.0\.0 do\.$",
    ),
    "a leak that came with a version": (
        World(
            [
                Pod(
                    name,
                    ((-1000, "1.0.0"), (-95, "1.1.0")),
                    memory=lambda m: 0.43 if m < -95 else 0.4 + 0.5 * (m + 95) / 95,
                )
                for name in "abc"
            ],
            role="",
            changes=[a_change("deploy", -95, "1.1.0")],
        ),
        "memory_leak",
        r"^A leak: memory of all 3 pods grows steadily: .*; it began as 1\.1\.0 was deployed\.$",
    ),
    "memory that grows since the traffic rose": (
        World(
            three(
                a_second=lambda m: 4.0 if m < -36 else 20.0,
                memory=lambda m: 0.42 if m < -36 else 0.6 + 0.35 * (m + 36) / 36,
            ),
            role="",
        ),
        "memory_leak",
        r"^memory of all 3 pods grows steadily: .*; the traffic rose to 5 x \(60/s\) as the growth began\.$",
    ),
    "a leak that has killed its pod twice": (
        World(
            [
                Pod(
                    "a",
                    memory=lambda m: 0.4 + 0.58 * ((m + 150) % 50) / 50,
                    started=lambda m: (m + 150) // 50 * 50 - 150,
                ),
                Pod("b"),
            ],
            role="",
            now=-1,
            alert=-5,
        ),
        "memory_leak",
        r"; a restarted with its memory full [23] times, the last \d+ min ago\.$",
    ),
    "a version that needs twice the memory": (
        World(
            three(versions=((-1000, "1.4.0"), (-50, "1.5.0")), memory=lambda m: 0.43 if m < -50 else 0.86),
            role="",
            changes=[a_change("deploy", -50, "1.5.0", "1.4.0")],
        ),
        "memory_step",
        r"^A step: memory of all 3 pods rose from 43 % to 86 % as 1\.5\.0 was deployed, 5\d min ago\.$",
    ),
    "a pod that fills its memory and fails each time": (
        World(
            [
                Pod("a"),
                Pod("b"),
                Pod(
                    "c",
                    bad=lambda m, v: 0.4 if m > -26 and m % 9 > 5 else 0.002,
                    started=lambda m: -1000.0 if m < -27 else (m // 9) * 9,
                ),
            ],
            now=2,
        ),
        "pod_fails",
        r"^c fails .*; c restarted \d times in 30 min\.$",
    ),
    "a step after a change": (
        World(
            [Pod("a", memory=lambda m: 0.45 if m < -20 else 0.92), Pod("b"), Pod("c")],
            role="",
            changes=[a_change("config", -21, summary="Cache made larger")],
        ),
        "memory_step",
        r"^A step: memory of a rose from 45 % to 92 % .*; configuration change: Cache made larger just before\.$",
    ),
    "a change of the configuration": (
        World(three(bad=from_minute(-6, 0.3)), changes=[a_change("config", -7, summary="Queue made shorter")]),
        "change_at_onset",
        r"^configuration change: Queue made shorter as the errors began",
    ),
    "a change forty seconds before": (
        World(three(bad=from_minute(-6, 0.3)), changes=[a_change("config", -6.7, summary="Queue made shorter")]),
        "change_at_onset",
        r"^configuration change: Queue made shorter as the errors began",
    ),
    "the nearer of two changes, and the other": (
        World(
            three(versions=((-1000, "1.0.0"), (-10, "1.1.0")), bad=from_minute(-6, 0.3)),
            changes=[a_change("config", -6.5, summary="Queue made shorter"), a_change("deploy", -10, "1.1.0")],
        ),
        "change_at_onset",
        r"^configuration change: Queue made shorter .*; 1\.1\.0 was deployed 4 min before the errors began, too\.$",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_cause_is_named_with_its_evidence(name: str) -> None:
    world, rule, text = RIGHT[name]
    found = world.decision().hypothesis
    assert found is not None
    assert (rule, Confidence.LIKELY) == (found.rule, found.confidence), found.text
    assert re.search(text, found.text), found.text
    assert found.evidence and found.short


def by_share(**parts: float) -> Fact:
    shares = tuple(Part(name, value) for name, value in parts.items())
    return Fact("errors", "Errors", Unit.PER_SECOND, None, at(0), parts=shares, role="errors_by_pod")


@pytest.mark.parametrize(
    ("parts", "confidence"), [({"a": 9.0, "b": 0.5}, Confidence.POSSIBLE), ({"a": 0.01, "b": 0.0}, None)]
)
def test_a_question_without_wholes_proves_little(parts: dict[str, float], confidence: Confidence | None) -> None:
    found = World([], role="", facts=[by_share(**parts)]).decision().hypothesis
    assert confidence is (found.confidence if found else None)


def test_pods_without_a_model_are_missing() -> None:
    pods = Fact("pods", "Pods with a model", Unit.COUNT, 2.0, at(0), verdict=Verdict.BAD, role="pods_up", of=3.0)
    found = World([], role="", facts=[pods]).decision().hypothesis
    assert found == Hypothesis(
        "pods_missing",
        "Pods with a model: 2 of 3.",
        ("Pods with a model: 2 of 3",),
        Confidence.LIKELY,
        "Pods with a model: 2 of 3",
    )
