"""Email through the standard library: one mail for each recipient and revision, the same bytes every time."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from bridge.channels.email.connection import MailConnection
from bridge.channels.email.message import mail_bytes, subject_in, subject_of
from bridge.channels.email.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.outbound.greenlets import run_blocking
from bridge.rendering.text import one_line

#: The codes at the start of a reply (RFC 5321, RFC 3463), and the word that says the same.
_CODES = re.compile(r"\d{3}[ -]?\s*(\d\.\d{1,3}\.\d{1,3}\b)?\s*(ok\b)?[\s:.,;-]*", re.IGNORECASE | re.ASCII)


class EmailChannel:
    kind = "email"
    freezes = True
    edits = False
    wants_html = True

    def __init__(self, name: str, settings: EmailSettings) -> None:
        self.name = name
        self._settings = settings
        self._seconds = settings.timeout.total_seconds()
        self._sender = parse_mailbox(settings.from_).address
        self._threads = ThreadPoolExecutor(settings.concurrency, f"channel-{name}")  # for name servers and files
        self._room = asyncio.Semaphore(settings.concurrency)
        self._idle: list[MailConnection] = []  # the last used one at the end
        self._busy: set[MailConnection] = set()
        self._closed = False

    @property
    def recipients(self) -> tuple[str, ...]:
        return self._settings.recipients

    def compose(self, message: Message, claim: Claim) -> Composed:
        if claim.frozen is not None:
            return Composed(claim.frozen)
        recipient, sender, domain = claim.target.recipient, self._settings.from_, self._settings.id_domain
        with _addresses():
            subject = _subject_before(message, claim)
            mail = mail_bytes(message, recipient, sender, domain, shrink=claim.shrink, subject=subject)
        return Composed(mail)

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        """A conversation ends by itself within `timeout`; only a name server can keep a thread for longer."""
        with _addresses():
            recipient = parse_mailbox(claim.target.recipient).address
        reply = await self._sent(recipient, composed.content, time.monotonic() + self._seconds)
        handle = {"revision": message.revision, "subject": _subject_of(message, claim)}
        return Receipt(handle, accepted(reply))

    async def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False)
        for connection in self._busy:
            connection.give_up()
        while self._idle:
            self._idle.pop().close()

    async def _sent(self, recipient: str, mail: bytes, until: float) -> str:
        async with self._room:
            if self._closed:
                raise SendError(Reason.NETWORK, "stopped")
            connection = self._idle.pop() if self._idle else MailConnection(self._settings, self._threads)
            self._busy.add(connection)
            try:
                return await run_blocking(partial(connection.send, self._sender, recipient, mail, until))
            finally:
                self._busy.remove(connection)
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)


def _subject_of(message: Message, claim: Claim) -> str:
    """That of the mail which was sent."""
    if claim.frozen is not None:
        return subject_in(claim.frozen)
    return _subject_before(message, claim) or subject_of(message)


def _subject_before(message: Message, claim: Claim) -> str | None:
    """That of the mails before, whatever has changed since: Gmail starts a new thread when the subject changes."""
    if subject := claim.handle.get("subject"):
        return str(subject)
    if claim.tried is not None:  # it may have arrived
        return subject_in(claim.tried) or None
    return f"[alert] {one_line(message.title)}" if claim.sent else None  # of a version that did not keep it


def accepted(reply: str) -> str:
    """For the timeline: with what the server said beyond yes, such as the number under which its log knows the mail."""
    words = _CODES.sub("", one_line(reply), count=1)
    return f"accepted by the mail server{f': {words[:200]}' if words else ''}"


@contextmanager
def _addresses() -> Iterator[None]:
    """What was accepted by an earlier version, perhaps, and is no address."""
    try:
        yield
    except ValueError as error:
        raise SendError(Reason.DESTINATION, str(error)) from None
