"""The web process: takes notifications in and shows the pages, until SIGTERM; SIGHUP reloads the configuration."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress import wasyncore

from bridge.app.reload import Configuration, freeze_what_stays
from bridge.app.wiring import utc_now
from bridge.core.network.addresses import parse_listen
from bridge.observability import logs
from bridge.processes.lifeline import Beat
from bridge.processes.listening import listen_on
from bridge.store import StoreActions, StoreChanges, StoreCharts, StoreIntake, StoreReader, open_database
from bridge.web import check_listen, create_app, make_server

log = logs.get("bridge")


def run_web(
    path: Path, database: str, listen: str, after_reload: Callable[[], None] = lambda: None, beat: Beat | None = None
) -> None:
    """Serve until SIGTERM. Raises ValueError where listening there would be unsafe, OSError where it cannot be done."""
    beat = beat or Beat()
    configuration = Configuration(path, "web")
    address = parse_listen(listen)
    check_listen(address.host, configuration.settings)
    engine = open_database(database)
    intake = StoreIntake(engine, configuration.current_policy, utc_now)

    def reload() -> list[str]:
        faults = configuration.reload()
        if not faults:
            after_reload()
        return faults

    app = create_app(
        configuration.current_settings,
        intake,
        StoreReader(engine),
        StoreChanges(engine, utc_now, lambda: configuration.policy.change_channels),
        StoreCharts(engine, utc_now),
        actions=StoreActions(engine, configuration.current_policy),
        metrics=configuration.metrics,
        reload=reload,
        clock=utc_now,
        require_login=not address.loopback,
    )
    watched: dict[int, Any] = {}
    server = make_server(app, listen_on(address), configuration.current_settings, watched)
    _on_signal(signal.SIGHUP, configuration.reload)
    signal.signal(signal.SIGTERM, _raise_exit)
    _InEachRound(watched, beat)
    freeze_what_stays()
    log.info("web_ready", listen=listen)
    beat.ready()
    try:
        server.run()
    finally:
        server.close()
        intake.close()
        log.info("web_stopped")


class _InEachRound(wasyncore.dispatcher):  # type: ignore[misc]
    """Stands among the sockets of the server's loop, and calls when the loop goes round: it asks each of them."""

    def __init__(self, watched: dict[int, Any], call: Callable[[], None]) -> None:
        quiet, self._other_end = socket.socketpair()
        super().__init__(quiet, watched)
        self._call = call

    def readable(self) -> bool:
        self._call()
        return False

    def writable(self) -> bool:
        return False


def _on_signal(number: signal.Signals, act: Callable[[], object]) -> None:
    """In a thread: a signal handler that takes locks could wait for the very thread that it interrupts."""
    signal.signal(number, lambda *_: threading.Thread(target=act, daemon=True).start())


def _raise_exit(*_: object) -> None:
    raise SystemExit(0)
