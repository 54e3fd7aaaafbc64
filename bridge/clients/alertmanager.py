"""One Alertmanager's API over HTTP.

Invariant: fetch() never raises, and returns within its timeout whatever the server does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TypeVar

from aiohttp import encode_basic_auth

from bridge.clients.alertmanager_answers import alerts_of, groups_of, silences_of, status_of
from bridge.config.secret_files import UnreadableSecret
from bridge.core.errors import InvalidPayload
from bridge.core.reconciliation import AlertmanagerAnswer, AlertmanagerState, StateQuery, Unavailable
from bridge.outbound.http import CallFailed, HttpClient, Oversized, TimedOut
from bridge.rendering.text import cut
from bridge.sources.reading import read_json

T = TypeVar("T")
MAX_ANSWER = 32 * 2**20  #: bytes
EVERY_STATE = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
NOTIFIED = {"active": "true", "silenced": "false", "inhibited": "false"}


@dataclass(frozen=True, slots=True)
class Server:
    """Its address, up to and without /api/v2. `token` is read for each request."""

    url: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)  #: name and password
    timeout_seconds: float = 10.0  #: for everything that one fetch() asks


class Refused(Exception):
    """An answer that is not the one asked for; the text is safe to log."""


class AlertmanagerApi:
    """One server, over kept connections. Make and use it inside the running loop."""

    def __init__(self, server: Server, clock: Callable[[], datetime]) -> None:
        self._server, self._clock = server, clock
        self._http = HttpClient(connections=2, most=MAX_ANSWER)

    async def fetch(self, query: StateQuery) -> AlertmanagerAnswer:
        limit = self._server.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._fetch(query)
        except (TimeoutError, TimedOut):
            return Unavailable(f"does not answer within {limit:g} s")
        except Refused as fault:
            return Unavailable(str(fault))
        except CallFailed as fault:
            return Unavailable(f"does not answer ({fault.detail})")
        except UnreadableSecret as fault:
            return Unavailable(f"is not asked: no token ({fault})")
        except (OSError, ValueError) as fault:  # of the token's file
            return Unavailable(f"does not answer ({type(fault).__name__})")

    async def close(self) -> None:
        await self._http.close()

    async def _fetch(self, query: StateQuery) -> AlertmanagerState:
        alerts, _ = await self._get("alerts", alerts_of, EVERY_STATE)
        silenced = any(alerts[name].silenced_by for name in query.alerts & alerts.keys())
        silences = (await self._get("silences", silences_of))[0] if silenced else {}
        groups = (await self._get("alerts/groups", groups_of, _filters(query)))[0] if query.receivers else ()
        # Last, so that a restart between the requests is seen.
        (started, name, peers, settling), theirs = await self._get("status", status_of)
        now = self._clock()
        # By its own clock or by ours: the shorter age is the safer one.
        age = max(timedelta(0), min(theirs - started, now - started))
        return AlertmanagerState(now - age, alerts, silences, groups, name, peers, settling)

    async def _get(
        self, path: str, read: Callable[[object], T], query: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[T, datetime]:
        """What `read` makes of the answer, and the time on the server's clock."""
        url = f"{self._server.url.rstrip('/')}/api/v2/{path}"
        limit = self._server.timeout_seconds  # fetch() as a whole has the same
        try:
            answer = await self._http.call("GET", url, limit, headers=self._headers(), query=query)
        except Oversized:
            raise Refused(f"answers /api/v2/{path} with more than {MAX_ANSWER // 2**20} MiB") from None
        if answer.status != 200:
            raise Refused(f"answers /api/v2/{path} with HTTP {answer.status}{_advice(answer.status)}")
        at = _date(answer.headers.get("Date"), self._clock())
        # A large answer takes longer to read than a page may wait.
        return await asyncio.to_thread(_read, answer.body, path, read), at

    def _headers(self) -> dict[str, str]:
        if self._server.basic:
            return {"Authorization": encode_basic_auth(*self._server.basic)}
        token = self._server.token() if self._server.token else ""
        return {"Authorization": f"Bearer {token}"} if token else {}


def _filters(query: StateQuery) -> dict[str, str]:
    """Alertmanager puts ^ and $ around the expression."""
    return {**NOTIFIED, "receiver": "|".join(re.escape(name) for name in sorted(query.receivers))}


def _read(body: bytes, path: str, read: Callable[[object], T]) -> T:
    try:
        return read(read_json(body))
    except InvalidPayload as fault:
        raise Refused(f"answers /api/v2/{path} not as Alertmanager does: {cut(str(fault), 300)}") from None


def _date(text: str | None, now: datetime) -> datetime:
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return now


def _advice(status: int) -> str:
    if status in (401, 403):
        return ": set reconcile.token or reconcile.basic_auth of this source"
    return ": is the address that of Alertmanager?" if status in (301, 302, 307, 308, 404) else ""
