"""The two kinds of process: web and worker, each until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import uvloop
import waitress

from bridge import logs
from bridge.config import ConfigurationFaults, Settings, secret_values
from bridge.config.values import is_loopback
from bridge.metrics import Metrics
from bridge.store import Listener, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.web import check_listen, create_app
from bridge.wiring import load_settings, policy_of, setup_of, utc_now
from bridge.worker import Worker

log = logs.get("bridge")
LEVEL = "info"


class Configuration:
    """The settings in force. reload() takes the new ones, or keeps the old and returns the faults."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.settings = load_settings(path)
        self.policy = policy_of(self.settings)
        logs.configure(LEVEL, secret_values(self.settings))

    def reload(self) -> list[str]:
        try:
            settings = load_settings(self._path)
        except ConfigurationFaults as faults:
            told = [fault.render(str(self._path)) for fault in faults.faults]
            log.error("reload_refused", faults=told)
            return told
        self.settings, self.policy = settings, policy_of(settings)
        logs.configure(LEVEL, secret_values(settings))
        log.info("reloaded", digest=settings.digest)
        return []


def run_web(path: Path, database: str, listen: str, after_reload: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM. Raises ValueError where listening there would be unsafe."""
    configuration = Configuration(path)
    host, _, port = listen.rpartition(":")
    check_listen(host, configuration.settings)
    engine = open_database(database)
    intake = StoreIntake(engine, lambda: configuration.policy, utc_now)

    def reload() -> list[str]:
        faults = configuration.reload()
        if not faults:
            after_reload()
        return faults

    app = create_app(
        lambda: configuration.settings,
        intake,
        StoreReader(engine),
        metrics=Metrics(),
        reload=reload,
        clock=utc_now,
        require_login=not is_loopback(host),
    )
    # Waitress reads whole requests before a thread sees them, so slow clients hold no thread; its default
    # connection_limit of 100 would let a hundred of them shut everyone else out.
    server = waitress.create_server(
        app,
        host=host.strip("[]"),
        port=int(port),
        threads=32,
        connection_limit=2000,
        ident=None,
        max_request_body_size=configuration.settings.limits.body + 65536,  # it buffers a body before we see it
    )
    _on_signal(signal.SIGHUP, lambda: configuration.reload())
    signal.signal(signal.SIGTERM, _raise_exit)
    log.info("web_ready", listen=listen)
    try:
        server.run()
    finally:
        server.close()
        intake.close()
        log.info("web_stopped")


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
    worker = Worker(store, setup_of(configuration.settings), metrics, utc_now)
    listener = Listener(engine, lambda: _wake(loop, worker))
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        if not configuration.reload():
            task = loop.create_task(worker.reload(setup_of(configuration.settings)))
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


def _on_signal(number: signal.Signals, act: Callable[[], object]) -> None:
    """In a thread: a signal handler that takes locks could wait for the very thread that it interrupts."""
    signal.signal(number, lambda *_: threading.Thread(target=act, daemon=True).start())


def _raise_exit(*_: object) -> None:
    raise SystemExit(0)


def settings_or_exit(path: Path) -> Settings:
    """For commands: the settings, or every fault on one screen and exit code 1."""
    try:
        return load_settings(path)
    except ConfigurationFaults as faults:
        raise SystemExit("\n".join(fault.render(str(path)) for fault in faults.faults)) from None
