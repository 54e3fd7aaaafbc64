"""Logins of users: basic auth against web.users, with bounded concurrency and rate-limited guesses; or a bearer token.

Invariant: a guess is counted before it is hashed, and no request waits long for a slot: a hash takes 32 MB and a core,
which webhooks need.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from flask import Response, request
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.security import check_password_hash, generate_password_hash

from bridge.config.settings import Settings
from bridge.web.callers import address_of, caller_of
from bridge.web.users import by_login, by_this_machine, by_token, let_in, matching_token, token_given

REMEMBERED = timedelta(minutes=10)
FAILURES, WITHIN = 5, timedelta(minutes=1)  #: for one address and name
FROM_ONE, FROM_ALL = 100, 300  #: for all names of an address, and for all addresses
LOGINS_KEPT = 1000  #: remembered logins, and addresses with guesses within the minute
NAMES = 4096
AT_ONCE = 2  #: hashes
WAITING = 8  #: further requests that wait for a slot, each of which occupies a thread
EACH = 5  #: of both together, for one address
MAX_WAIT = 2.0  #: seconds until a waiting request is refused
Key = TypeVar("Key")
Value = TypeVar("Value")


class Busy(Exception):
    """All slots for verifying passwords are taken."""


class VerificationSlots:
    """Few verifications at a time, few more waiting, and at most half of both for one address."""

    def __init__(self, max_wait_seconds: float = MAX_WAIT) -> None:
        self._max_wait, self._running, self._lock = max_wait_seconds, BoundedSemaphore(AT_ONCE), Lock()
        self._places: Counter[str] = Counter()

    @contextmanager
    def slot(self, address: str) -> Iterator[None]:
        """Raises Busy at once when all places are taken, or when no slot is free in time."""
        self._take_place(address)
        try:
            if not self._running.acquire(timeout=self._max_wait):
                raise Busy
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._leave_place(address)

    def _take_place(self, address: str) -> None:
        with self._lock:
            if self._places.total() >= AT_ONCE + WAITING or self._places[address] >= EACH:
                raise Busy
            self._places[address] += 1

    def _leave_place(self, address: str) -> None:
        with self._lock:
            self._places[address] -= 1
            self._places += Counter()  # drops zero counts


@dataclass(slots=True)
class Window:
    """The guesses from one address since then, counted by part of the name's digest, so that made-up names take no
    memory."""

    since: datetime
    counts: bytearray = field(default_factory=lambda: bytearray(NAMES))
    total: int = 0


class Guesses:
    """Few per minute for each address and name, so that one client behind a proxy locks no one else out; and few
    enough in total that hashing takes only part of one core."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock, self._lock, self._key = clock, Lock(), secrets.token_bytes(32)
        self._windows: dict[str, Window] = {}
        self._all = Window(clock())

    def exhausted(self, address: str, name: str) -> bool:
        with self._lock:
            return not self._may(self._window(address), self._slot(name))

    def count(self, address: str, name: str) -> bool:
        """False: it exceeds the limit and must not be verified."""
        with self._lock:
            window, slot = self._window(address), self._slot(name)
            if not self._may(window, slot):
                return False
            window.counts[slot] += 1
            window.total += 1
            self._all.total += 1
            return True

    def was_right(self, address: str, name: str) -> None:
        """Do not count the last one: it was right."""
        with self._lock:
            window, slot = self._window(address), self._slot(name)
            window.counts[slot] = max(0, window.counts[slot] - 1)
            window.total = max(0, window.total - 1)

    def _may(self, window: Window, slot: int) -> bool:
        few = window.counts[slot] < FAILURES and window.total < FROM_ONE
        return few and self._all.total < FROM_ALL

    def _window(self, address: str) -> Window:
        """The current window; a clock that was set back or forward locks no one out for longer."""
        now = self._clock()
        if abs(now - self._all.since) >= WITHIN:
            self._all = Window(now)
        window = self._windows.get(address)
        if window is None or abs(now - window.since) >= WITHIN:
            window = Window(now)
            _put(self._windows, address, window)
        return window

    def _slot(self, name: str) -> int:
        return int.from_bytes(hmac.digest(self._key, _bytes(name), "sha256")[:2], "big") % NAMES


