"""The process: the parts put together, the server in front, and an end that loses nothing."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waitress.server import BaseWSGIServer

from bert_api.drills import Drills
from bert_api.metrics import Metrics
from bert_api.model.classifier import Classifier, load
from bert_api.model.versions import Versions
from bert_api.service import __version__
from bert_api.service.app import Service
from bert_api.service.inference import Inference, Limits
from bert_api.service.listening import listen
from bert_api.service.memory import Memory
from bert_api.service.probing import ProbeAllowance
from bert_api.service.serving import ModelSlot
from bert_api.service.settings import Settings
from bert_api.service.watching import OneFolder, Source, Watcher
from bert_api.training.history import RunHistory

log = logging.getLogger(__name__)
SPARE_SECONDS = 2.0  # beyond the timeout, for a last answer to be written
Load = Callable[[Path], Classifier]


@dataclass(frozen=True)
class Parts:
    """A service and its two kinds of threads."""

    service: Service
    watcher: Watcher

    def start(self) -> None:
        self.service.inference.start()
        self.watcher.start()

    def stop(self) -> None:
        self.watcher.stop()
        self.service.inference.close()


def assemble(settings: Settings, load_model: Load = load) -> Parts:
    """Nothing runs yet."""
    metrics = Metrics(__version__, settings.git_sha)
    slot, drills = ModelSlot(), Drills() if settings.drills else None
    limits = Limits(settings.queue, settings.inference_threads, settings.timeout_seconds)
    inference = Inference(lambda: slot.served, metrics, limits, drills)
    _watch_memory(metrics, drills)
    history = RunHistory(settings.state)
    probes = ProbeAllowance(settings.probe_token, settings.probe_texts)
    watcher = Watcher(source(settings), load_model, slot, metrics, runs=history.read, drills=drills)
    return Parts(Service(metrics, slot, inference, probes, drills, settings.body_bytes), watcher)


def source(settings: Settings) -> Source:
    return OneFolder(settings.model) if settings.model else Versions(settings.models, settings.state)


def _watch_memory(metrics: Metrics, drills: Drills | None) -> None:
    memory = Memory()
    metrics.watch_memory(memory.usage, lambda: (drills and drills.memory_limit()) or memory.limit())


def serve(settings: Settings, load_model: Load = load) -> None:
    """Until SIGTERM or SIGINT; then not ready, finish what was begun, and return."""
    parts = assemble(settings, load_model)
    server = listen(settings, parts.service)
    ending = Ending(server, parts.service, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ending.requested)
    log.info("listening", extra={"host": settings.host, "port": settings.port, "drills": settings.drills})
    parts.start()
    try:
        server.run()
    finally:
        parts.stop()
        log.info("ended")


class Ending:
    """SIGTERM once: drain, then end. Twice: end at once."""

    def __init__(self, server: BaseWSGIServer, service: Service, settings: Settings) -> None:
        self._server, self._service, self._settings = server, service, settings
        self._finished = False

    def requested(self, *_: object) -> None:
        """A signal handler: it takes no lock, for it may interrupt the thread that holds it."""
        if self._finished or self._service.draining.is_set():
            raise SystemExit(0)
        self._service.draining.set()
        threading.Thread(target=self._drain, name="ending", daemon=True).start()

    def _drain(self) -> None:
        log.info("draining", extra={"seconds": self._settings.drain_seconds})
        time.sleep(self._settings.drain_seconds)
        self._server.accepting = False
        self._server.socket.shutdown(socket.SHUT_RDWR)  # who comes now is refused at once, and asks elsewhere
        deadline = time.monotonic() + self._settings.timeout_seconds + SPARE_SECONDS
        while self._busy() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._finished = True
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGTERM)  # to that thread, whose wait it must interrupt

    def _busy(self) -> bool:
        """A channel that has a request, or an answer that is not written yet."""
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
