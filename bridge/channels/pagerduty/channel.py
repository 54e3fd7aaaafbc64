"""PagerDuty through pdpyras, used as one raw POST: its retries are off, since they double what was ambiguous.

The rules of the library and of the vendor: https://pagerduty.github.io/pdpyras/user_guide.html and
https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic
"""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import requests

from bridge.channels.http import failed, retry_after_seconds
from bridge.channels.pagerduty.events import ACKNOWLEDGING, Event, events_of, state_after
from bridge.channels.pagerduty.requests_transport import LoopTransport
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.core.delivery.delivery import ENDED
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.outbound.http import Answer, CallFailed, HttpClient

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
        self._base_url = settings.base_url
        self._timeout = settings.timeout.total_seconds()
        self._http = HttpClient(connections=settings.concurrency)
        self._threads = ThreadPoolExecutor(settings.concurrency, f"channel-{name}")
        self._own = threading.local()

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
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._http.close()

    async def _post(self, event: Event, progress: Mapping[str, Any] | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._call, event, loop)
        except SendError as error:
            error.progress = progress
            raise

    def _call(self, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread, which waits for the loop, where the call is made and has its deadline."""
        session = self._session(loop)
        try:
            # as bytes: pdpyras copies deeply what it is given to serialise
            body = orjson.dumps({**event, "routing_key": self._key})
            answer = session.post("/v2/enqueue", data=body, allow_redirects=False)
        except pdpyras.PDHTTPError as error:
            answer = error.response
        except CallFailed as error:
            raise failed(error) from None
        except pdpyras.PDClientError as error:  # its text may hold an address with a password in it
            raise SendError(Reason.NETWORK, type(error.__cause__ or error).__name__) from None
        refusal = refusal_of(Answer(answer.status_code, answer.headers, answer.content))
        if refusal is not None:
            refusal.detail = refusal.detail.replace(self._key, "***")
            refusal.args = (f"{refusal.reason}: {refusal.detail}",)
            raise refusal

    def _session(self, loop: asyncio.AbstractEventLoop) -> Any:
        """One for each thread: requests does not promise that a session may be shared."""
        if not hasattr(self._own, "session"):
            self._own.session = _Session(self._key, self._base_url, LoopTransport(self._http, loop, self._timeout))
        return self._own.session


class _Session(pdpyras.EventsAPISession):  # type: ignore[misc]
    """Requests differ only in their body: preparing all else each time would be a third of a call's cost."""

    def __init__(self, key: str, base_url: str, transport: LoopTransport) -> None:
        super().__init__(key)
        for scheme in ("http://", "https://"):
            self.mount(scheme, transport)
        self.url = base_url
        self.trust_env = False  # the transport knows proxies and authorities; .netrc would be read at each call
        # Exactly one request each; 0 for a status would mean "without end" to pdpyras.
        self.max_network_attempts, self.max_http_attempts = 0, -1
        self.retry.update(dict.fromkeys(_RETRIED_BY_PDPYRAS, 1))
        self._prepared: requests.PreparedRequest | None = None

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        if self._prepared is None:
            self._prepared = super().prepare_request(request)
        prepared = self._prepared.copy()
        prepared.prepare_body(request.data, None)
        return prepared


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
