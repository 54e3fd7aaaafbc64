"""Who may send, and who may look: tokens of sources, logins of people, and what loopback means."""

from __future__ import annotations

import base64
import functools
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from flask import Request, Response, request
from werkzeug.security import check_password_hash, generate_password_hash

from bridge.config.settings import Settings, SourceSettings
from bridge.config.values import is_loopback

REMEMBERED = timedelta(minutes=10)
FAILURES, WITHIN = 5, timedelta(minutes=1)
LOGINS_KEPT = 1000
Key = TypeVar("Key")
Value = TypeVar("Value")
SIGNATURE = "X-Grafana-Alerting-Signature"
SECONDS = re.compile(r"\d{1,12}", re.ASCII)
#: https://cloud.google.com/monitoring/support/notification-options#webhooks
QUERY_TOKEN = "auth_token"
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


def check_listen(host: str, settings: Settings) -> None:
    """Raise ValueError when an address that others can reach would be open to them."""
    if is_loopback(host):
        return
    if not any(has_credential(source) for source in settings.sources):
        raise ValueError(
            f"listening on {host} needs a source with a token, or anybody could send alerts: add "
            'sources: [{name: prod, tokens: ["${ALERTMANAGER_TOKEN}"]}], or listen on 127.0.0.1'
        )
    if not settings.web.users:
        raise ValueError(
            f"listening on {host} needs a login for the pages, or anybody could read them: add web.users "
            "with a password hash, or listen on 127.0.0.1"
        )


def has_credential(source: SourceSettings) -> bool:
    return has_login(source) or source.hmac_secret is not None


def has_login(source: SourceSettings) -> bool:
    """A credential that travels with the request, and not only a signature over it."""
    return bool(source.tokens or source.basic_auth)


