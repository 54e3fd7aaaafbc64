"""What a drill breaks, and that it is mended however the drill ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.stack import earlier, proc
from dev.stack.drill_faults import another_version, frozen, misbehave
from dev.stack.drill_start import free_ports
from dev.stack.drill_watching import Site
from dev.stack.errors import StackError
from dev.stack.places import ROOT, Places
from dev.stack.ports import NAMES, Ports, variable
from tests.dev.stack.conftest import Start


def site(places: Places) -> Site:
    return Site(places, Ports(), 30)


def test_a_replica_is_well_again_however_the_drill_ends(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def request(url: str, method: str = "GET", body: object = None) -> bytes:
        asked.append((method, url.rpartition("//")[2], body))
        return b""

    monkeypatch.setattr("dev.stack.drill_faults.request", request)
    with pytest.raises(KeyboardInterrupt), misbehave("slow", [0, 2], seconds=0.5)(site(places)):
        raise KeyboardInterrupt
    body = {"seconds": 0.5, "for_seconds": 7200}
    assert asked == [
        ("POST", "127.0.0.1:8100/drills/slow", body),
        ("POST", "127.0.0.1:8102/drills/slow", body),
        ("DELETE", "127.0.0.1:8100/drills/slow", None),
        ("DELETE", "127.0.0.1:8102/drills/slow", None),
    ]


def test_an_api_that_takes_no_drills_says_why(places: Places) -> None:
    here = Site(places, Ports(**{name: int(free_ports()[variable(name)]) for name in NAMES}), 30)
    with pytest.raises(StackError, match=r"(?s)did not begin the drill.*unless BERT_API_DRILLS=0"):
        misbehave("slow")(here).__enter__()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # the limit is that of the test
        os.sched_yield()


def test_a_frozen_service_goes_on_afterwards(places: Places, start: Start) -> None:
    child = start("import time; time.sleep(60)", run=places.run)
    eventually(lambda: proc.is_marked(child.pid, places.run))
    earlier.record(places, [("bridge", child.pid)])
    with frozen("bridge")(site(places)):
        eventually(lambda: state_of(child.pid) == "T")
    eventually(lambda: state_of(child.pid) != "T")


def test_a_service_that_is_not_there_cannot_freeze(places: Places) -> None:
    with pytest.raises(StackError, match="does not list bridge"), frozen("bridge")(site(places)):
        raise AssertionError("nothing was frozen")


def test_another_version_is_deployed_and_rolled_back(places: Places) -> None:
    pointer = places.api_state / "current.json"
    before = set((ROOT / "bert_api" / "models" / "versions").iterdir())
    with another_version(site(places)):
        deployed = json.loads(pointer.read_text())
    assert json.loads(pointer.read_text()) != deployed
    assert set((ROOT / "bert_api" / "models" / "versions").iterdir()) == before
