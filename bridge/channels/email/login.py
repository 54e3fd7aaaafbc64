"""Logging in to a mail server: PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195), in UTF-8, and what a refusal means.

smtplib encodes in ASCII, loses count with a server that ignores LOGIN's initial response, and takes 503 for a success.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import smtplib
from collections.abc import Callable

from bridge.core.errors import Reason, SendError
from bridge.rendering.text import one_line

TAKEN = 235  #: the only success there is, RFC 4954 section 4
CHALLENGE = 334
MAX_CHALLENGES = 5
_ENHANCED = re.compile(r"\d\.\d{1,3}\.\d{1,3}\b")


def logged_in(smtp: smtplib.SMTP, username: str, password: str, *, secured: bool) -> None:
    """Raises SendError unless the server says that the login is good. secured: over TLS."""
    smtp.ehlo_or_helo_if_needed()
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    known = {"PLAIN": _plain, "LOGIN": _login, "CRAM-MD5": _cram_md5}
    order = ("PLAIN", "LOGIN", "CRAM-MD5") if secured else ("CRAM-MD5", "PLAIN", "LOGIN")
    ways = [way for way in order if way in offered]
    if not ways:
        raise SendError(Reason.CREDENTIAL, _not_offered(offered, secured=secured))
    code, text = 0, b""
    for way in ways:
        try:
            code, text = known[way](smtp, username, password)
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            if not code:
                raise
            break  # it had refused one, and that was that
        except ValueError:  # a machine without MD5
            continue
        if code == TAKEN:
            return
        if not 500 <= code < 600:
            break
    raise _refused(code, text, ways)


def _plain(smtp: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    given = f"\0{username}\0{password}".encode()
    return _exchanged(smtp, f"AUTH PLAIN {_encoded(given)}", lambda challenge: given)


def _login(smtp: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    """No initial response: some servers ignore it. What they ask for decides, else whose turn it is."""
    turns = iter((username, password))

    def answer(challenge: bytes) -> bytes:
        turn, asked = next(turns, password), challenge.lower()
        if (b"user" in asked) is not (b"pass" in asked):
            turn = username if b"user" in asked else password
        return turn.encode()

    return _exchanged(smtp, "AUTH LOGIN", answer)


def _cram_md5(smtp: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    def answer(challenge: bytes) -> bytes:
        return f"{username} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode()

    return _exchanged(smtp, "AUTH CRAM-MD5", answer)


def _exchanged(smtp: smtplib.SMTP, command: str, answer: Callable[[bytes], bytes]) -> tuple[int, bytes]:
    code, text = smtp.docmd(command)
    for _ in range(MAX_CHALLENGES):
        if code != CHALLENGE:
            break
        code, text = smtp.docmd(_encoded(answer(_decoded(text))))
    return code, text


def _encoded(given: bytes) -> str:
    return base64.b64encode(given).decode()


def _decoded(challenge: bytes) -> bytes:
    try:
        return base64.b64decode(challenge, validate=True)
    except binascii.Error:  # plain words, as some send them
        return challenge


def _not_offered(offered: list[str], *, secured: bool) -> str:
    if offered:
        theirs = one_line(", ".join(offered))[:100]
        advice = "allow one of them there (an app password, or a relay), or write another smarthost"
        return f"the mail server takes no login but {theirs}, and the bridge knows PLAIN, LOGIN and CRAM-MD5: {advice}"
    hint = "" if secured else ", perhaps because it wants tls: starttls first"
    return f"the mail server offers no login{hint}; allow it there, or take username and password out"


def _refused(code: int, text: bytes, ways: list[str]) -> SendError:
    """Of the server's own words only the number: it could repeat what it was sent."""
    number = _ENHANCED.match(text.decode("latin-1"))
    prefix = f"login: {code}{f' {number[0]}' if number else ''}"
    if 500 <= code < 600:
        return SendError(
            Reason.CREDENTIAL, f"{prefix}: the mail server refuses this username and password ({', '.join(ways)})"
        )
    if 400 <= code < 500:
        return SendError(Reason.SERVER, f"{prefix}: the mail server cannot check a login now; it is tried again")
    return SendError(Reason.SERVER, "login: the mail server answers neither yes nor no")
