"""The worker process: delivers until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import uvloop

from bridge.app.reload import Configuration, freeze_what_stays
from bridge.app.wiring import change_senders_of, ping_target, reconciled_sources, setup_of, utc_now
from bridge.app.worker_endpoint import endpoint, listen_for_probes
from bridge.core.changes import WINDOW, period_of
from bridge.core.charts.chart import Picture
from bridge.core.context.measurements import Measured
from bridge.core.facts import ChangeEvent, Context
from bridge.core.model import Incident
from bridge.core.ports import Illustration
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.processes.lifeline import Beat
from bridge.store import (
    Engine,
    Listener,
    StoreChangeDeliveries,
    StoreChanges,
    StoreContexts,
    StoreDeliveries,
    StoreEscalations,
    StoreHeartbeats,
    StorePeople,
    StorePictures,
    StorePings,
    StoreReconciling,
    StoreStorms,
    open_database,
)
from bridge.worker import Worker
from bridge.worker.beating import beat_while_it_moves
from bridge.worker.change_events import ChangeNotifier
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
    loop, metrics = asyncio.get_running_loop(), configuration.metrics
    engine = await asyncio.to_thread(open_database, database)
    worker_id, host = secrets.token_hex(8), socket.gethostname()
    store = StoreDeliveries(engine, worker_id, lambda: configuration.policy)
    await asyncio.to_thread(store.end_pauses)
    freed = await asyncio.to_thread(store.release_dead_leases, host, _is_another, utc_now())
    place, born = f"{host} {os.getpid()}", utc_now()
    await asyncio.to_thread(store.alive, place, born, born)  # before the first lease: so a successor can end it
    metrics.know(configuration.settings.channels, ())
    duties = _Duties(engine, configuration)
    setup = setup_of(configuration.settings, metrics.asked)
    worker = Worker(store, setup, metrics, utc_now, duties=duties, place=place)
    changes_notifier = ChangeNotifier(
        StoreChangeDeliveries(engine), change_senders_of(configuration.settings), metrics, utc_now
    )
    reconciler = Reconciler(
        StoreReconciling(engine, lambda: configuration.policy, worker_id),
        reconciled_sources(configuration.settings),
        metrics,
        utc_now,
    )
    pinger = Pinger(StorePings(engine), ping_target(configuration.settings), metrics, utc_now)
    listener = Listener(engine, lambda: _wake(loop, worker))
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        if not configuration.reload():
            reconciler.reload(reconciled_sources(configuration.settings))
            pinger.reload(ping_target(configuration.settings))
            changes = change_senders_of(configuration.settings)
            for work in (
                worker.reload(setup_of(configuration.settings, metrics.asked)),
                changes_notifier.reload(changes),
            ):
                task = loop.create_task(work)
                reloads.add(task)
                task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    freeze_what_stays()
    log.info("worker_ready", worker=worker_id, freed=freed)
    beat.ready()
    beating = loop.create_task(beat_while_it_moves(lambda: _moves(beat, metrics), worker.database_moved))
    beside = [loop.create_task(work) for work in (changes_notifier.run(), reconciler.run(), pinger.run())]
    try:
        await worker.run()
    finally:
        changes_notifier.stop()
        reconciler.stop()
        pinger.stop()
        await asyncio.gather(*beside)
        await asyncio.to_thread(listener.close)
        beating.cancel()
        log.info("worker_stopped")


def _moves(beat: Beat, metrics: Metrics) -> None:
    beat()
    metrics.system.refresh()


class _Duties:
    """What the worker asks of the store besides deliveries, by the policy in force."""

    def __init__(self, engine: Engine, configuration: Configuration) -> None:
        self._configuration = configuration
        self._changes = StoreChanges(engine, utc_now)
        self._contexts = StoreContexts(engine)
        self._pictures = StorePictures(engine, utc_now)
        self._people = StorePeople(engine, lambda: configuration.policy)
        self._heartbeats = StoreHeartbeats(engine, lambda: configuration.policy)
        self._escalations = StoreEscalations(engine, lambda: configuration.policy)
        self._storms = StoreStorms(engine, lambda: configuration.policy)

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        context = self._configuration.settings.context
        period = period_of(incident, utc_now(), context.window if context else WINDOW)
        return self._changes.changes_for([each.labels for each in incident.alerts.values()], *period)

    def keep(self, contexts: Mapping[int, Context]) -> None:
        self._contexts.keep(contexts)

    def measured(self, number: int) -> Measured:
        return self._contexts.measured(number, utc_now())

    def illustrate(self, number: int, picture: Picture) -> Illustration | None:
        kept = self._pictures.keep(number, picture)
        base = self._configuration.settings.external_url
        if kept is None:
            return None
        return Illustration(picture.title, picture.alt, picture.png, f"{base}{kept.path}" if base else None)

    def tell(self, number: int, text: str) -> None:
        self._people.learn(number, text, utc_now())

    def watch(self, since: datetime, now: datetime) -> Sequence[str]:
        turned = [f"heartbeat {name}" for name in self._heartbeats.watch(since, now)]
        return [*turned, *self._escalations.watch(now), *self._storms.watch(now)]


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
