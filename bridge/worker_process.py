"""The worker process: delivers until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import asyncio
import signal
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
    store = StoreDeliveries(engine)
    await asyncio.to_thread(store.end_pauses)
    metrics = Metrics()
    metrics.know(configuration.settings.channels, ())
    worker = Worker(store, setup_of(configuration.settings, metrics.asked), metrics, utc_now)
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
    log.info("worker_ready", worker=worker.id)
    try:
        await worker.run()
    finally:
        await asyncio.to_thread(listener.close)
        log.info("worker_stopped")


def _wake(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    loop.call_soon_threadsafe(worker.wake)
