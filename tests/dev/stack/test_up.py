"""What `make up` starts when, and what it records of itself while it runs."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

from dev.stack import up
from dev.stack.drill_watching import Site
from dev.stack.places import Places
from dev.stack.ports import Ports
from dev.stack.services import Service
from dev.stack.terminal import Terminal
from dev.stack.up import RunInfo, StopRequests


@dataclass
class Recorded:
    """In the place of a Process: ready at once, and remembered."""

    service: Service
    happened: list[str]
    ended: int | None = None
    born: float = 0.0
    pid: int | None = None

    def start(self) -> None:
        self.happened.append(f"{self.service.name} started")

    def is_ready(self) -> bool:
        self.happened.append(f"{self.service.name} was ready")
        return True


class NoStop(StopRequests):
    def __init__(self) -> None:
        self.count = 0


def test_what_is_late_starts_when_all_others_are_ready(places: Places) -> None:
    happened: list[str] = []
    listed = [Service("prometheus", (), "", "", late=True), Service("bridge", (), "", ""), Service("api", (), "", "")]
    processes = [Recorded(service, happened) for service in listed]
    up._start(processes, places, Terminal(io.StringIO()), NoStop())  # type: ignore[arg-type]
    assert happened == [
        "bridge started", "api started", "bridge was ready", "api was ready", "prometheus started",
        "prometheus was ready",
    ]  # fmt: skip


def test_a_run_records_its_ports_and_speed_and_forgets_them(places: Places) -> None:
    ports = Ports(bridge=12345)
    RunInfo("the screen", ports, 7).publish(places)
    content = json.loads(places.running.read_text())
    assert Site(places, Ports(**content["ports"]), content["speed"]) == Site(places, ports, 7)
    assert places.screen.read_text() == "the screen\n"
    RunInfo.remove(places)
    assert not places.running.exists()
    assert not places.screen.exists()
