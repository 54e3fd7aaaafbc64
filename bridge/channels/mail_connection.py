"""A kept SMTP connection of one thread: verified TLS, login, reuse, and a reply code's meaning for each step.

RFC 5321 4.2 and 4.5.3.2; after the final dot silence is ambiguous: the server may have the mail (RFC 1047).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bridge.channels.mail_message import ascii_domain
from bridge.config.settings import EmailSettings
from bridge.core.errors import Reason, SendError
from bridge.rendering.text import one_line

CONNECT_SECONDS = 30.0
CHECK_SECONDS = 10.0
MAX_MAILS = 50
MAX_IDLE_SECONDS = 60.0
_CREDENTIAL = {454, 530, 534, 535, 538}
_DESTINATION = {550, 551, 553}
_PAYLOAD = {552, 554}
_PLAIN_REFUSALS = (Reason.DESTINATION, Reason.PAYLOAD)
_LINE_START_DOT = re.compile(rb"(?m)^\.")
_LINE_END = re.compile(rb"\r\n|\r(?!\n)|(?<!\r)\n")


def reason_of(code: int, step: str) -> Reason:
    """Before a mail is spoken of, a refusal is about us or the server: that may pass."""
    if code in _CREDENTIAL or (step == "login" and code >= 500):
        return Reason.CREDENTIAL
    if code < 500 or step == "connect":
        return Reason.SERVER
    if code in _PAYLOAD or (step == "data" and code not in _DESTINATION):
        return Reason.PAYLOAD
    return Reason.DESTINATION


class MailConnection:
    """Not for two threads. Opens itself when it must, and closes itself after any doubt."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._seconds = settings.timeout.total_seconds()
        self._smtp: smtplib.SMTP | None = None
        self._opening: smtplib.SMTP | None = None
        self._mails = 0
        self._used_at = 0.0

    def send(self, sender: str, recipient: str, mail: bytes) -> str:
        """The server's last reply."""
        smtp = self._ready()
        try:
            reply = self._transact(smtp, ascii_domain(sender), ascii_domain(recipient), mail)
        except BaseException as error:
            # after a plain refusal RSET makes the connection as new; after anything else nothing is certain
            if not isinstance(error, SendError) or error.reason not in _PLAIN_REFUSALS:
                self.close()
            raise
        self._mails, self._used_at = self._mails + 1, time.monotonic()
        return reply

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def give_up(self) -> None:
        """From another thread: whoever waits for the server's next byte waits no longer."""
        smtp = self._opening or self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)

    def _ready(self) -> smtplib.SMTP:
        if self._smtp is not None and not self._reusable(self._smtp):
            self._quit()
        if self._smtp is None:
            self._smtp, self._mails = self._opened(), 0
        return self._smtp

    def _reusable(self, smtp: smtplib.SMTP) -> bool:
        if self._mails >= MAX_MAILS or time.monotonic() - self._used_at > MAX_IDLE_SECONDS:
            return False
        try:
            self._patience(smtp, CHECK_SECONDS)
            alive = smtp.rset()[0] == 250
            self._patience(smtp, self._seconds)
        except (OSError, smtplib.SMTPException):
            return False
        return alive

    def _patience(self, smtp: smtplib.SMTP, seconds: float) -> None:
        if smtp.sock is not None:
            smtp.sock.settimeout(min(seconds, self._seconds))

    def _quit(self) -> None:
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._patience(self._smtp, CHECK_SECONDS)
                self._smtp.quit()
        self.close()

    def _opened(self) -> smtplib.SMTP:
        smtp = self._opening = self._unconnected()
        try:
            with _failures("connect"):
                _expect(smtp.connect(self._settings.host, self._settings.port), 220)
                self._secured(smtp)
                smtp.ehlo_or_helo_if_needed()
            with _failures("login"):
                self._logged_in(smtp)
        except BaseException:
            smtp.close()
            raise
        finally:
            self._opening = None
        self._patience(smtp, self._seconds)
        return smtp

    def _unconnected(self) -> smtplib.SMTP:
        """The constructor would connect, and nobody could give up a server that lets its greeting trickle in."""
        settings, seconds = self._settings, min(CONNECT_SECONDS, self._seconds)
        if settings.tls == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=settings.hello, timeout=seconds, context=self._context()
            )
        else:
            smtp = smtplib.SMTP(local_hostname=settings.hello, timeout=seconds)
        smtp._host = settings.host  # type: ignore[attr-defined]  # whom the certificate must name
        return smtp

    def _secured(self, smtp: smtplib.SMTP) -> None:
        """Mandatory when it is asked for: a server that offers none gets no mail and no password."""
        if self._settings.tls == "starttls":
            code, text = smtp.starttls(context=self._context())
            if code != 220:
                raise smtplib.SMTPResponseException(code, text)

    def _context(self) -> ssl.SSLContext:
        # without a context smtplib checks no certificate: https://docs.python.org/3.11/library/smtplib.html
        authority = self._settings.ca_file
        return ssl.create_default_context(cafile=str(authority) if authority else None)

    def _logged_in(self, smtp: smtplib.SMTP) -> None:
        username, password = self._settings.username, self._settings.password
        if username and password is not None:
            smtp.login(username, password.get_secret_value())

    def _transact(self, smtp: smtplib.SMTP, sender: str, recipient: str, mail: bytes) -> str:
        with _failures("mail"):
            smtp.ehlo_or_helo_if_needed()
            options = _international(smtp, sender + recipient)
            _expect(smtp.mail(sender, options), 250)
        with _failures("rcpt"):
            _expect(smtp.rcpt(recipient), 250, 251)
        with _failures("data"):
            _expect(smtp.docmd("DATA"), 354)
            with _failures("data", ambiguous=True):
                smtp.send(_stuffed(mail))
                return _expect(smtp.getreply(), 250)


def _international(smtp: smtplib.SMTP, addresses: str) -> list[str]:
    if addresses.isascii():
        return []
    if not smtp.has_extn("smtputf8"):
        raise SendError(Reason.DESTINATION, "the mail server cannot take an address with such letters (SMTPUTF8)")
    smtp.command_encoding = "utf-8"
    return ["SMTPUTF8", "BODY=8BITMIME"]


def _stuffed(mail: bytes) -> bytes:
    """RFC 5321 4.5.2: a dot at the start of a line is doubled; the final dot ends the mail."""
    lines = _LINE_START_DOT.sub(b"..", _LINE_END.sub(b"\r\n", mail))
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
    except smtplib.SMTPNotSupportedError:
        raise SendError(Reason.CREDENTIAL, "the mail server offers no STARTTLS, or no login that we know") from None
    except ssl.SSLError as error:
        told = getattr(error, "verify_message", "") or error.reason or "failed"
        raise SendError(Reason.NETWORK, f"{step}: TLS: {told}", ambiguous=ambiguous) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(Reason.NETWORK, f"{step}: {type(error).__name__}", ambiguous=ambiguous) from None


def _refused(error: smtplib.SMTPResponseException, step: str, ambiguous: bool) -> SendError:
    code = int(error.smtp_code)
    if not 400 <= code < 600:
        return SendError(Reason.SERVER, f"{step}: an answer that is no SMTP", ambiguous=ambiguous)
    raw = error.smtp_error
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    shown = "" if step == "login" else f" {one_line(text)[:300]}"  # a server could repeat what we sent it
    return SendError(reason_of(code, step), f"{step}: {code}{shown}")
