"""Slack: one message for each incident, edited in place; loud news goes into its thread.

A try whose outcome is unknown is looked for by its metadata before anything is posted again: Slack itself drops
no duplicates. https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge.channels.slack.calls import Refused, SlackCalls, TooMany, no_call_after
from bridge.channels.slack.checks import CHANNEL_ID
from bridge.channels.slack.message import (
    POSTED,
    delivery_id,
    first_posted,
    message_of,
    notified_revision,
    own,
    rest_id,
    rung,
    thread_of,
)
from bridge.channels.slack.settings import SlackSettings
from bridge.core.delivery.delivery import ENDED
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Illustration, Message, Receipt

CLOCK_SECONDS = 5.0  # Slack's clock and ours
MAX_CALLS = 3  # as many timeouts as a lease has room for: to look for a message, to edit it, to reply
_EDIT_LOST = {"message_not_found", "cant_update_message", "edit_window_closed", "block_mismatch"}
_THREAD_LOST = {
    "message_not_found", "thread_not_found", "cannot_reply_to_message", "restricted_action_thread_locked",
    "invalid_thread_ts", "thread_locked",
}  # fmt: skip
_PAUSING = {Reason.CREDENTIAL, Reason.RATE_LIMITED, Reason.SERVER, Reason.NETWORK}
_QUIET = {"unfurl_links": False, "unfurl_media": False}


class SlackChannel:
    kind = "slack"
    freezes = False
    edits = True
    wants_html = False
    recipients: tuple[str, ...] = ("",)

    def __init__(self, name: str, settings: SlackSettings) -> None:
        self.name = name
        self._channel = settings.channel
        self._mention = settings.mention
        self._seconds = settings.timeout.total_seconds()
        self._calls = SlackCalls(settings)
        # Only posting takes a channel's name; what Slack answers is remembered for the reading methods.
        self._channel_id = settings.channel if CHANNEL_ID.fullmatch(settings.channel) else ""

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed(message_of(message, claim, self._mention))

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        """Each call has its own deadline; all together have one as well, which ends before the claim's lease does."""
        with no_call_after(MAX_CALLS * self._seconds):
            receipt = await self._sent(composed, message, claim)
            return await self._with_rest(composed.content["rest"], receipt, message, claim)

    async def _sent(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        handle = dict(claim.handle)
        if not handle.get("ts"):
            return await self._first(composed.content, message, claim)
        try:
            await self._edit(composed.content, handle)
        except Refused as error:
            if error.code not in _EDIT_LOST:
                raise
            return await self._first(composed.content, message, claim)
        return await self._reply_in_thread(composed.content["thread"], message, claim, handle)

    async def illustrate(self, picture: Illustration, handle: Mapping[str, Any]) -> None:
        """As a reply in the incident's thread: https://docs.slack.dev/messaging/working-with-files#uploading_files"""
        if handle.get("ts"):
            await self._calls.upload(picture, str(handle["channel"]), str(handle["ts"]))

    async def close(self) -> None:
        await self._calls.close()

    async def _first(self, content: Any, message: Message, claim: Claim) -> Receipt:
        """A new message, unless an earlier try turns out to have posted it."""
        found, certain = await self._posted_before(message, claim) if claim.unknown else (None, True)
        if found is None and certain and not (message.firing or claim.sent):
            return Receipt(dict(claim.handle), ENDED, skipped=True)
        if found is None:
            return Receipt(await self._post(content, message))
        return await self._adopted(found, content, message, claim)

    async def _adopted(self, found: dict[str, Any], content: Any, message: Message, claim: Claim) -> Receipt:
        """What an earlier try posted, at the revision `posted`. It may have been edited since without its reply."""
        revision = int(found.pop("revision"))
        # Its severity is not known; that it rang for this incident is. So this one does not ring again.
        handle = {**found, "thread_revision": max(notified_revision(claim), found["posted"]), "severity": rung(message)}
        if revision >= message.revision and found["posted"] >= message.revision:
            return Receipt(handle, "delivered by an earlier try")
        try:
            if revision < message.revision:
                await self._edit(content, handle)
        except SendError as error:
            if not isinstance(error, Refused) or error.code not in _EDIT_LOST:
                error.progress = handle
                raise
            return Receipt(await self._post(content, message))
        shown = replace(claim, handle=handle)
        return await self._reply_in_thread(
            thread_of(message, shown, None, notified_revision(shown)), message, shown, handle
        )

    async def _post(self, content: Any, message: Message) -> dict[str, Any]:
        body = {"attachments": content["attachments"], "metadata": content["metadata"], **_QUIET}
        answer = await self._calls.call(
            "chat.postMessage", {"channel": self._channel, "text": content["post_text"], **body}
        )
        channel, ts = answer.get("channel"), answer.get("ts")
        if not (channel and isinstance(channel, str) and ts and isinstance(ts, str)):
            raise SendError(Reason.SERVER, "an answer without channel and ts", ambiguous=True)
        self._channel_id = channel
        revision = message.revision
        return {
            "channel": channel, "ts": ts, "posted": revision, "thread_revision": revision, "severity": rung(message),
        }  # fmt: skip

    async def _edit(self, content: Any, handle: dict[str, Any]) -> None:
        place = {"channel": handle["channel"], "ts": handle["ts"]}
        shown = {"text": content["text"], "attachments": content["attachments"]}
        metadata = first_posted(content["metadata"], handle)
        await self._calls.call("chat.update", {**place, **shown, "metadata": metadata})

    async def _reply_in_thread(self, reply: Any, message: Message, claim: Claim, handle: dict[str, Any]) -> Receipt:
        """The message is right by now; what goes wrong from here on must not lose it."""
        done = {**handle, "thread_revision": max(notified_revision(claim), message.revision), "severity": rung(message)}
        if reply is None:
            return Receipt(done)
        try:
            if claim.unknown:
                since = await self._told_before(message, claim, handle)
                reply = thread_of(message, claim, self._mention, max(since, notified_revision(claim)))
            if reply is not None:
                await self._reply(reply, handle)
        except SendError as error:
            error.progress = handle
            raise
        return Receipt(done)

    async def _reply(self, reply: Any, handle: dict[str, Any]) -> None:
        place = {"channel": handle["channel"], "thread_ts": handle["ts"]}
        try:
            await self._calls.call("chat.postMessage", {**place, **reply, **_QUIET})
        except Refused as error:
            if error.code not in _THREAD_LOST:
                raise
            if reply.get("reply_broadcast"):  # what should ring rings without its thread
                top = {name: reply[name] for name in ("text",)}
                await self._calls.call("chat.postMessage", {"channel": handle["channel"], **top, **_QUIET})

    async def _with_rest(self, reply: Any, receipt: Receipt, message: Message, claim: Claim) -> Receipt:
        """Once, in the thread: what is not bad. The message is right by now, and nothing of this may make it fail."""
        handle = dict(receipt.handle)
        if reply is None or not handle.get("ts") or handle.get("rest") == POSTED:
            return receipt
        try:
            if not claim.unknown or await self._lacks_rest(message, claim, handle):
                await self._reply(reply, handle)
        except SendError as error:
            if error.reason in _PAUSING:
                error.progress = handle
                raise
        return replace(receipt, handle={**handle, "rest": POSTED})

    async def _lacks_rest(self, message: Message, claim: Claim, handle: dict[str, Any]) -> bool:
        """Whether an earlier try did not post it, for certain: twice would be worse than not at all."""
        wanted = rest_id(message, claim)
        place = {"channel": handle["channel"], "ts": handle["ts"], **_since(message, claim)}
        found, certain = await self._read("conversations.replies", place)
        return certain and not any(own(each.get("metadata"), wanted) for each in found)

    async def _posted_before(self, message: Message, claim: Claim) -> tuple[dict[str, Any] | None, bool]:
        """Where an earlier try has posted it; and whether that is all there is to know."""
        channel = str(claim.handle.get("channel") or self._channel_id or claim.other_handle.get("channel", ""))
        if not channel:
            return None, False  # a name cannot be read from: a duplicate is better than a loss
        wanted, lost = delivery_id(message, claim), claim.handle.get("ts")
        read, certain = await self._read("conversations.history", {"channel": channel, **_since(message, claim)})
        for found in read:
            payload = own(found.get("metadata"), wanted)
            top = found.get("thread_ts") in (None, found.get("ts"))
            if payload is not None and top and found.get("ts") != lost:
                revision = int(payload.get("revision", 0))
                posted = int(payload.get("posted", revision))
                return {"channel": channel, "ts": found["ts"], "posted": posted, "revision": revision}, True
        return None, certain

    async def _told_before(self, message: Message, claim: Claim, handle: dict[str, Any]) -> int:
        """The newest revision that our replies in the thread tell of."""
        wanted = delivery_id(message, claim)
        place = {"channel": handle["channel"], "ts": handle["ts"], **_since(message, claim)}
        found, _ = await self._read("conversations.replies", place)
        replies = [each for each in found if each.get("ts") != handle["ts"]]
        payloads = [own(each.get("metadata"), wanted) for each in replies]
        return max((int(payload.get("revision", 0)) for payload in payloads if payload), default=0)

    async def _read(self, method: str, arguments: dict[str, Any]) -> tuple[list[Any], bool]:
        """And whether it is all: nothing is read when Slack does not let us look. A passing failure leaves the try as
        unknown as it was."""
        found: list[Any] = []
        try:
            async for message in self._calls.pages(method, arguments):
                found.append(message)
        except TooMany:
            return found, False
        except SendError as error:
            if error.reason not in _PAUSING:
                return [], False
            error.ambiguous = True
            raise
        return found, True


def _since(message: Message, claim: Claim) -> dict[str, Any]:
    at = (claim.attempted_at or message.opened_at).timestamp() - CLOCK_SECONDS
    return {"oldest": f"{at:.6f}", "limit": 100, "include_all_metadata": True}
