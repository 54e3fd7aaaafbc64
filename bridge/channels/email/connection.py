"""A kept SMTP connection: verified TLS, login, reuse, and a reply code's meaning for each step. Within run_blocking.

RFC 5321 4.2 and 4.5.3.2; after the final dot silence is ambiguous: the server may have the mail (RFC 1047).
Invariant: a conversation ends by its deadline whatever the server does, and keeps no more than MAX_REPLIES of it.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import TypeVar

from bridge.channels.email.login import logged_in
from bridge.channels.email.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.outbound.sockets import (
    Allowance,
    AllowedSocket,
    AllowedTlsSocket,
    TooMuch,
    aside,
    connected,
    cut,
    is_quiet,
    over_tls,
    tls_context,
)
from bridge.outbound.trust import UnusableAuthorities, tls_fault
from bridge.rendering.text import one_line

CONNECT_SECONDS = 30.0
CHECK_SECONDS = 10.0
FRESH_SECONDS = 5.0  #: after the last mail, in which a connection that is open and silent needs no question
MAX_MAILS = 50
MAX_IDLE_SECONDS = 60.0
MAX_REPLIES = 65_536  #: octets of one mail's conversation: a dozen lines, of 512 at most (RFC 5321 4.5.3.1.5)
GO_ON = 354  #: the mail may follow
_CREDENTIAL = {530, 534, 535, 538}
_DESTINATION = {550, 551, 553}
_PAYLOAD = {552, 554}
Result = TypeVar("Result")
_PLAIN_REFUSALS = (Reason.DESTINATION, Reason.PAYLOAD)
_CODE = re.compile(rb"\d{3}")
_LINE_END = re.compile(rb"\r\n|\r(?!\n)|(?<!\r)\n")
_own_name = lru_cache(maxsize=1)(socket.getfqdn)  # asks a name server
_tls_context = lru_cache(maxsize=1)(partial(tls_context, None))  # reads every authority there is


def reason_of(code: int, step: str) -> Reason:
    """Before a mail is spoken of, a refusal is about us or the server: that may pass."""
    if code in _CREDENTIAL and step == "rcpt":
        return Reason.SERVER  # a relay may want a login for some recipients only: the others shall not wait for it
    if code in _CREDENTIAL or (step == "login" and code >= 500):
        return Reason.CREDENTIAL
    if code < 500 or step == "connect":
        return Reason.SERVER
    if code in _PAYLOAD or (step == "data" and code not in _DESTINATION):
        return Reason.PAYLOAD
    return Reason.DESTINATION


class MailConnection:
    """For one mail at a time. Opens itself when it must, and closes itself after any doubt."""

    def __init__(self, settings: EmailSettings, threads: Executor) -> None:
        """threads: for name servers and files, which may keep one for long."""
        self._settings, self._threads = settings, threads
        self._seconds = settings.timeout.total_seconds()
        self._allowance = Allowance()
        self._smtp: _Smtp | None = None
        self._opening: _Smtp | None = None
        self._mails = 0
        self._used_at = 0.0
        self._taken = False  # the last mail
        self._unread: Iterator[tuple[int, bytes]] = iter(())  # replies to what was sent beyond a refusal

    def send(self, sender: str, recipient: str, mail: bytes, until: float | None = None) -> str:
        """The server's last reply. Addresses with the domain as DNS knows it. until: on time.monotonic()."""
        self._allowance.grant(time.monotonic() + self._seconds if until is None else until, MAX_REPLIES)
        smtp = self._ready()
        self._taken = False
        try:
            reply = self._transact(smtp, sender, recipient, mail)
        except BaseException as error:
            # after a plain refusal RSET makes the connection as new; after anything else nothing is certain
            plain = isinstance(error, SendError) and error.reason in _PLAIN_REFUSALS
            if not (plain and self._in_step()):
                self.close()
            raise
        self._mails, self._used_at, self._taken = self._mails + 1, time.monotonic(), True
        return reply

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def give_up(self) -> None:
        """From another task: ends a wait for the server's next byte."""
        smtp = self._opening or self._smtp
        if smtp is not None:
            cut(smtp.sock)

    def _ready(self) -> _Smtp:
        if self._smtp is not None and not self._reusable(self._smtp):
            self.close()
        if self._smtp is None:
            self._smtp, self._mails = self._opened(), 0
        return self._smtp

    def _reusable(self, smtp: _Smtp) -> bool:
        idle = time.monotonic() - self._used_at
        spent = self._mails >= MAX_MAILS or idle > MAX_IDLE_SECONDS
        if self._taken and not spent and idle < FRESH_SECONDS:
            return smtp.sock is not None and is_quiet(smtp.sock)
        with suppress(OSError, smtplib.SMTPException), self._allowance.at_most(CHECK_SECONDS):
            return (smtp.quit() if spent else smtp.rset())[0] == 250
        return False

    def _opened(self) -> _Smtp:
        with _failures("connect"):
            smtp = self._opening = _Smtp(self._settings, self._allowance, self._threads, *self._looked_up())
        try:
            with _failures("connect"):
                _expect(smtp.connect(*self._settings.smarthost), 220)
                smtp.ehlo_or_helo_if_needed()
                self._secured(smtp)
                smtp.ehlo_or_helo_if_needed()
            with _failures("login"):
                self._logged_in(smtp)
        except BaseException:
            smtp.close()
            raise
        finally:
            self._opening = None
        smtp.set_timeout(self._seconds)
        return smtp

    def _looked_up(self) -> tuple[str, ssl.SSLContext | None]:
        """The name to say, and whom to believe: both take a while, and the event loop goes on meanwhile."""
        settings = self._settings
        name = settings.hello or self._aside(_own_name)
        if settings.tls == "none":
            return name, None
        return name, self._aside(partial(tls_context, settings.ca_file) if settings.ca_file else _tls_context)

    def _aside(self, call: Callable[[], Result]) -> Result:
        return aside(call, self._allowance, self._threads)

    def _secured(self, smtp: _Smtp) -> None:
        """Mandatory when it is asked for: a server that offers none gets no mail and no password."""
        if self._settings.tls != "starttls":
            return
        if not smtp.has_extn("starttls"):
            advice = "have it offered there, or set tls: implicit for a port that speaks TLS from the start (465)"
            raise SendError(Reason.CREDENTIAL, f"the mail server offers no STARTTLS, so it got nothing: {advice}")
        _expect(smtp.docmd("STARTTLS"), 220)
        smtp.secure()

    def _logged_in(self, smtp: _Smtp) -> None:
        username, password = self._settings.username, self._settings.password
        if username and password is not None:
            logged_in(smtp, username, password.get_secret_value(), secured=self._settings.tls != "none")

    def _transact(self, smtp: _Smtp, sender: str, recipient: str, mail: bytes) -> str:
        with _failures("mail"):
            options = _international(smtp, sender, recipient)
            replies = smtp.asked(f"MAIL FROM:{_path(sender)}{options}", f"RCPT TO:{_path(recipient)}", "DATA")
            self._unread = replies if smtp.pipelines else iter(())
            _expect(next(replies), 250)
        with _failures("rcpt"):
            _expect(next(replies), 250, 251)
        with _failures("data"):
            _expect(next(replies), GO_ON)
            with _failures("data", ambiguous=True):
                smtp.send(_stuffed(mail))
                return _expect(smtp.getreply(), 250)

    def _in_step(self) -> bool:
        """After a refusal: whether the server waits for a command. It may wait for a mail, even for one without
        recipients (RFC 2920 3.1), and must not get one."""
        with suppress(OSError, smtplib.SMTPException):
            return all(code != GO_ON for code, _ in self._unread)
        return False


