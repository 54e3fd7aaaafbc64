"""Pings reach a real receiver while the bridge is healthy, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bridge.clients.outside_ping import PingUrl
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.store import Policy, StoreDeliveries, StoreIntake, StorePings, open_database
from bridge.worker.pings import Pinger, PingTarget
from tests.builders import a_group, an_alert
from tests.clients.receiver import Receiver, receiving

EVERY = timedelta(milliseconds=100)
POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})


class Machine:
    """A bridge with a movable clock, and the pinger of one worker."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.receiver, self.metrics, self.ahead = receiver, Metrics(), timedelta(0)
        self.writable = True
        sa.event.listen(self.engine, "checkout", self._allow)

    def _allow(self, connection: sa.engine.interfaces.DBAPIConnection, *_: object) -> None:
        connection.cursor().execute(f"PRAGMA query_only = {'OFF' if self.writable else 'ON'}")

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def alive(self) -> None:
        StoreDeliveries(self.engine, "w").alive("here 1", self.now(), self.now())

    def accept(self) -> None:
        intake = StoreIntake(self.engine, lambda: POLICY, self.now)
        intake.accept(a_group(an_alert()))
        intake.close()

    def pinger(self, **more: Any) -> Pinger:
        monitor = PingUrl(lambda: self.receiver.url, 10)
        target = PingTarget(monitor, EVERY, timedelta(minutes=5), **more)
        return Pinger(StorePings(self.engine), target, self.metrics, self.now)

    def run(self, pinger: Pinger, scenario: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            running = asyncio.create_task(pinger.run())
            await asyncio.wait_for(scenario(), 300)
            pinger.stop()
            await asyncio.wait_for(running, 300)

        asyncio.run(main())

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("bridge_pings_total", {"outcome": outcome}) or 0.0

    async def until(self, outcome: str, more: int = 2) -> None:
        """Until `more` further pings have this outcome."""
        wanted = self.count(outcome) + more
        while self.count(outcome) < wanted:
            await asyncio.sleep(0.01)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with receiving() as receiver:
        machine = Machine(tmp_path, receiver)
        machine.alive()
        yield machine
        machine.engine.dispose()


def test_a_healthy_bridge_pings_repeatedly(machine: Machine) -> None:
    machine.run(machine.pinger(), lambda: machine.until("ok", 4))
    assert len(machine.receiver.heard) >= 4
    assert {method for method, _, _ in machine.receiver.heard} == {"GET"}
    assert machine.count("withheld") == 0.0


def make_overdue(machine: Machine) -> None:
    machine.accept()
    machine.ahead = timedelta(minutes=6)
    machine.alive()


def kill_the_worker(machine: Machine) -> None:
    machine.ahead = timedelta(seconds=40)


def make_the_database_read_only(machine: Machine) -> None:
    machine.writable = False


def leave_a_lease(machine: Machine) -> None:
    """The delivery is not overdue, because its revision is new."""
    machine.accept()
    StoreDeliveries(machine.engine, "w").claim([ChannelCapacity("pager", 1, None, 1, 60.0)], machine.now())
    machine.ahead = timedelta(minutes=7)
    with machine.engine.begin() as connection:
        connection.execute(sa.text("UPDATE delivery SET wanted_at = :now"), {"now": machine.now().isoformat()})
    machine.alive()


def recover(machine: Machine) -> None:
    machine.writable = True
    with machine.engine.begin() as connection:
        connection.execute(sa.text("UPDATE delivery SET pending = 0"))
    machine.alive()


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (make_overdue, "overdue: messages are late: pager by"),
        (kill_the_worker, "worker: no worker has been seen for 4"),
        (
            make_the_database_read_only,
            "store: the store cannot be written: the database refused: attempt to write a readonly",
        ),
        (leave_a_lease, "leases: a message is with a worker that is gone, and none takes it: pager for"),
    ],
)
def test_a_fault_stops_the_pings_with_one_log_event_until_recovery(
    machine: Machine, break_it: Callable[[Machine], None], reason: str
) -> None:
    async def scenario() -> None:
        await machine.until("ok")
        break_it(machine)
        await machine.until("withheld", 1)
        pinged = len(machine.receiver.heard)
        await machine.until("withheld", 4)
        assert len(machine.receiver.heard) == pinged
        recover(machine)
        await machine.until("ok")
        assert len(machine.receiver.heard) > pinged

    with capture_logs() as lines:
        machine.run(machine.pinger(), scenario)
    (withheld,) = [line["why"] for line in lines if line["event"] == "ping_withheld"]
    assert withheld.startswith(reason)
    assert len([line for line in lines if line["event"] == "pinging"]) == 2
    assert "s3cret" not in str(lines)


def test_a_fault_is_reported_once_with_its_reason_if_configured(machine: Machine) -> None:
    async def scenario() -> None:
        await machine.until("ok")
        kill_the_worker(machine)
        await machine.until("withheld", 4)

    machine.run(machine.pinger(report_failures=True), scenario)
    (failed,) = [body for method, path, body in machine.receiver.heard if path.endswith("/fail")]
    assert failed.startswith("worker: no worker has been seen for 4")
    assert machine.receiver.paths()[-1] == "/fail"


def test_only_one_of_two_workers_pings(machine: Machine) -> None:
    async def scenario() -> None:
        other = machine.pinger()
        running = asyncio.create_task(other.run())
        began = machine.now()
        await machine.until("ok", 6)
        intervals = (machine.now() - began) / EVERY
        other.stop()
        await running
        assert len(machine.receiver.heard) <= intervals + 2

    machine.run(machine.pinger(), scenario)


def test_a_failed_ping_is_counted_and_retried_at_the_next_interval(machine: Machine) -> None:
    machine.receiver.status = 503

    async def scenario() -> None:
        await machine.until("failed")
        machine.receiver.status = 200
        await machine.until("ok")

    machine.run(machine.pinger(), scenario)


def test_pings_begin_when_a_reload_sets_the_url(machine: Machine) -> None:
    pinger = Pinger(StorePings(machine.engine), None, machine.metrics, machine.now)

    async def scenario() -> None:
        await asyncio.sleep(0.1)
        assert machine.receiver.heard == []
        pinger.reload(PingTarget(PingUrl(lambda: machine.receiver.url, 10), EVERY, timedelta(minutes=5)))
        await machine.until("ok")

    machine.run(pinger, scenario)
