"""A mail server that keeps every mail for the page; STARTTLS, implicit TLS, AUTH and faults on request."""

import asyncio
import hmac
import ssl
import time
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dev.sandbox.faults import Fault
from dev.sandbox.http_faults import cut
from dev.sandbox.options import Options
from dev.sandbox.state import State

HOSTNAME = "sandbox.local"  # given, so that no name server is asked


class MailServer:
    """Listens on one address; `close` also ends the connections that clients keep."""

    def __init__(self, state: State, options: Options) -> None:
        self.state = state
        self._options = options
        self._tls = _tls_context(options)
        self._open: set[FaultySmtp] = set()
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        implicit = self._tls if self._options.smtp_tls == "implicit" else None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connection, host, port, ssl=implicit)
        return int(self._listener.sockets[0].getsockname()[1])

    def _connection(self) -> "FaultySmtp":
        options, starttls = self._options, self._options.smtp_tls == "starttls"
        connection = FaultySmtp(
            Receiver(self.state),
            hostname=HOSTNAME,
            ident="sandbox mail server",
            enable_SMTPUTF8=True,
            tls_context=self._tls if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,  # with implicit TLS aiosmtpd would not see that there is TLS
            authenticator=self._authenticate if options.smtp_username else None,
            loop=asyncio.get_running_loop(),
        )
        connection._auth_required = options.smtp_username is not None  # the argument warns without STARTTLS
        connection.tracked_in = self._open
        return connection

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        wanted = f"{self._options.smtp_username}\0{self._options.smtp_password or ''}".encode()
        given = data.login + b"\0" + data.password if isinstance(data, LoginPassword) else b""
        right = hmac.compare_digest(wanted, given)
        if not right:
            self.state.mail.refuse("auth", "535 5.7.8 Authentication credentials invalid")
        return AuthResult(success=right, handled=False)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._open):
            if isinstance(connection.transport, asyncio.WriteTransport):
                connection.transport.abort()


def _tls_context(options: Options) -> ssl.SSLContext | None:
    if options.smtp_tls == "none":
        return None
    if options.smtp_certificate is None or options.smtp_key is None:
        raise ValueError(f"smtp_tls {options.smtp_tls} needs smtp_certificate and smtp_key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.smtp_certificate, options.smtp_key)
    return context


class FaultySmtp(SMTP):
    tracked_in: set["FaultySmtp"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.tracked_in.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.tracked_in.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        """The greeting is the one reply that aiosmtpd has no hook for."""
        reply = await self.event_handler.fault_reply(self, "connect")
        if reply is None:
            await super()._handle_client()
        elif self.transport is not None:
            await self.push(reply)
            self.transport.close()


class Receiver:
    def __init__(self, state: State) -> None:
        self._state = state

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        reply = await self.fault_reply(server, "ehlo")
        return responses if reply is None else [reply]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := await self.fault_reply(server, "mail"):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := await self.fault_reply(server, "rcpt", address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        fault = self._due("data", None, bytes(envelope.original_content or b""))
        if fault is not None and fault.kind not in ("accept_then_reset", "latency") and not fault.processed:
            return await self._played(fault, server, "data") or ""
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        mail = self._state.mail.deliver(
            envelope.mail_from or "",
            [str(each) for each in envelope.rcpt_tos],
            bytes(envelope.original_content or b""),
        )
        self._state.feed.touch("mail")
        if fault is not None and fault.kind != "latency":
            return await self._played(fault, server, "data") or ""
        return f"250 2.0.0 OK: kept as mail {mail.number}"

    async def fault_reply(self, server: SMTP, at: str, recipient: str | None = None) -> str | None:
        """None: no fault, or one that only takes time; go on."""
        fault = self._due(at, recipient)
        return None if fault is None else await self._played(fault, server, at, recipient)

    def _due(self, at: str, recipient: str | None, content: bytes = b"") -> Fault | None:
        fault = self._state.faults.due_for_mail(at, recipient, content)
        if fault is not None:
            self._state.feed.touch("faults")
        return fault

    async def _played(self, fault: Fault, server: SMTP, at: str, recipient: str | None = None) -> str | None:
        if fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.kind == "malformed":
            return "what was that?"
        if fault.kind == "smtp_reply":
            reply = f"{fault.code} {fault.text}"
            self._state.mail.refuse(at, reply, **({"recipient": recipient} if recipient else {}))
            self._state.feed.touch("mail")
            return reply
        if fault.kind == "hang":
            await _hang(fault, server)
        if fault.kind == "endless":
            await _endless(fault, server)
        if server.transport is not None:
            cut(server.transport)
        return "421 4.3.2 Connection is gone"


async def _endless(fault: Fault, server: SMTP) -> None:
    """A reply of more and more lines, as fast as they are taken."""
    until = time.monotonic() + fault.seconds
    while server.transport is not None and not fault.cleared and time.monotonic() < until:
        await server.push("\r\n".join(["250-and so on"] * 1000))
        await asyncio.sleep(0)


async def _hang(fault: Fault, server: SMTP) -> None:
    until = time.monotonic() + fault.seconds
    while server.transport is not None and not fault.cleared and time.monotonic() < until:
        await asyncio.sleep(0.02)