class Logins:
    """Verifies logins; a correct password is remembered for a while, as its hash is slow on purpose."""

    def __init__(self, current: Callable[[], Settings], clock: Callable[[], datetime], *, required: bool) -> None:
        """required: other machines reach the server, so a login is required whatever the settings say."""
        self._current, self._clock, self._required = current, clock, required
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, datetime] = {}
        self._lock = Lock()
        self._guesses, self._slots = Guesses(clock), VerificationSlots()

    def demand(self) -> Response | None:
        """For before_request: None allows the request."""
        settings = self._current()
        token = token_given(request) if settings.web.tokens else None
        if token is not None:
            known = matching_token(settings, token)
            if known is None:
                return _refusal(401, "The token is none of web.tokens in routes.yaml.")
            let_in(by_token(settings, known))
            return None
        if self._required or settings.web.users:
            return self._challenge(settings)
        remote = caller_of(request, settings).remote
        text = f"Without web.users in routes.yaml only this machine may do this, and {remote}. Add a user, and log in."
        if remote:
            return _refusal(401, text)
        let_in(by_this_machine())
        return None

    def _challenge(self, settings: Settings) -> Response | None:
        given = _given()
        if given is None or given.type != "basic":
            return _refusal(401, "Log in with a name and password from web.users.")
        name, password = given.username or "", given.password or ""
        if self._remembers(name, password):
            let_in(by_login(settings, name))
            return None
        address = _limited(caller_of(request, self._current()).address)
        if self._guesses.exhausted(address, name):
            return _too_many_guesses()
        try:
            with self._slots.slot(address):
                refusal = self._verified(address, name, password)
        except Busy:
            raise ServiceUnavailable(
                "Too many passwords are being verified. Try again in a second.", retry_after=1
            ) from None
        if refusal is None:
            let_in(by_login(settings, name))
        return refusal

    def _verified(self, address: str, name: str, password: str) -> Response | None:
        if self._remembers(name, password):  # another request verified it meanwhile
            return None
        if not self._guesses.count(address, name):
            return _too_many_guesses()
        user = self._current().web.users.get(name)
        unknown = self._unknown_user  # hashed on first use, for known users too: timing must not reveal who exists
        right = check_password_hash(user.get_secret_value() if user else unknown, password)
        if not (user and right):
            return _refusal(401, "Wrong name or password.")
        self._guesses.was_right(address, name)
        with self._lock:
            _put(self._remembered, self._digest(name, password), self._clock() + REMEMBERED)
        return None

    @functools.cached_property
    def _unknown_user(self) -> str:
        """The hash that the password of an unknown user is compared with."""
        return generate_password_hash(secrets.token_hex(8))

    def _remembers(self, name: str, password: str) -> bool:
        until = self._remembered.get(self._digest(name, password))
        return until is not None and timedelta() < until - self._clock() <= REMEMBERED

    def _digest(self, name: str, password: str) -> bytes:
        """Includes the stored hash, so that a changed password is forgotten at once."""
        user = self._current().web.users.get(name)
        parts = (name, password, user.get_secret_value() if user else "")
        return hmac.digest(self._key, _bytes("\x00".join(parts)), "sha256")


def _given() -> Authorization | None:
    """The client's credentials; None if Werkzeug cannot decode the header."""
    try:
        return request.authorization
    except ValueError:
        return None


def _limited(address: str) -> str:
    """The addresses that one client may use: for IPv6 a /64."""
    found = address_of(address)
    return str(ipaddress.ip_network((found, 64), strict=False)) if found and found.version == 6 else address


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _put(kept: dict[Key, Value], key: Key, value: Value) -> None:
    """Drops the oldest entries beyond the limit."""
    kept.pop(key, None)
    while len(kept) >= LOGINS_KEPT:
        del kept[next(iter(kept))]
    kept[key] = value


def _too_many_guesses() -> Response:
    return _refusal(429, "Too many wrong passwords. Wait a minute.")


def _refusal(code: int, text: str) -> Response:
    response = Response(f"{text}\n", code, mimetype="text/plain")
    if code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="incident bridge", charset="UTF-8"'
    else:
        response.headers["Retry-After"] = str(int(WITHIN.total_seconds()))
    return response
