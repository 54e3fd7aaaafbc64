"""What is said of a cause: what did not help, what differs, what is shared, and how sure that is."""

from __future__ import annotations

import re

import pytest

from bridge.core.facts import Confidence
from tests.core.context.examples import DEPLOY, DEPLOYED, TIMEOUTS, V2
from tests.core.context.worlds import Pod, World, a_change, from_minute, of_version, three


def test_what_all_pods_share_is_only_possible() -> None:
    found = World(three(bad=from_minute(-6, 0.3)), facts=[TIMEOUTS]).decision().hypothesis
    assert found is not None and (found.rule, found.confidence) == ("common_errors", Confidence.POSSIBLE)
    assert found.short == "nearly all timeout, on all pods alike, nothing changed in 2 h"


def test_texts_that_changed_after_a_version_ran_without_trouble_are_possible() -> None:
    pods = three(versions=((-1000, "1.4.0"), (-50, "1.5.0")), bad=from_minute(-40, 0.5, 0.1))
    changes = [a_change("deploy", -50, "1.5.0", "1.4.0")]
    found = (
        World(pods, role="outputs", tokens=lambda m: 40.0 if m < -40 else 15.0, changes=changes).decision().hypothesis
    )
    assert found is not None and (found.rule, found.confidence) == ("inputs_changed", Confidence.POSSIBLE)
    assert found.short == "Tokens of a text: 40 before, 15 now"


def test_a_restart_of_all_pods_is_said_beside_what_they_share() -> None:
    pods = three(bad=from_minute(-9, 0.3), started=lambda m: -1000.0 if m < -6 else -6.0)
    found = World(pods, facts=[TIMEOUTS]).decision().hypothesis
    assert found is not None and found.rule == "common_errors"
    assert re.match(
        r"All 3 pods fail alike, nearly all with timeout \(.*\): look at what they share, such as the ", found.text
    )
    assert found.short == "nearly all timeout, on all pods alike, all 3 pods restarted 9 min ago"


UNHELPFUL = {
    "a rollback that does not help": (
        World(
            three(versions=((-1000, "1.0.0"), (-6, "2.0.0"), (1, "1.0.0")), bad=from_minute(-6, 0.3)),
            now=8,
            changes=[a_change("rollback", 1, "1.0.0", "2.0.0"), a_change("deploy", -6, "2.0.0", "1.0.0")],
        ),
        r"^2\.0\.0 was deployed as the errors began; .*; "
        r"rolled back 7 min ago, all 3 pods are on 1\.0\.0, which fails as well \([\d,]+ of [\d,]+ since\)\.$",
    ),
    "a rollback a minute and a half ago that does not help": (
        World(
            three(versions=((-1000, "1.0.0"), (-6, "2.0.0"), (1.5, "1.0.0")), bad=from_minute(-6, 0.3)),
            labelled=True,
            changes=[a_change("rollback", 1.5, "1.0.0", "2.0.0"), a_change("deploy", -6, "2.0.0", "1.0.0")],
        ),
        r"^2\.0\.0 was deployed as the errors began; .*; "
        r"rollback to 1\.0\.0 reported 1 min ago, which fails as well \([\d,]+ of [\d,]+ since\)\.$",
    ),
    "a hotfix that does not help": (
        World(
            [Pod(f"old-{index}", up=lambda m: m < -10) for index in range(3)]
            + [Pod(f"bad-{index}", ((-1000, "2.0.0"),), V2, up=lambda m: -10 <= m < -2) for index in range(3)]
            + [
                Pod(f"fix-{index}", ((-1000, "2.0.1"),), of_version("2.0.1", 0.35), up=lambda m: m >= -2)
                for index in range(3)
            ],
            changes=[a_change("deploy", -2, "2.0.1", "2.0.0"), a_change("deploy", -10, "2.0.0", "1.0.0")],
        ),
        r"^2\.0\.0 was deployed as the errors began; .*; "
        r"2\.0\.1 came later and fails as well \([\d,]+ of [\d,]+\)\.$",
    ),
    "a rollback that was only reported": (
        World(
            three(versions=DEPLOYED, bad=V2),
            changes=[a_change("rollback", 0, "1.0.0", "2.0.0"), DEPLOY],
        ),
        r"^2\.0\.0 was deployed as the errors began; .*; "
        r"rollback to 1\.0\.0 reported 3 min ago, all 3 pods still run 2\.0\.0\.$",
    ),
    "what the old version served before is not counted": (
        World(three(versions=DEPLOYED, bad=V2), labelled=True, changes=[DEPLOY]),
        r"^2\.0\.0 was deployed as the errors began; [^;]*\.$",
    ),
}


@pytest.mark.parametrize("name", UNHELPFUL)
def test_what_did_not_help_is_said(name: str) -> None:
    world, text = UNHELPFUL[name]
    found = world.decision().hypothesis
    assert found is not None and found.rule == "change_at_onset"
    assert re.search(text, found.text), found.text


CANARY = ((-1000.0, "1.0.0"), (-60.0, "2.0.0"))
COMPARED = {
    "failures": (0.4, r"fails \([\d,]+ of [\d,]+ against \d+ of [\d,]+ by 1\.0\.0\)", "2.0.0 fails, 1.0.0 does not"),
    "slowness": (0.4, r"is slow \(", "2.0.0 is slow, 1.0.0 is not"),
    "outputs": (
        0.84,
        r"as the answers changed, differs: failed predictions 8\d % .* against 1\d % .* by 1\.0\.0",
        r"2.0.0: failed predictions 84 %, 1.0.0: 12 %",
    ),
}


@pytest.mark.parametrize("role", COMPARED)
def test_a_comparison_says_what_differs(role: str) -> None:
    ratio, text, short = COMPARED[role]
    bad = of_version("2.0.0", ratio, 0.12 if role == "outputs" else 0.002)
    world = World([Pod("a", bad=bad), Pod("b", bad=bad), Pod("c", CANARY, bad)], role=role, alert=-40)
    found = world.decision().hypothesis
    assert found is not None and re.search(text, found.text), found
    assert short == found.short


def test_one_other_pod_is_no_number() -> None:
    found = World([Pod("a"), Pod("b", bad=from_minute(-7, 0.6))]).decision().hypothesis
    assert found is not None and found.text.endswith("on the other pod).")
