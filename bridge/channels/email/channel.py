"""Email through the standard library: one mail for each recipient and revision, the same bytes every time."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bridge.channels.email.connection import MailConnection
from bridge.channels.email.message import mail_bytes, subject_in
from bridge.channels.email.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.rendering.text import one_line

#: The codes at the start of a reply (RFC 5321, RFC 3463), and the word that says the same.
_CODES = re.compile(r"\d{3}[ -]?\s*(\d\.\d{1,3}\.\d{1,3}\b)?\s*(ok\b)?[\s:.,;-]*", re.IGNORECASE | re.ASCII)
GRACE_SECONDS = 5.0


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
        self._threads = ThreadPoolExecutor(settings.concurrency, f"channel-{name}")
        self._own = threading.local()
        self._opened: list[MailConnection] = []  # to close them from another thread at the end

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
        """A conversation ends by itself within `timeout`; only a name server can keep its thread for longer."""
        with _addresses():
            recipient = parse_mailbox(claim.target.recipient).address
        loop, until = asyncio.get_running_loop(), time.monotonic() + self._seconds
        work = loop.run_in_executor(self._threads, self._send, recipient, composed.content, until)
        try:
            reply = await asyncio.wait_for(work, self._seconds + GRACE_SECONDS)
        except TimeoutError:
            raise SendError(Reason.NETWORK, "no end of the conversation in time", ambiguous=True) from None
        handle = {"revision": message.revision, "subject": subject_in(composed.content)}
        return Receipt(handle, accepted(reply))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._opened:
            connection.give_up()
            connection.close()

    def _send(self, recipient: str, mail: bytes, until: float) -> str:
        if not hasattr(self._own, "connection"):
            self._own.connection = MailConnection(self._settings)
            self._opened.append(self._own.connection)
        connection: MailConnection = self._own.connection
        return connection.send(self._sender, recipient, mail, until)


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
