"""PagerDuty through pdpyras, used as one raw POST: its retries are off, since they double what was ambiguous.

The rules of the library and of the vendor: https://pagerduty.github.io/pdpyras/user_guide.html and
https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from bridge.channels.http import failed, retry_after_seconds
from bridge.channels.pagerduty.events import ACKNOWLEDGING, Event, events_of, state_after
from bridge.channels.pagerduty.requests_transport import LoopTransport
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.core.delivery.delivery import ENDED
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.outbound.greenlets import run_blocking
from bridge.outbound.http import HEADERS, Answer, CallFailed, HttpClient

with warnings.catch_warnings():
    # the vendor's end-of-life notice; why it is used all the same: docs/decisions/0004-pdpyras.md
    warnings.filterwarnings("ignore", message='The package "pdpyras" is deprecated')
    import pdpyras

_RETRIED_BY_PDPYRAS = (429, 500, 502, 503, 504)


class PagerDutyChannel:
    kind = "pagerduty"
    freezes = False
    edits = True
    wants_html = False
    recipients: tuple[str, ...] = ("",)

    def __init__(self, name: str, settings: PagerDutySettings) -> None:
        self.name = name
        self._key = settings.routing_key.get_secret_value()
        self._http = HttpClient(connections=settings.concurrency)
        transport = LoopTransport(self._http, settings.timeout.total_seconds())
        self._session = _Session(self._key, settings.base_url, transport)

    def compose(self, message: Message, claim: Claim) -> Composed:
        """Without the routing key, so that it may be stored and shown."""
        return Composed({"events": events_of(message, claim)})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        handle = dict(claim.handle)
        events: list[Event] = composed.content["events"]
        if not events:
            note = "nothing to send: it is resolved there already" if handle else ENDED
            return Receipt(handle, note)
        if events[-1]["event_action"] == "acknowledge" and handle.get("state") != ACKNOWLEDGING:
            # without it, a trigger after a crash might ring
            return Receipt({**handle, "state": ACKNOWLEDGING}, unfinished=True)
        for index, event in enumerate(events):
            await self._post(event, handle if index else None)
            handle = {**handle, "state": state_after(event, handle.get("state", ""))}
            if event["event_action"] == "resolve" and index + 1 < len(events):
                return Receipt(handle, unfinished=True)  # both sent again would ring twice
        return Receipt(handle)

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, event: Event, progress: Mapping[str, Any] | None) -> None:
        try:
            await run_blocking(partial(self._call, event))
        except SendError as error:
            error.progress = progress
            raise

    def _call(self, event: Event) -> None:
        """Within run_blocking: where it waits for PagerDuty, the loop does so, and has the deadline."""
        try:
            # as bytes: pdpyras copies deeply what it is given to serialise
            body = orjson.dumps({**event, "routing_key": self._key})
            answer = self._session.post("/v2/enqueue", data=body)
        except pdpyras.PDHTTPError as error:
            answer = error.response
        except CallFailed as error:
            raise failed(error) from None
        refusal = refusal_of(Answer(answer.status_code, answer.headers, answer.content))
        if refusal is not None:
            refusal.detail = refusal.detail.replace(self._key, "***")
            refusal.args = (f"{refusal.reason}: {refusal.detail}",)
            raise refusal


class _Session(pdpyras.EventsAPISession):  # type: ignore[misc]
    """Exactly one request a call, on the bridge's own way out."""

    def __init__(self, key: str, base_url: str, transport: LoopTransport) -> None:
        super().__init__(key)
        self.url, self.parent = base_url, transport
        self.headers.update(HEADERS)
        # 0 for a status would mean "without end" to pdpyras, which would sleep in the loop's thread meanwhile
        self.max_network_attempts, self.max_http_attempts = 0, -1
        self.retry.update(dict.fromkeys(_RETRIED_BY_PDPYRAS, 1))


def refusal_of(answer: Answer) -> SendError | None:
    """None when PagerDuty took it."""
    status = answer.status
    if 200 <= status < 300:
        taken = isinstance(_body(answer).get("status"), str)
        return None if taken else SendError(Reason.SERVER, "unreadable answer", ambiguous=True)
    detail = _detail(answer)
    if status == 429:
        wait = retry_after_seconds(answer.headers.get("Retry-After"))
        return SendError(Reason.RATE_LIMITED, detail, retry_after=wait)
    wrong_key = status == 400 and "routing" in detail.lower() and "key" in detail.lower()
    if status in (401, 403, 407) or wrong_key:  # 407 is a proxy's
        return SendError(Reason.CREDENTIAL, detail)
    if status in (400, 413):
        return SendError(Reason.PAYLOAD, detail)
    if status >= 500 or status == 408:
        return SendError(Reason.SERVER, detail, ambiguous=True)
    # A redirect is not PagerDuty's: someone is in between. Following it would turn the POST into a GET.
    return SendError(Reason.SERVER if status < 400 else Reason.DESTINATION, detail)


def _detail(answer: Answer) -> str:
    errors = _body(answer).get("errors")
    texts = [str(each) for each in errors] if isinstance(errors, list) else []
    return f"HTTP {answer.status}" + (f": {'; '.join(texts)}" if texts else "")


def _body(answer: Answer) -> Mapping[str, Any]:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
