"""One incident as one mail to one recipient: built to the same bytes every time.

The Message-ID and the Date depend on nothing but the revision, so that servers that look know a second copy as
one. The subject is the same for all mails of an incident to a recipient. Headers: RFC 3834 (Auto-Submitted), RFC 5322
3.6.4 (References). Header names are fixed here, and no text reaches a header with a control character in it. How they
are written: headers.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from email.policy import default
from email.utils import format_datetime
from html import escape

from bridge.channels.email.headers import folded, mailbox, words
from bridge.core.network.hosts import ascii_host
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.ports import Illustration, Message
from bridge.rendering.text import clean, cut, one_line

Header = tuple[str, str]
Part = tuple[list[Header], bytes]  #: as it is written
_MIME = ("MIME-Version", "1.0")
PICTURES_HERE = "<!-- pictures -->"
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")
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
    to, domain = parse_mailbox(recipient), ascii_host(domain)
    uid = _token(message.uid)
    identity = _identity(uid, message.revision, to.address, domain)
    root = f"<{uid}@{domain}>"  # no mail has this id: each is a reply to it
    body, content = _bodies(message, identity, shrink=shrink)
    headers = [
        *body,
        ("Subject", words("Subject", subject or subject_of(message))),
        ("From", mailbox("From", parse_mailbox(sender))),
        ("To", mailbox("To", to)),
        ("Date", format_datetime(message.updated_at)),
        ("Message-ID", identity),
        ("In-Reply-To", root),
        ("References", root),
        *_marks(message),
    ]
    return _written(headers, content)


def _written(headers: Iterable[Header], content: bytes) -> bytes:
    """The standard library looks at every line, and that is half of a mail's cost. Ours need nothing: values are
    encoded already, bodies quoted-printable or base64."""
    head = "".join(f"{name}: {folded(name, value)}\r\n" for name, value in headers)
    return f"{head}\r\n".encode("ascii", "surrogateescape") + content


def _multipart(subtype: str, boundary: str, *parts: Part) -> Part:
    """boundary: the standard library would draw a random one."""
    mark = f"--{boundary}".encode()
    content = b"".join(mark + b"\r\n" + _written(*part) + b"\r\n" for part in parts) + mark + b"--\r\n"
    return [("Content-Type", f'multipart/{subtype}; boundary="{boundary}"'), _MIME], content


def _identity(uid: str, revision: int, to: str, domain: str) -> str:
    who = hashlib.sha256(to.encode()).hexdigest()[:8]
    return f"<{uid}.{revision}.{who}@{domain}>"


def _marks(message: Message) -> Iterator[Header]:
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "All"  # Exchange
    if message.firing and message.severity == "critical":
        yield "Importance", "high"
        yield "X-Priority", "1"
    yield "X-Alert-Status", "firing" if message.firing else "resolved"
    yield "X-Alert-Severity", words("X-Alert-Severity", _ascii(message.severity))
    yield "X-Alert-Incident", str(message.number)
    yield "X-Alert-Revision", str(message.revision)
    if name := _ascii(message.alertname):
        yield "X-Alert-Name", words("X-Alert-Name", name)


def _bodies(message: Message, identity: str, *, shrink: bool) -> Part:
    text = clean(message.summary if shrink else message.text or message.summary).strip() or "Alert"
    plain = _body("plain", text + "\n")
    if shrink or not message.html:
        return plain
    html = _illustrated(message, identity) if message.pictures else _body("html", clean(message.html))
    return _multipart("alternative", "=_" + hashlib.sha256(identity.encode()).hexdigest()[:32], plain, html)


def _illustrated(message: Message, identity: str) -> Part:
    """The HTML with its pictures beside it (RFC 2387), referred to by Content-ID (RFC 2392)."""
    digest = hashlib.sha256(f"pictures {identity}".encode()).hexdigest()[:32]
    names = [f"{index}.{digest}@pictures" for index in range(len(message.pictures))]
    shown = "".join(_figure(name, picture) for name, picture in zip(names, message.pictures, strict=True))
    html = clean(message.html)
    head, marker, tail = html.partition(PICTURES_HERE)
    if not marker:  # an operator's template that does not say where
        head, marker, tail = html.rpartition("</body>")
    body = _body("html", f"{head or html}{shown}{marker}{tail if head else ''}")
    images = (_image(name, picture) for name, picture in zip(names, message.pictures, strict=True))
    return _multipart("related", f"=_{digest}", body, *images)


def _image(name: str, picture: Illustration) -> Part:
    headers = [
        ("Content-Type", "image/png"),
        _MIME,
        ("Content-Transfer-Encoding", "base64"),
        ("Content-ID", f"<{name}>"),
        ("Content-Disposition", "inline"),
    ]
    return headers, _lines(base64.encodebytes(picture.png))


def _figure(name: str, picture: Illustration) -> str:
    style = "display:block;width:100%;max-width:640px;height:auto;border:0;margin:8px 0;"
    return f'<img class="chart" src="cid:{name}" alt="{escape(clean(picture.alt), quote=True)}" style="{style}">'


def _body(subtype: str, text: str) -> Part:
    """Quoted-printable: not every server on the way takes 8BITMIME, and lines may be longer than SMTP allows."""
    headers = [
        ("Content-Type", f'text/{subtype}; charset="utf-8"'),
        _MIME,
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    return headers, _lines(binascii.b2a_qp(text.encode()))


def _lines(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


def _ascii(text: str) -> str:
    return cut(one_line(text), MAX_HEADER).encode("ascii", "replace").decode()


def _token(text: str) -> str:
    return _NOT_TOKEN.sub("", text)
