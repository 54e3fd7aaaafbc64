"""Which requests are golden probes: answered as every other, and left out of what the alert rules read.

A monitor asks texts whose answers it knows. Counted as traffic, they would move the toxic rate, the drift and the
service level that they are meant to explain. But a header that leaves requests out could also hide an attack, so it is
bounded: by a token if there is one, and always by so many texts a minute, beyond which it counts for nothing.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable

HEADER = "X-Golden-Probe"
WITHOUT_TOKEN = "1"
MINUTE_SECONDS = 60.0


class ProbeAllowance:
    """A bucket of texts that refills evenly within a minute. The clock counts seconds from anywhere, never back.

    token: what the header must carry; without one, it carries `1`. texts_per_minute: with 0, no request is a probe.
    """

    def __init__(self, token: str, texts_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._token, self._limit, self._clock = token or WITHOUT_TOKEN, float(texts_per_minute), clock
        self._left, self._refilled_at = self._limit, clock()
        self._lock = threading.Lock()

    def admits(self, header: str, texts: int) -> bool:
        """Whether a request with this header and so many texts is a probe; if so, the texts are taken off."""
        if not hmac.compare_digest(header.encode(), self._token.encode()):
            return False
        with self._lock:
            now = self._clock()
            refilled = self._left + (now - self._refilled_at) * self._limit / MINUTE_SECONDS
            self._left, self._refilled_at = min(self._limit, refilled), now
            if texts > self._left:
                return False
            self._left -= texts
            return True
