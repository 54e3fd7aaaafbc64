"""Notifies a webhook of changes of the model: deploys, rollbacks, retrainings.

Invariant: telling is never in the way; it runs beside, is tried a few times, and its failure is said but harms nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

log = logging.getLogger(__name__)
Kind = Literal["deploy", "rollback", "retraining"]
SERVICE = "toxicity-api"
TIMEOUT_SECONDS = 5.0
WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0)
PASSING = frozenset({408, 425, 429})  # besides every 5xx


@dataclass(frozen=True)
class Change:
    """`at` is ISO 8601 with its zone. `version` is the one to be served, or the one that is retrained; `previous` is
    the one before, if there was one."""

    kind: Kind
    model: str
    version: str
    previous: str | None
    at: str
    by: str
    service: str = SERVICE


class ChangeWebhook:
    """Without an address it is silent."""

    def __init__(self, url: str, token: str = "", waits: Sequence[float] = WAITS_SECONDS) -> None:
        self._url, self._token, self._waits = url, token, waits
        self._open = urllib.request.build_opener(_NoRedirects()).open
        self._given_up = threading.Event()
        self._threads: list[threading.Thread] = []

    def notify(self, change: Change) -> None:
        """Returns at once."""
        if self._url:
            thread = threading.Thread(target=self._send, args=(change,), name="change-webhook", daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self, seconds: float) -> bool:
        """Waits for pending notifications; False if one is not delivered by then."""
        for thread in self._threads:
            thread.join(seconds)
        return not (self._given_up.is_set() or any(thread.is_alive() for thread in self._threads))

    def _send(self, change: Change) -> None:
        for wait in (*self._waits, None):
            fault = self._try(change)
            if fault is None:
                return
            log.warning("the change webhook did not take a change", extra={"kind": change.kind, "fault": fault})
            if wait is None or not _may_pass(fault):
                break
            threading.Event().wait(wait)
        self._given_up.set()

    def _try(self, change: Change) -> int | str | None:
        """What went wrong: a status, or the kind of network error; never the address, which may hold a token."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = json.dumps(asdict(change)).encode()
        try:
            self._open(urllib.request.Request(self._url, body, headers), timeout=TIMEOUT_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, ValueError) as error:
            return type(error).__name__
        return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that was configured and to no other."""

    def redirect_request(self, *_: object) -> None:
        return None


def _may_pass(fault: int | str) -> bool:
    return isinstance(fault, str) or fault >= 500 or fault in PASSING