class _Smtp(smtplib.SMTP):
    """smtplib's commands, over sockets that keep to the conversation's allowance.

    The constructor would connect, and could not be given up while a server lets its greeting trickle in.
    """

    def __init__(
        self,
        settings: EmailSettings,
        allowance: Allowance,
        threads: Executor,
        name: str,
        tls: ssl.SSLContext | None,
    ) -> None:
        seconds = min(CONNECT_SECONDS, settings.timeout.total_seconds())
        super().__init__(local_hostname=name, timeout=seconds)
        self._settings, self._allowance, self._threads, self._tls = settings, allowance, threads, tls
        self._host = settings.smarthost.host  # the name that the certificate must have

    def set_timeout(self, seconds: float) -> None:
        """For each step, within the allowance."""
        assert isinstance(self.sock, AllowedSocket | AllowedTlsSocket)
        self.sock.seconds = min(seconds, self._settings.timeout.total_seconds())

    def secure(self) -> None:
        """After the server agreed to STARTTLS. What it said before does not count any more (RFC 3207 4.2)."""
        assert isinstance(self.sock, AllowedSocket)
        self.sock, self.file = self._over_tls(self.sock), None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = connected(host, port, self._allowance, timeout, self._threads)
        if self._settings.tls != "implicit":
            return plain
        try:
            return self._over_tls(plain)
        except BaseException:
            plain.close()
            raise

    def _over_tls(self, plain: AllowedSocket) -> socket.socket:
        assert self._tls is not None
        return over_tls(plain, self._tls, self._host, self.timeout)

    @property
    def pipelines(self) -> bool:
        """Whether the server takes commands before it has answered those before them (RFC 2920)."""
        return self.has_extn("pipelining")

    def asked(self, *commands: str) -> Iterator[tuple[int, bytes]]:
        """The replies: to commands that were sent together, or to each before the next is sent."""
        if self.pipelines:
            self.send("".join(f"{command}\r\n" for command in commands))
        for command in commands:
            yield self.getreply() if self.pipelines else self.docmd(command)

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib's own; but a line without end is no refusal with code 500, and a timeout stays one."""
        if self.file is None:
            assert self.sock is not None
            self.file = self.sock.makefile("rb")
        lines = []
        while True:
            line = self.file.readline(MAX_REPLIES + 1)
            if not line:
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
            lines.append(line[4:].strip())
            code = _CODE.match(line)
            if code is None or line[3:4] != b"-":
                return int(code[0]) if code else -1, b"\n".join(lines)


