"""Drills end by themselves, stay within their bounds, and do what they say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bert_api.drills import KINDS, MEGABYTE, USUAL, DrillError, Drills
from tests.bert_api.service.api_process import ROOT


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drills(clock: Clock) -> Drills:
    return Drills(clock=clock, chance=lambda: 0.3)


def active(drills: Drills) -> list[str]:
    return [str(each["name"]) for each in drills.state() if each["active"]]


@pytest.mark.parametrize("name", KINDS)
def test_every_drill_ends_by_itself(drills: Drills, clock: Clock, name: str) -> None:
    drills.begin(name, {})
    assert active(drills) == [name]
    clock.now = USUAL
    assert active(drills) == []


@pytest.mark.parametrize("name", KINDS)
def test_every_drill_can_be_ended_and_ending_twice_is_no_fault(drills: Drills, name: str) -> None:
    drills.begin(name, {"for_seconds": 7200})
    drills.end(name)
    drills.end(name)
    assert active(drills) == []


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("slow", {"seconds": 5.1}, "seconds must be a number from 0.01 to 5"),
        ("slow", {"seconds": float("nan")}, "from 0.01 to 5"),
        ("failing", {"share": "1"}, "from 0 to 1"),
        ("memory", {"megabytes": 10**9}, "from 1 to 4096"),
        ("unload", {"for_seconds": 0}, "for_seconds must be a number from 1 to 7200"),
        ("unload", {"share": 1}, "unload takes for_seconds"),
        ("earthquake", {}, "There are: slow"),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(drills: Drills, name: str, asked: dict[str, object], words: str) -> None:
    with pytest.raises(DrillError, match=words):
        drills.begin(name, asked)
    assert active(drills) == []


@pytest.mark.parametrize(("share", "happens"), [(0.29, False), (0.31, True), (0.0, False), (1.0, True)])
def test_a_share_of_requests_fails_or_is_lost(drills: Drills, share: float, happens: bool) -> None:
    drills.begin("failing", {"share": share})
    assert (drills.fails(), drills.loses()) == (happens, False)
    drills.begin("timeouts", {"share": share})
    assert drills.loses() is happens


def test_without_a_drill_nothing_happens(drills: Drills) -> None:
    assert (drills.fails(), drills.loses(), drills.delay_seconds(), drills.unloads()) == (False, False, 0.0, False)
    assert drills.memory_limit() == 0


def test_the_values_are_those_that_were_asked(drills: Drills) -> None:
    drills.begin("slow", {"seconds": 0.25})
    drills.begin("memory-limit", {"megabytes": 300})
    assert (drills.delay_seconds(), drills.memory_limit()) == (0.25, 300 * MEGABYTE)


def test_beginning_again_replaces_what_runs(drills: Drills, clock: Clock) -> None:
    drills.begin("slow", {"seconds": 1, "for_seconds": 10})
    clock.now = 5
    drills.begin("slow", {"seconds": 2, "for_seconds": 10})
    clock.now = 14
    assert drills.delay_seconds() == 2


LEAKING = """
from pathlib import Path
from bert_api.drills import LEAK_SECONDS, Drills

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1024**2

now, before = [0.0], resident()
drills = Drills(clock=lambda: now[0])
drills.begin("memory", {"megabytes": 64, "for_seconds": 600})
for now[0] in (0.0, LEAK_SECONDS / 2, LEAK_SECONDS, LEAK_SECONDS + 100, 600.0):
    drills.tick()
    print(round(resident() - before))
"""


def test_a_leak_grows_to_what_was_asked_and_is_freed() -> None:
    """In a process of its own, where nothing else takes or frees memory."""
    command = [sys.executable, "-c", LEAKING]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600)
    megabytes = [int(line) for line in done.stdout.split()]
    assert megabytes == pytest.approx([0, 32, 64, 64, 0], abs=6)
