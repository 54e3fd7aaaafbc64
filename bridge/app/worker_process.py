"""The worker process: delivers until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import uvloop

from bridge.app.reload import Configuration, freeze_what_stays
from bridge.app.wiring import change_senders_of, ping_target, reconciled_sources, utc_now, worker_setup
from bridge.app.worker_endpoint import endpoint, listen_for_probes
from bridge.app.worker_records import StoreChecks, StoreRecords
from bridge.core.errors import StoreUnavailable
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.outbound.trust import trusted
from bridge.processes.lifeline import Beat
from bridge.store import (
    Engine,
    Listener,
    StoreChangeDeliveries,
    StoreDeliveries,
    StorePings,
    StoreProbes,
    StoreReconciliation,
    open_database,
)
from bridge.worker import Worker
from bridge.worker.change_events import ChangeNotifier
from bridge.worker.liveness import Liveness
from bridge.worker.pings import Pinger
from bridge.worker.reconciliation import Reconciler

log = logs.get("bridge")


#: A liveness probe asks for no more than the supervisor does.
HANG_SECONDS = 60.0


def run_worker(path: Path, database: str, beat: Beat | None = None, metrics_listen: str | None = None) -> None:
    """Deliver until SIGTERM; what is being sent then is finished first. metrics_listen: where to answer probes."""
    configuration, beat = Configuration(path, "worker"), beat or Beat()
    if metrics_listen:
        fault = partial(beat.fault, HANG_SECONDS)
        listen_for_probes(metrics_listen, endpoint(configuration.metrics.of_this_process, fault))
    uvloop.run(_work(configuration, database, beat))


async def _work(configuration: Configuration, database: str, beat: Beat) -> None:
    # the authorities of certificates, which the first call would load in the loop
    engine, _ = await asyncio.gather(asyncio.to_thread(open_database, database), asyncio.to_thread(trusted))
    host = socket.gethostname()
    worker_id, place = secrets.token_hex(8), f"{host} {os.getpid()}"
    store = StoreDeliveries(engine, worker_id, configuration.current_policy)
    await asyncio.to_thread(store.end_pauses)
    freed = await asyncio.to_thread(store.release_dead_leases, host, _is_another, utc_now())
    tasks = WorkerTasks(configuration, engine, store, worker_id, place)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, tasks.stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, tasks.reload)
    await tasks.warm_up()
    freeze_what_stays()
    await asyncio.to_thread(_register, store, place)
    log.info("worker_ready", worker=worker_id, freed=freed)
    beat.ready()
    try:
        await tasks.run(_BeatWithMetrics(beat, configuration.metrics))
    finally:
        log.info("worker_stopped")


def _register(store: StoreDeliveries, place: str) -> None:
    """After all that the first message would wait for, as the bridge counts as ready from here on; and before the first
    lease, so that a successor can end it. A database that has gone meanwhile ends no worker: it waits for it."""
    now = utc_now()
    try:
        store.alive(place, now, now)
    except StoreUnavailable as fault:
        log.error("store_unavailable", fault=str(fault))


class _BeatWithMetrics:
    """A sign of life that brings the process's metrics up to date."""

    def __init__(self, beat: Beat, metrics: Metrics) -> None:
        self._beat, self._metrics = beat, metrics

    def __call__(self) -> None:
        self._beat()
        self._metrics.system.refresh()


class WorkerTasks:
    """The delivery loop and what runs beside it. Make and use it inside the running loop."""

    def __init__(
        self, configuration: Configuration, engine: Engine, store: StoreDeliveries, worker_id: str, place: str
    ) -> None:
        self._configuration = configuration
        settings, metrics = configuration.settings, configuration.metrics
        metrics.know(settings.channels, ())
        self._worker = Worker(
            store,
            worker_setup(settings, metrics.context_queried),
            metrics,
            utc_now,
            records=StoreRecords(engine, configuration),
            checks=StoreChecks(engine, configuration),
            probes=StoreProbes(engine),
            place=place,
        )
        self._changes = ChangeNotifier(StoreChangeDeliveries(engine), change_senders_of(settings), metrics, utc_now)
        reconciling = StoreReconciliation(engine, configuration.current_policy, worker_id)
        self._reconciler = Reconciler(reconciling, reconciled_sources(settings), metrics, utc_now)
        self._pinger = Pinger(StorePings(engine), ping_target(settings), metrics, utc_now)
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(engine, self._wake)
        self._reloads: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        self._worker.stop()

    def reload(self) -> None:
        """Keeps the settings in force when the new ones have faults."""
        if self._configuration.reload():
            return
        settings, metrics = self._configuration.settings, self._configuration.metrics
        self._reconciler.reload(reconciled_sources(settings))
        self._pinger.reload(ping_target(settings))
        self._start_reload(self._worker.reload(worker_setup(settings, metrics.context_queried)))
        self._start_reload(self._changes.reload(change_senders_of(settings)))

    async def warm_up(self) -> None:
        await self._worker.warm_up()

    async def run(self, beat: Callable[[], None]) -> None:
        """Until stop(); what is being sent then is finished first."""
        beside = (self._changes, self._reconciler, self._pinger)
        liveness = self._loop.create_task(Liveness(beat, self._worker.store_idle).run())
        running = [self._loop.create_task(each.run()) for each in beside]
        try:
            await self._worker.run()
        finally:
            for each in beside:
                each.stop()
            await asyncio.gather(*running)
            await asyncio.to_thread(self._listener.close)
            liveness.cancel()

    def _start_reload(self, reloading: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(reloading)
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def _wake(self) -> None:
        """From the listener's thread."""
        self._loop.call_soon_threadsafe(self._worker.wake)


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
    with contextlib.suppress(OSError):  # killed, and not yet reaped by its parent
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True
