"""The worker process: delivers until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from pathlib import Path

import uvloop

from bridge import logs
from bridge.metrics import Metrics
from bridge.serving import Configuration
from bridge.store import Listener, StoreDeliveries, open_database
from bridge.wiring import setup_of, utc_now
from bridge.worker import Worker

log = logs.get("bridge")


def run_worker(path: Path, database: str) -> None:
    """Deliver until SIGTERM; what is being sent then is finished first."""
    configuration = Configuration(path)
    uvloop.run(_work(configuration, database))


async def _work(configuration: Configuration, database: str) -> None:
    loop = asyncio.get_running_loop()
    engine = await asyncio.to_thread(open_database, database)
    worker_id, host = secrets.token_hex(8), socket.gethostname()
    store = StoreDeliveries(engine, worker_id)
    await asyncio.to_thread(store.end_pauses)
    freed = await asyncio.to_thread(store.succeed, host, _is_another, utc_now())
    place, born = f"{host} {os.getpid()}", utc_now()
    await asyncio.to_thread(store.alive, place, born, born)  # before the first lease: so a successor can end it
    metrics = Metrics()
    metrics.know(configuration.settings.channels, ())
    worker = Worker(
        store, setup_of(configuration.settings, metrics.asked), metrics, utc_now, place=f"{host} {os.getpid()}"
    )
    listener = Listener(engine, lambda: _wake(loop, worker))
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        if not configuration.reload():
            task = loop.create_task(worker.reload(setup_of(configuration.settings, metrics.asked)))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    log.info("worker_ready", worker=worker_id, freed=freed)
    try:
        await worker.run()
    finally:
        await asyncio.to_thread(listener.close)
        log.info("worker_stopped")


def _is_another(pid: int) -> bool:
    """A process that runs and is not this one: in a container that was started again, the pid is the same."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):  # killed, but its parent has not looked yet
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True


def _wake(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    loop.call_soon_threadsafe(worker.wake)
