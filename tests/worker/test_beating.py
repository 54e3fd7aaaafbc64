"""What a liveness probe hears of a worker: it moves, or which part of it does not; and what its own address answers."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.ports import Lane
from bridge.metrics import Metrics
from bridge.render import Renderer
from bridge.store import StoreDeliveries, open_database
from bridge.worker import Setup, Worker
from bridge.worker.beating import DATABASE_SILENT, LOOP_SILENT, Beats
from bridge.worker_endpoint import endpoint, listen_for_probes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_worker_that_has_just_begun_lives() -> None:
    assert "" == Beats().fault()


@pytest.mark.parametrize("part", ["loop", "database thread"])
def test_the_part_that_does_not_move_is_named(part: str) -> None:
    async def beat(beats: Beats) -> None:
        beating = asyncio.create_task(beats.run(lambda: None))
        await asyncio.sleep(0)
        beating.cancel()

    clock = Clock()
    beats = Beats(clock)
    limit = {"loop": LOOP_SILENT, "database thread": DATABASE_SILENT}[part]
    for at in range(int(limit) + 2):
        assert "" == beats.fault()
        clock.now = float(at)
        if part != "loop":
            asyncio.run(beat(beats))
        else:
            beats.database_moved()
    assert f"the worker's {part} has not moved for {limit + 1:.0f} s (limit {limit:.0f} s)" == beats.fault()


class Stuck(StoreDeliveries):
    """A database that never answers."""

    stuck, inside, let_go = False, threading.Event(), threading.Event()

    def claim(self, lanes: Any, now: datetime) -> Any:
        if self.stuck:
            self.inside.set()
            self.let_go.wait(60)
        return super().claim(lanes, now)


def test_a_database_thread_that_hangs_is_seen_and_one_that_fails_is_not(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    store, clock = Stuck(engine), Clock()
    beats = Beats(clock)
    setup = Setup({}, {"pager": Lane("pager", 4, None, 1, 60.0)}, Renderer(None, None), timedelta(days=90))

    async def main() -> None:
        now = lambda: datetime.now(UTC)  # noqa: E731
        worker = Worker(store, setup, Metrics(), now, beats=beats, poll_seconds=0.02)
        running = asyncio.create_task(worker.run())
        beating = asyncio.create_task(beats.run(lambda: None, 0.01))
        clock.now = DATABASE_SILENT * 3
        while beats.fault():  # it moves
            await asyncio.sleep(0.01)
        store.stuck = True
        await asyncio.to_thread(store.inside.wait, 60)
        clock.now = DATABASE_SILENT * 6
        while "database thread" not in beats.fault():
            await asyncio.sleep(0.01)
        store.stuck = False
        store.let_go.set()
        while beats.fault():
            await asyncio.sleep(0.01)
        engine.dispose()
        worker.stop()
        await asyncio.wait_for(running, 20)
        beating.cancel()

    asyncio.run(asyncio.wait_for(main(), 60))
    engine.dispose()


def asked(path: str, method: str = "GET", fault: str = "") -> tuple[str, str]:
    status: list[str] = []
    app = endpoint(lambda: b"bridge_x 1\n", lambda: fault)
    body = app({"REQUEST_METHOD": method, "PATH_INFO": path}, lambda told, headers: status.append(told))  # type: ignore
    return status[0], b"".join(body).decode()


def test_what_a_worker_answers() -> None:
    assert ("200 OK", "bridge_x 1\n") == asked("/metrics")
    assert ("200 OK", '{"healthy": true, "why": ""}\n') == asked("/-/healthy")
    assert ("503 Service Unavailable", '{"healthy": false, "why": "stuck"}\n') == asked("/-/healthy", fault="stuck")
    assert "404" in asked("/")[0] and "404" in asked("/-/ready")[0] and "405" in asked("/metrics", "POST")[0]


@pytest.mark.parametrize("listen", ["9120", ":9120", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "a b:1"])
def test_an_address_that_is_none_is_refused_in_words(listen: str) -> None:
    with pytest.raises(ValueError, match="is no host:port"):
        listen_for_probes(listen, endpoint(bytes, str))
