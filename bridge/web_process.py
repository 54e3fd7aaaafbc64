"""The web process: takes notifications in and shows the pages, until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import waitress

from bridge import logs
from bridge.config.values import is_loopback
from bridge.serving import Configuration, freeze_what_stays
from bridge.store import StoreChanges, StoreIntake, StorePictures, StoreReader, open_database
from bridge.web import check_listen, create_app
from bridge.wiring import utc_now

log = logs.get("bridge")


def run_web(path: Path, database: str, listen: str, after_reload: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM. Raises ValueError where listening there would be unsafe."""
    configuration = Configuration(path, "web")
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
        StoreChanges(engine, utc_now, lambda: configuration.policy.change_channels),
        StorePictures(engine, utc_now),
        metrics=configuration.metrics,
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
        asyncore_use_poll=True,  # select() knows no file above 1,023, and would end the process at the next connection
        ident=None,
        max_request_body_size=configuration.settings.limits.body + 65536,  # it buffers a body before we see it
    )
    _on_signal(signal.SIGHUP, lambda: configuration.reload())
    signal.signal(signal.SIGTERM, _raise_exit)
    freeze_what_stays()
    log.info("web_ready", listen=listen)
    try:
        server.run()
    finally:
        server.close()
        intake.close()
        log.info("web_stopped")


def _on_signal(number: signal.Signals, act: Callable[[], object]) -> None:
    """In a thread: a signal handler that takes locks could wait for the very thread that it interrupts."""
    signal.signal(number, lambda *_: threading.Thread(target=act, daemon=True).start())


def _raise_exit(*_: object) -> None:
    raise SystemExit(0)
