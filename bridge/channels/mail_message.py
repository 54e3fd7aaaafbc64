"""One incident as one mail to one recipient: built to the same bytes every time.

The Message-ID and the Date depend on nothing but the revision, so that servers that look know a second copy as
one. Headers: RFC 3834 (Auto-Submitted), RFC 5322 3.6.4 (References). Header names are fixed here, and no text
reaches a header with a control character in it.
"""

from __future__ import annotations

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import idna

from bridge.core.ports import Message
from bridge.rendering.text import clean, cut, one_line

# 7bit: not every server on the way takes 8BITMIME
POLICY = SMTP.clone(cte_type="7bit")
MAX_SUBJECT = 200
MAX_HEADER = 200


def mail_bytes(message: Message, recipient: str, sender: str, domain: str, *, shrink: bool) -> bytes:
    to = ascii_domain(parseaddr(recipient)[1] or recipient)
    from_name, from_address = parseaddr(sender)
    from_address = ascii_domain(from_address or sender)
    mail = EmailMessage(policy=POLICY.clone(utf8=not (to + from_address).isascii()))
    # constant over the incident's life: Gmail starts a new thread when the subject changes
    mail["Subject"] = cut(f"[alert] {one_line(message.title)}", MAX_SUBJECT)
    mail["From"] = _address(from_address, one_line(from_name))
    mail["To"] = _address(to, "")
    mail["Date"] = format_datetime(message.updated_at)
    _name(mail, message, to, ascii_host(domain))
    _mark(mail, message)
    _fill(mail, message, shrink=shrink)
    return mail.as_bytes()


def _name(mail: EmailMessage, message: Message, to: str, domain: str) -> None:
    uid = _token(message.uid)
    who = hashlib.sha256(to.encode()).hexdigest()[:8]
    root = f"<{uid}@{domain}>"  # no mail bears it: every one is an answer to it
    mail["Message-ID"] = f"<{uid}.{message.revision}.{who}@{domain}>"
    mail["In-Reply-To"] = root
    mail["References"] = root


def _mark(mail: EmailMessage, message: Message) -> None:
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange
    if message.firing and message.severity == "critical":
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail["X-Alert-Status"] = "firing" if message.firing else "resolved"
    mail["X-Alert-Severity"] = _ascii(message.severity)
    mail["X-Alert-Incident"] = str(message.number)
    mail["X-Alert-Revision"] = str(message.revision)
    if name := _ascii(message.alertname):
        mail["X-Alert-Name"] = name


def _fill(mail: EmailMessage, message: Message, *, shrink: bool) -> None:
    text = clean(message.summary if shrink else message.text or message.summary).strip() or "Alert"
    mail.set_content(text + "\n", cte="quoted-printable")
    if message.html and not shrink:
        mail.add_alternative(clean(message.html), subtype="html", cte="quoted-printable")
        # the stdlib would draw a random one
        mail.set_boundary("=_" + hashlib.sha256(str(mail["Message-ID"]).encode()).hexdigest()[:32])


def ascii_domain(address: str) -> str:
    """An address with the domain as DNS knows it; the part before the @ stays as it is."""
    address = one_line(address)
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{ascii_host(domain)}" if at else address


def ascii_host(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.encode("idna").decode()


def _address(address: str, name: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def _ascii(text: str) -> str:
    return cut(one_line(text), MAX_HEADER).encode("ascii", "replace").decode()


def _token(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and (letter.isalnum() or letter in "-_"))
