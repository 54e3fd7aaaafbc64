"""Email through the standard library: one mail for each recipient and revision, the same bytes every time."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr

from bridge.channels.mail_connection import MailConnection
from bridge.channels.mail_message import mail_bytes, subject_in
from bridge.config.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.rendering.text import one_line

#: The codes at the start of a reply (RFC 5321, RFC 3463), and the word that says the same.
_CODES = re.compile(r"\d{3}[ -]?\s*(\d\.\d{1,3}\.\d{1,3}\b)?\s*(ok\b)?[\s:.,;-]*", re.IGNORECASE | re.ASCII)


class EmailChannel:
    kind = "email"
    freezes = True
    edits = False
    wants_html = True

    def __init__(self, settings: EmailSettings) -> None:
        self.name = settings.name
        self._settings = settings
        # for replies that trickle in: a socket's timeout counts from byte to byte. Shorter than the lease.
        self._deadline = 3 * settings.timeout.total_seconds()
        self._sender = parseaddr(settings.from_)[1] or settings.from_
        self._threads = ThreadPoolExecutor(settings.concurrency, f"channel-{settings.name}")
        self._own = threading.local()
        self._opened: list[MailConnection] = []  # to close them from another thread at the end

    @property
    def recipients(self) -> tuple[str, ...]:
        return self._settings.to

    def compose(self, message: Message, claim: Claim) -> Composed:
        if claim.frozen is not None:
            return Composed(claim.frozen)
        settings, recipient = self._settings, claim.target.recipient
        subject = _subject_before(message, claim)
        mail = mail_bytes(message, recipient, settings.from_, settings.domain, shrink=claim.shrink, subject=subject)
        return Composed(mail)

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        loop = asyncio.get_running_loop()
        recipient = parseaddr(claim.target.recipient)[1] or claim.target.recipient
        at_work: list[MailConnection] = []
        work = loop.run_in_executor(self._threads, self._send, recipient, composed.content, at_work)
        try:
            reply = await asyncio.wait_for(work, self._deadline)
        except TimeoutError:
            for connection in at_work:
                connection.give_up()
            raise SendError(Reason.NETWORK, "no end of the conversation in time", ambiguous=True) from None
        handle = {"revision": message.revision, "subject": subject_in(composed.content)}
        return Receipt(handle, accepted(reply))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._opened:
            connection.close()

    def _send(self, recipient: str, mail: bytes, at_work: list[MailConnection]) -> str:
        if not hasattr(self._own, "connection"):
            self._own.connection = MailConnection(self._settings)
            self._opened.append(self._own.connection)
        connection: MailConnection = self._own.connection
        at_work.append(connection)
        return connection.send(self._sender, recipient, mail)


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
