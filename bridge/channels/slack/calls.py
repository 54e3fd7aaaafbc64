"""One call of a Slack method, and what its failure means. No retries: the worker alone repeats.

https://docs.slack.dev/apis/web-api/rate-limits and the errors of https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bridge.channels.http import failed, retry_after_seconds
from bridge.channels.slack.settings import SlackSettings
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Illustration
from bridge.outbound.http import REDIRECTS, CallFailed, HttpClient, limited

_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_TRANSIENT = {
    "service_unavailable", "internal_error", "fatal_error", "request_timeout", "update_failed",
    "team_added_to_org", "org_login_required", "external_channel_migrating", "accesslimited",
}  # fmt: skip
# "possible some aspect of the operation succeeded": the same as a timeout
_AMBIGUOUS = {"internal_error", "fatal_error", "request_timeout"}
_CREDENTIAL = {
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
    "two_factor_setup_required",
}  # fmt: skip
_PAYLOAD = {
    "msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments",
    "attachment_payload_limit_exceeded", "metadata_too_large", "markdown_text_conflict",
}  # fmt: skip
_UNREADABLE = (json.JSONDecodeError, aiohttp.ContentTypeError, UnicodeDecodeError)
#: By default slack_sdk writes out each request and answer in full, for a logger that then drops them.
_QUIET = logging.Logger("slack_sdk", logging.INFO)
MAX_PAGES = 5
MAX_ALT, MAX_TITLE = 1000, 200  # characters


class Refused(SendError):
    """Slack answered ok: false; `code` is its own word."""

    def __init__(self, reason: Reason, code: str, *, ambiguous: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason, code, ambiguous=ambiguous, retry_after=retry_after)
        self.code = code


class TooMany(Exception):
    """More pages than are read: what was looked for may stand on one of the others."""


class Redirected(Exception):
    """Slack never redirects an API call; a POST that is sent on would become a GET, or go to a stranger."""


_UNTIL: ContextVar[float] = ContextVar("on time.monotonic(), when this send must be over", default=math.inf)


@contextmanager
def no_call_after(seconds: float) -> Iterator[None]:
    """Calls within have that long together; what was not begun by then is certain not to have been sent."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


class SlackCalls:
    """Its session is made in the loop that first uses it, and kept: its connections stay open."""

    def __init__(self, settings: SlackSettings) -> None:
        self._token = settings.token.get_secret_value()
        self._base_url = settings.base_url
        self._seconds = settings.timeout.total_seconds()
        self._http = HttpClient(connections=settings.concurrency + 1)
        self._web: AsyncWebClient | None = None

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        client, seconds = self._client(), min(self._seconds, _UNTIL.get() - time.monotonic())
        try:
            async with limited(seconds):
                return await self._called(client, method, arguments)
        except CallFailed as error:
            raise failed(error) from None

    async def _called(self, client: AsyncWebClient, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            # the reading methods do not all take JSON: https://docs.slack.dev/apis/web-api/#posting_json
            reading = method.startswith("conversations.")
            given: dict[str, Any] = {self._way(method): dict(arguments)}
            answer = await client.api_call(method, http_verb="GET" if reading else "POST", **given)
        except SlackApiError as error:
            raise refusal_of(error.response) from None
        except Redirected:
            raise SendError(Reason.SERVER, f"{method}: a redirect instead of an answer") from None
        except (AttributeError, TypeError, RecursionError, *_UNREADABLE):  # of JSON that is no object, slack_sdk's own
            raise SendError(Reason.SERVER, "unreadable answer", ambiguous=True) from None
        return answer.data if isinstance(answer.data, dict) else {}

    @staticmethod
    def _way(method: str) -> str:
        """Neither the reading methods nor those of files take JSON."""
        if method.startswith("conversations."):
            return "params"
        return "data" if method.startswith("files.") else "json"

    async def pages(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Every message of a reading method, over a few pages. Raises TooMany after them, when there are more."""
        cursor: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            body = await self.call(method, {**arguments, **cursor})
            found, more = body.get("messages"), body.get("response_metadata")
            for message in found if isinstance(found, list) else ():
                if isinstance(message, dict):
                    yield message
            after = more.get("next_cursor") if isinstance(more, dict) else None
            if not after or not isinstance(after, str):
                return
            cursor = {"cursor": after}
        raise TooMany

    async def upload(self, picture: Illustration, channel: str, thread_ts: str) -> None:
        """Three steps: an address, the bytes, and where the file is to be seen. Needs the scope files:write."""
        asked = {"filename": "chart.png", "length": str(len(picture.png)), "alt_txt": picture.alt[:MAX_ALT]}
        place = await self.call("files.getUploadURLExternal", asked)
        await self._send_bytes(str(place.get("upload_url", "")), picture.png)
        files = [{"id": place.get("file_id"), "title": picture.title[:MAX_TITLE]}]
        done = {"files": json.dumps(files), "channel_id": channel, "thread_ts": thread_ts}
        await self.call("files.completeUploadExternal", done)

    async def _send_bytes(self, url: str, content: bytes) -> None:
        try:
            answer = await self._http.call("POST", url, self._seconds, body=content)
        except CallFailed as error:
            raise failed(error) from None
        if answer.status != 200:
            raise SendError(Reason.SERVER, f"upload: HTTP {answer.status}")

    async def close(self) -> None:
        await self._http.close()

    def _client(self) -> AsyncWebClient:
        session = self._http.session(middlewares=(_refuse_redirect,))
        if self._web is None or self._web.session is not session:
            self._web = AsyncWebClient(self._token, self._base_url, session=session, retry_handlers=[], logger=_QUIET)
            self._web.proxy = None  # it takes HTTPS_PROXY for http too, and forgets NO_PROXY; the session knows better
        return self._web


async def _refuse_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    answer = await handler(request)
    if answer.status in REDIRECTS:
        answer.close()
        raise Redirected
    return answer


def refusal_of(response: Any) -> SendError:
    """`response` is slack_sdk's, or aiohttp's own when the body was no JSON."""
    status = int(getattr(response, "status_code", None) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or code in _LIMITED:
        wait = retry_after_seconds((getattr(response, "headers", None) or {}).get("Retry-After"))
        return Refused(Reason.RATE_LIMITED, code or "ratelimited", retry_after=wait)
    if code:
        return Refused(reason_of(code), code[:100], ambiguous=code in _AMBIGUOUS)
    if status in (401, 403, 407):  # the last is a proxy's
        return SendError(Reason.CREDENTIAL, f"HTTP {status}")
    if status == 413:
        return SendError(Reason.PAYLOAD, "HTTP 413")
    if 400 <= status < 500 and status != 408:
        return SendError(Reason.DESTINATION, f"HTTP {status}")
    detail = f"HTTP {status}" if status >= 300 else "unreadable answer"
    return SendError(Reason.SERVER, detail, ambiguous=True)


def reason_of(code: str) -> Reason:
    """An unknown code is final: trying again for ever would repair nothing."""
    if code in _CREDENTIAL:
        return Reason.CREDENTIAL
    if code in _TRANSIENT:
        return Reason.SERVER
    if code in _PAYLOAD or code.startswith("invalid_"):
        return Reason.PAYLOAD
    return Reason.DESTINATION
