"""Receivers of webhooks: one signed POST for each revision, which the receiver may drop by its Idempotency-Key."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable

import orjson

from bridge.channels.http import failed, retry_after_seconds
from bridge.channels.webhook.payload import payload_of
from bridge.channels.webhook.settings import WebhookSettings
from bridge.channels.webhook.signature import named, signed
from bridge.core.delivery.delivery import ENDED
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.outbound.http import Answer, CallFailed, HttpClient
from bridge.rendering.text import cut, one_line

MAX_REASON = 200  #: characters of a receiver's own words about a refusal
_LATER = frozenset({408, 409, 425})  #: it is under way there, or may be taken another time
_CREDENTIAL = frozenset({401, 403, 407})  #: the last is a proxy's
_PAYLOAD = frozenset({400, 413, 422})


class WebhookChannel:
    kind = "webhook"
    freezes = False
    edits = True
    wants_html = False
    recipients: tuple[str, ...] = ("",)

    def __init__(self, name: str, settings: WebhookSettings, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._url, self._seconds, self._clock = settings.url, settings.timeout.total_seconds(), clock
        given = (settings.secret, settings.previous_secret)
        self._secrets = tuple(each.get_secret_value() for each in given if each is not None)
        self._authorization = _authorization(settings)
        self._hidden = (*self._secrets, *self._authorization.values(), *_credentials(settings))
        self._http = HttpClient(connections=settings.concurrency)

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed(payload_of(message, claim, self.name))

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        if not (message.firing or claim.sent or claim.unknown):
            return Receipt(dict(claim.handle), ENDED, skipped=True)
        body = orjson.dumps(composed.content)
        try:
            answer = await self._http.call(
                "POST", self._url, self._seconds, headers=self._headers(body, message), body=body
            )
        except CallFailed as error:
            raise failed(error) from None
        refusal = refusal_of(answer, self._hidden)
        if refusal is not None:
            raise refusal
        return Receipt({"revision": message.revision}, f"accepted with HTTP {answer.status}")

    async def close(self) -> None:
        await self._http.close()

    def _headers(self, body: bytes, message: Message) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "incident-bridge",
            **self._authorization,
            **named(f"{message.uid}:{self.name}", message.revision),
            **signed(body, int(self._clock()), self._secrets),
        }


def _authorization(settings: WebhookSettings) -> dict[str, str]:
    if settings.token is not None:
        return {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    if settings.basic_auth is not None:
        pair = f"{settings.basic_auth.username}:{settings.basic_auth.password.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _credentials(settings: WebhookSettings) -> tuple[str, ...]:
    given = (settings.token, settings.basic_auth.password if settings.basic_auth else None)
    return tuple(each.get_secret_value() for each in given if each is not None)


def refusal_of(answer: Answer, hidden: tuple[str, ...] = ()) -> SendError | None:
    """None when the receiver took it. hidden: secrets, which the receiver may repeat."""
    status, detail = answer.status, _detail(answer, hidden)
    if 200 <= status < 300:
        return None
    if status == 429:
        wait = retry_after_seconds(answer.headers.get("Retry-After"))
        return SendError(Reason.RATE_LIMITED, detail, retry_after=wait)
    if status in _CREDENTIAL:
        return SendError(Reason.CREDENTIAL, detail)
    if status in _PAYLOAD:
        return SendError(Reason.PAYLOAD, detail)
    if status >= 500:
        return SendError(Reason.SERVER, detail, ambiguous=True)
    if status in _LATER or status < 400:  # a redirect is not followed: the signed body would go to another receiver
        return SendError(Reason.SERVER, detail, ambiguous=status in _LATER)
    return SendError(Reason.DESTINATION, detail)


def _detail(answer: Answer, hidden: tuple[str, ...]) -> str:
    """The status, and the receiver's reason if it is plain text or JSON."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    reason = answer.body.decode("utf-8", "replace") if kind in ("text/plain", "application/json") else ""
    for secret in hidden:  # before anything is cut, which would leave a part of one
        reason = reason.replace(secret, "***")
    text = cut(one_line(reason[:4096]), MAX_REASON)
    return f"HTTP {answer.status}" + (f": {text}" if text else "")