def _international(smtp: _Smtp, sender: str, recipient: str) -> str:
    """The options of RFC 6531, for what stands before the @."""
    if sender.isascii() and recipient.isascii():
        return ""
    if not smtp.has_extn("smtputf8"):
        whose = "`to`" if sender.isascii() else "`from`"
        detail = f"the mail server takes no address with such letters before the @ as the one in {whose} (SMTPUTF8)"
        raise SendError(Reason.DESTINATION, detail)
    smtp.command_encoding = "utf-8"
    return " SMTPUTF8 BODY=8BITMIME"


@lru_cache(maxsize=1024)
def _path(address: str) -> str:
    """Raises ValueError for what would be more than one command."""
    if "\r" in address or "\n" in address:
        raise ValueError("an address with a line break")
    return smtplib.quoteaddr(address)


def _stuffed(mail: bytes) -> bytes:
    """RFC 5321 4.5.2: a dot at the start of a line is doubled; the final dot ends the mail."""
    if not mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n"):
        mail = _LINE_END.sub(b"\r\n", mail)
    lines = (b"." if mail.startswith(b".") else b"") + mail.replace(b"\r\n.", b"\r\n..")
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _expect(reply: tuple[int, bytes], *codes: int) -> str:
    if reply[0] not in codes:
        raise smtplib.SMTPResponseException(*reply)
    return f"{reply[0]} {reply[1].decode('utf-8', 'replace')}"


@contextmanager
def _failures(step: str, *, ambiguous: bool = False) -> Iterator[None]:
    """Every way to fail in this step, as a SendError; after the final dot only a refusal is certain."""
    try:
        yield
    except SendError:
        raise
    except smtplib.SMTPResponseException as error:
        raise _refused(error, step, ambiguous) from None
    except TooMuch:
        raise SendError(Reason.SERVER, f"{step}: an answer without end", ambiguous=ambiguous) from None
    except ssl.SSLError as error:
        raise SendError(Reason.NETWORK, f"{step}: {tls_fault(error)}", ambiguous=ambiguous) from None
    except UnusableAuthorities as error:
        raise SendError(Reason.NETWORK, f"{step}: TLS: {error}") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(Reason.NETWORK, f"{step}: {type(error).__name__}", ambiguous=ambiguous) from None


def _refused(error: smtplib.SMTPResponseException, step: str, ambiguous: bool) -> SendError:
    code = int(error.smtp_code)
    if not 400 <= code < 600:
        return SendError(Reason.SERVER, f"{step}: an answer that is no SMTP", ambiguous=ambiguous)
    raw = error.smtp_error
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return SendError(reason_of(code, step), f"{step}: {code} {one_line(text)[:300]}")
