"""Email through the standard library: one mail for each recipient and revision, the same bytes every time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bridge.channels.mail_connection import MailConnection
from bridge.channels.mail_message import mail_bytes
from bridge.config.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.core.mailboxes import parse_mailbox
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.rendering.text import one_line

GRACE_SECONDS = 5.0


class EmailChannel:
    kind = "email"
    freezes = True
    edits = False
    wants_html = True

    def __init__(self, settings: EmailSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._seconds = settings.timeout.total_seconds()
        self._sender = parse_mailbox(settings.from_).address
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
        with _addresses():
            mail = mail_bytes(message, recipient, settings.from_, settings.domain, shrink=claim.shrink)
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
        return Receipt({"revision": message.revision}, one_line(reply)[:200])

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


@contextmanager
def _addresses() -> Iterator[None]:
    """What was accepted by an earlier version, perhaps, and is no address."""
    try:
        yield
    except ValueError as error:
        raise SendError(Reason.DESTINATION, str(error)) from None
