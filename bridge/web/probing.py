"""Asks the store on behalf of probes, with a time limit: a store that exceeds it counts as down."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from threading import Lock, Thread

from bridge.core.ports import Intake
from bridge.core.views import Health, Reader
from bridge.observability import logs

log = logs.get(__name__)
SECONDS = 2.0  #: a container's probe has three


class StoreProbe:
    """One query at a time, shared by all callers; a separate thread waits for the answer."""

    def __init__(self, reader: Reader, intake: Intake, clock: Callable[[], datetime], seconds: float = SECONDS) -> None:
        self._reader, self._intake, self._clock, self._seconds = reader, intake, clock, seconds
        self._asked: Future[Health | None] | None = None
        self._lock = Lock()

    def health(self) -> Health | None:
        """None when the store does not answer, whatever the reason."""
        return self._wait(self._ask(), self._seconds)

    def both(self) -> tuple[Health | None, str]:
        """The health, and why nothing can be stored."""
        end = time.monotonic() + self._seconds
        asked, refused = self._ask(), self._intake.fault(self._seconds)
        return self._wait(asked, end - time.monotonic()), refused

    def _wait(self, asked: Future[Health | None], seconds: float) -> Health | None:
        try:
            return asked.result(max(0.0, seconds))
        except FutureTimeout:
            log.warning("store_did_not_answer", error=f"not within {self._seconds:g} s")
            return None

    def _ask(self) -> Future[Health | None]:
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                Thread(target=self._answer, args=(self._asked,), name="health", daemon=True).start()
            return self._asked

    def _answer(self, asked: Future[Health | None]) -> None:
        try:
            asked.set_result(self._reader.health(self._clock()))
        except Exception as error:
            log.warning("store_did_not_answer", error=str(error))
            asked.set_result(None)