def from_this_machine(req: Request) -> bool:
    """The connection is a loopback one, and no proxy says that it only passes it on for somebody."""
    if any(name in req.headers for name in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(req.remote_addr or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def from_another_site(req: Request) -> bool:
    """A browser sends it for a page that is not ours, which must not use its reader's rights."""
    origin = req.headers.get("Origin")
    return req.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"} or (
        origin is not None and origin != f"{req.scheme}://{req.host}"
    )


def matching_source(req: Request, sources: Iterable[SourceSettings]) -> SourceSettings | None:
    """The source whose credential the request's header carries. Compares with all, so that time tells nothing."""
    found = [source for source in sources if _carries(req, source)]
    return found[0] if found else None


def matching_senders(req: Request, sources: Iterable[SourceSettings]) -> list[SourceSettings]:
    """Of a webhook: also by the token in its query, and those that are known by their signature alone."""
    sent = _query_token(req)
    return [
        source
        for source in sources
        if _carries(req, source) | _accepts_query(source, sent)
        or (source.hmac_secret is not None and not has_login(source))
    ]


def signature_fault(req: Request, source: SourceSettings, body: bytes, now: datetime) -> str | None:
    """Why the body is not believed to be the source's; None when it is, or when the source does not sign.

    Grafana signs the bytes of the body, or `<seconds since 1970>:<body>` when it has a header for the time:
    https://github.com/grafana/alerting/blob/main/http/hmac.go
    """
    if source.hmac_secret is None:
        return None
    header = source.hmac_timestamp_header
    stamp = req.headers.get(header, "").strip() if header else ""
    signed = f"{stamp}:".encode("utf-8", "surrogatepass") + body if header else body
    sent = req.headers.get(SIGNATURE, "").strip().lower().encode("utf-8", "surrogatepass")
    right = hmac.new(source.hmac_secret.get_secret_value().encode(), signed, "sha256").hexdigest().encode()
    if not hmac.compare_digest(sent, right):
        return _why_not_signed(sent, header, stamp)
    return _age_fault(stamp, source.hmac_max_age, now) if header else None


def _why_not_signed(sent: bytes, header: str | None, stamp: str) -> str:
    if not sent:
        return f"the signature is missing ({SIGNATURE}): set the HMAC secret in Grafana's contact point"
    if header and not stamp:
        return f"the time is missing ({header}): set this timestamp header in Grafana's contact point"
    return "the signature is not right: compare the HMAC secret and the timestamp header of Grafana with routes.yaml"


def _age_fault(stamp: str, allowed: timedelta, now: datetime) -> str | None:
    """A body that somebody recorded is refused later. Within the window it changes nothing: it was stored before."""
    seconds = int(stamp) if SECONDS.fullmatch(stamp) else 0
    age = abs(now.timestamp() - seconds)
    if age <= allowed.total_seconds():
        return None
    window = f"{allowed.total_seconds():.0f} s of hmac_max_age"
    return f"it was signed more than {window} from now: compare the clocks, or somebody sends it a second time"


def _carries(req: Request, source: SourceSettings) -> bool:
    sent = _authorization(req)
    return any([hmac.compare_digest(sent, accepted) for accepted in _accepted(source)])  # noqa: C419


def _authorization(req: Request) -> bytes:
    scheme, _, rest = req.headers.get("Authorization", "").partition(" ")
    return f"{scheme.lower()} {rest.strip()}".encode("utf-8", "surrogatepass")


def _accepted(source: SourceSettings) -> Iterable[bytes]:
    for token in source.tokens:
        # WSGI hands header bytes over as latin-1
        yield b"bearer " + token.get_secret_value().encode().decode("latin-1").encode()
    if source.basic_auth:
        pair = f"{source.basic_auth.username}:{source.basic_auth.password.get_secret_value()}"
        yield b"basic " + base64.b64encode(pair.encode())


def _query_token(req: Request) -> bytes:
    return req.args.get(QUERY_TOKEN, "").encode("utf-8", "surrogatepass")


def _accepts_query(source: SourceSettings, sent: bytes) -> bool:
    """Google has no other place for a token; for the others it would only be one more place to leak from."""
    tokens = source.tokens if source.type == "cloud_monitoring" else ()
    return any([hmac.compare_digest(sent, token.get_secret_value().encode()) for token in tokens])  # noqa: C419


class Logins:
    """Basic auth of people. A password that was right is remembered: scrypt is slow on purpose."""

    def __init__(self, current: Callable[[], Settings], clock: Callable[[], datetime], *, required: bool) -> None:
        self._current = current
        self._clock = clock
        self._required = required
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, datetime] = {}
        self._failures: dict[str, list[datetime]] = {}
        self._lock = Lock()

    @functools.cached_property
    def _nobody(self) -> str:
        """The password of whoever is not known. Made when it is needed: scrypt takes 32 MB."""
        return generate_password_hash(secrets.token_hex(8))

    def demand(self) -> Response | None:
        """For before_request: None lets it pass."""
        forwarded = bool(self._current().web.users) and not from_this_machine(request)
        return self.challenge() if self._required or forwarded else None

    def challenge(self) -> Response | None:
        """As demand, wherever the server listens."""
        given = request.authorization
        if given is None or given.type != "basic":
            return _refusal(401, "Log in with a name and password from web.users.")
        name, password = given.username or "", given.password or ""
        if self._remembers(name, password):
            return None
        if self._is_tired_of(request.remote_addr or ""):
            return _refusal(429, "Too many wrong passwords from your address. Wait a minute.")
        return None if self._verify(name, password) else _refusal(401, "Wrong name or password.")

    def _verify(self, name: str, password: str) -> bool:
        user = self._current().web.users.get(name)
        nobody = self._nobody  # for a known user, too: the first answer must not tell by its time who is known
        right = check_password_hash(user.get_secret_value() if user else nobody, password)
        with self._lock:
            if user and right:
                _put(self._remembered, self._digest(name, password), self._clock() + REMEMBERED)
                return True
            address = request.remote_addr or ""
            _put(self._failures, address, [*self._failures.get(address, []), self._clock()][-FAILURES:])
        return False

    def _remembers(self, name: str, password: str) -> bool:
        until = self._remembered.get(self._digest(name, password))
        return until is not None and timedelta() < until - self._clock() <= REMEMBERED

    def _digest(self, name: str, password: str) -> bytes:
        """The stored hash is part of it: a password that was changed is forgotten at once."""
        user = self._current().web.users.get(name)
        parts = (name, password, user.get_secret_value() if user else "")
        message = "\x00".join(parts).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")

    def _is_tired_of(self, address: str) -> bool:
        now = self._clock()
        with self._lock:
            recent = [at for at in self._failures.get(address, []) if abs(now - at) < WITHIN]
        return len(recent) >= FAILURES


def _put(kept: dict[Key, Value], key: Key, value: Value) -> None:
    """Forgets the oldest when there are too many."""
    kept.pop(key, None)
    while len(kept) >= LOGINS_KEPT:
        del kept[next(iter(kept))]
    kept[key] = value


def _refusal(code: int, text: str) -> Response:
    response = Response(f"{text}\n", code, mimetype="text/plain")
    if code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="incident bridge", charset="UTF-8"'
    else:
        response.headers["Retry-After"] = str(int(WITHIN.total_seconds()))
    return response
