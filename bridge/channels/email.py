"""Email through the standard library: one mail for each recipient and revision, the same bytes every time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr

from bridge.channels.mail_connection import MailConnection
from bridge.channels.mail_message import mail_bytes
from bridge.config.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from bridge.rendering.text import one_line


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
        mail = mail_bytes(message, recipient, settings.from_, settings.domain, shrink=claim.shrink)
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
        return Receipt({"revision": message.revision}, one_line(reply)[:200])

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
