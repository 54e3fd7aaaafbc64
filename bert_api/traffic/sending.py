"""Sends at a steady pace.

Invariant: open loop, so slow answers do not slow the traffic down; but never more in flight than there are senders,
and what finds none free is counted as held back, not queued for ever.
"""

from __future__ import annotations

import http.client
import json
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bert_api.traffic.scenarios import mix_at, request_body
from bert_api.traffic.sentences import from_corpus

SENDERS = 128
TIMEOUT_SECONDS = 30.0
READY_SECONDS = 60.0
ROUNDING = 1e-6  # seconds; fifty steps of 0.01 s are not quite 0.5 s
RECENT = 2000
FAULTS = (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError)  # no answer of ours


@dataclass
class Tally:
    """What came back so far. `recent` has the seconds of the latest answers."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    held_back: int = 0
    toxic: int = 0
    texts: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, seconds: float, labels: Sequence[str] | None) -> None:
        """`labels` of the texts; None for any answer but 200, and for none."""
        with self.lock:
            self.recent.append(seconds)
            if labels is None:
                self.failed += 1
                return
            self.answered += 1
            self.texts += len(labels)
            self.toxic += sum(label == "toxic" for label in labels)

    def p95(self) -> float:
        """Seconds, of the latest answers; 0 before the first."""
        with self.lock:
            ordered = sorted(self.recent)
        return ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)] if ordered else 0.0


class Traffic:
    """Requests to the addresses in turn, until `stopping` is set or the duration (seconds; 0 for ever) is over."""

    def __init__(
        self,
        urls: Sequence[str],
        scenario: str,
        rate: float,
        duration: float = 0.0,
        chance: random.Random | None = None,
    ) -> None:
        self.tally = Tally()
        self.stopping = threading.Event()
        self._urls, self._scenario, self._rate, self._duration = urls, scenario, rate, duration
        self._chance, self._sentences = chance or random.Random(), from_corpus()
        self._work: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(SENDERS)

    def run(self) -> None:
        threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            self._wait_for_somebody()
            self._pace()
        finally:
            for _ in threads:
                self._work.put(None)
            for thread in threads:
                thread.join(TIMEOUT_SECONDS)

    def _wait_for_somebody(self) -> None:
        """An API that is still loading its model is no failed request."""
        deadline = time.monotonic() + READY_SECONDS
        while not all(Connection(url).is_ready() for url in self._urls):
            if time.monotonic() > deadline or self.stopping.wait(0.5):
                return

    def _pace(self) -> None:
        began = time.monotonic()
        due = 0.0  # seconds after the beginning: added to the clock's own value, small steps would be rounded
        while not self.stopping.wait(max(0.0, began + due - time.monotonic())):
            if self._duration and due >= self._duration - ROUNDING:
                return
            mix = mix_at(self._scenario, due)
            self._offer(request_body(mix, self._sentences, self._chance))
            due += 1 / (self._rate * mix.pace)

    def _offer(self, body: dict[str, Any]) -> None:
        url = self._urls[self.tally.sent % len(self._urls)]
        self.tally.sent += 1
        try:
            self._work.put_nowait((url, body))
        except queue.Full:
            self.tally.held_back += 1

    def _send_all(self) -> None:
        connections: dict[str, Connection] = {}
        while (work := self._work.get()) is not None:
            url, body = work
            connection = connections.setdefault(url, Connection(url))
            began = time.monotonic()
            labels = connection.predict(body)
            self.tally.note(time.monotonic() - began, labels)
        for connection in connections.values():
            connection.close()


class Connection:
    """Kept open between requests; opened again after a fault."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        make: Callable[..., http.client.HTTPConnection]
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._http = make(parts.netloc, timeout=TIMEOUT_SECONDS)
        self._prefix = parts.path.rstrip("/")

    def is_ready(self) -> bool:
        try:
            self._http.request("GET", self._prefix + "/readyz")
            return self._http.getresponse().status == 200
        except FAULTS:
            return False
        finally:
            self._http.close()

    def predict(self, body: dict[str, Any]) -> list[str] | None:
        """The label of each text, or None when there was no good answer."""
        try:
            return self._ask(body)
        except http.client.RemoteDisconnected:
            self._http.close()  # closed while it rested, as a server may do; that is no failed request yet
        except FAULTS:
            self._http.close()
            return None
        try:
            return self._ask(body)
        except FAULTS:
            self._http.close()
            return None

    def _ask(self, body: dict[str, Any]) -> list[str] | None:
        self._http.request("POST", self._prefix + "/predict", json.dumps(body), {"Content-Type": "application/json"})
        with self._http.getresponse() as answer:
            content = json.loads(answer.read())
        if answer.status != 200:
            return None
        return [str(each["label"]) for each in content.get("predictions", [content])]

    def close(self) -> None:
        self._http.close()
