"""One incident as one mail to one recipient: built to the same bytes every time.

The Message-ID and the Date depend on nothing but the revision, so that servers that look know a second copy as
one. The subject is the same for all mails of an incident to a recipient. Headers: RFC 3834 (Auto-Submitted), RFC 5322
3.6.4 (References). Header names are fixed here, and no text reaches a header with a control character in it. How they
are written: mail_headers.py.
"""

from __future__ import annotations

import binascii
import hashlib
from email.message import Message as Part
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.parser import HeaderParser
from email.policy import default
from email.utils import format_datetime
from html import escape

from bridge.channels.email.headers import folded, mailbox, words
from bridge.core.network.hosts import ascii_host
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.ports import Illustration, Message
from bridge.rendering.text import clean, cut, one_line

PICTURES_HERE = "<!-- pictures -->"
MAX_SUBJECT = 200
MAX_HEADER = 200


def subject_of(message: Message) -> str:
    """Of the first mail about an incident, which all that follow keep: `[#42 critical] HighLatency (ml/api)`."""
    parts = [f"#{message.number}"] if message.number else []  # a preview has none
    parts += [one_line(message.severity)] if message.severity != "none" else []
    return cut(f"[{' '.join(parts) or 'alert'}] {one_line(message.title)}", MAX_SUBJECT)


def subject_in(mail: bytes) -> str:
    """The subject of a mail that mail_bytes made; empty without one."""
    head, _, _ = mail.partition(b"\r\n\r\n")
    return str(HeaderParser(policy=default).parsestr(head.decode("ascii", "replace"))["Subject"] or "")


def mail_bytes(
    message: Message, recipient: str, sender: str, domain: str, *, shrink: bool, subject: str | None = None
) -> bytes:
    """subject: that of the mails before; None for the first one. Raises ValueError for an address that is none."""
    to = parse_mailbox(recipient)
    identity = _identity(message, to.address, ascii_host(domain))
    mail = _bodies(message, identity, shrink=shrink)
    mail["Subject"] = words("Subject", subject or subject_of(message))
    mail["From"] = mailbox("From", parse_mailbox(sender))
    mail["To"] = mailbox("To", to)
    mail["Date"] = format_datetime(message.updated_at)
    mail["Message-ID"] = identity
    _thread(mail, message, ascii_host(domain))
    _mark(mail, message)
    return _written(mail)


def _written(part: Part) -> bytes:
    """As the standard library would: it looks at every line, and that is half of a mail's cost. Ours need nothing:
    headers are encoded when they are set, bodies quoted-printable or base64."""
    head = "".join(f"{name}: {folded(name, value)}\r\n" for name, value in part.raw_items())
    return f"{head}\r\n".encode("ascii", "surrogateescape") + _content(part)


def _content(part: Part) -> bytes:
    inner = part.get_payload()
    if not isinstance(inner, list):
        return str(inner).replace("\n", "\r\n").encode("ascii")
    mark = f"--{part.get_boundary()}".encode()
    parts = [_written(each) for each in inner if isinstance(each, Part)]
    return b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts) + mark + b"--\r\n"


def _identity(message: Message, to: str, domain: str) -> str:
    who = hashlib.sha256(to.encode()).hexdigest()[:8]
    return f"<{_token(message.uid)}.{message.revision}.{who}@{domain}>"


def _thread(mail: Part, message: Message, domain: str) -> None:
    root = f"<{_token(message.uid)}@{domain}>"  # no mail has this id: each is a reply to it
    mail["In-Reply-To"] = root
    mail["References"] = root


def _mark(mail: Part, message: Message) -> None:
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange
    if message.firing and message.severity == "critical":
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail["X-Alert-Status"] = "firing" if message.firing else "resolved"
    mail["X-Alert-Severity"] = words("X-Alert-Severity", _ascii(message.severity))
    mail["X-Alert-Incident"] = str(message.number)
    mail["X-Alert-Revision"] = str(message.revision)
    if name := _ascii(message.alertname):
        mail["X-Alert-Name"] = words("X-Alert-Name", name)


def _bodies(message: Message, identity: str, *, shrink: bool) -> Part:
    text = clean(message.summary if shrink else message.text or message.summary).strip() or "Alert"
    plain = _body("plain", text + "\n")
    if shrink or not message.html:
        return plain
    # the stdlib would draw a random one
    both = MIMEMultipart("alternative", "=_" + hashlib.sha256(identity.encode()).hexdigest()[:32])
    both.attach(plain)
    both.attach(_illustrated(message, identity) if message.pictures else _body("html", clean(message.html)))
    return both


def _illustrated(message: Message, identity: str) -> Part:
    """The HTML with its pictures beside it (RFC 2387), referred to by Content-ID (RFC 2392)."""
    digest = hashlib.sha256(f"pictures {identity}".encode()).hexdigest()[:32]
    related = MIMEMultipart("related", f"=_{digest}")
    names = [f"{index}.{digest}@pictures" for index in range(len(message.pictures))]
    shown = "".join(_figure(name, picture) for name, picture in zip(names, message.pictures, strict=True))
    html = clean(message.html)
    head, marker, tail = html.partition(PICTURES_HERE)
    if not marker:  # an operator's template that does not say where
        head, marker, tail = html.rpartition("</body>")
    related.attach(_body("html", f"{head or html}{shown}{marker}{tail if head else ''}"))
    for name, picture in zip(names, message.pictures, strict=True):
        image = MIMEImage(picture.png, "png")
        image["Content-ID"] = f"<{name}>"
        image["Content-Disposition"] = "inline"
        related.attach(image)
    return related


def _figure(name: str, picture: Illustration) -> str:
    style = "display:block;width:100%;max-width:640px;height:auto;border:0;margin:8px 0;"
    return f'<img class="chart" src="cid:{name}" alt="{escape(clean(picture.alt), quote=True)}" style="{style}">'


def _body(subtype: str, text: str) -> Part:
    """Quoted-printable: not every server on the way takes 8BITMIME, and lines may be longer than SMTP allows."""
    part = MIMENonMultipart("text", subtype, charset="utf-8")
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(text.encode()).decode("ascii"))
    return part


def _ascii(text: str) -> str:
    return cut(one_line(text), MAX_HEADER).encode("ascii", "replace").decode()


def _token(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and (letter.isalnum() or letter in "-_"))
