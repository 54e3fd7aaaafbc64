"""The mail server's state: one record a Message-ID, with how often each recipient got a copy.

A mail is parsed only when it is viewed, so that a storm of mail stays cheap.
"""

import base64
import re
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import cast

from dev.sandbox.wire import Json, now_text

MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)
GMAIL_CLIPS_AT_BYTES = 102 * 1024
EXPECTED_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted")


@dataclass
class Mail:
    number: int
    mail_from: str
    raw: bytes
    received_at: str = field(default_factory=now_text)
    received_by: Counter[str] = field(default_factory=Counter)
    altered_copies: int = 0  # copies under the same Message-ID whose bytes differ

    @property
    def recipients(self) -> list[str]:
        return list(self.received_by)

    @property
    def copies(self) -> int:
        """How often the recipient who got most of them got this mail; 1 is right."""
        return max(self.received_by.values(), default=0)

    @cached_property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)

    def header(self, name: str) -> str:
        return str(self.parsed.get(name, ""))

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.parsed.items()]

    @cached_property
    def text(self) -> str:
        return self._body("plain")

    @cached_property
    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.parsed.get_body((kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, UnicodeError):
            return str(part.get_payload())

    @property
    def attachments(self) -> list[str]:
        return [part.get_filename() or part.get_content_type() for part in self.parsed.iter_attachments()]

    def html_with_inline_images(self) -> str:
        """cid: addresses become data: addresses, since the page's frame may load nothing."""
        html = self.html
        for part in self.parsed.walk():
            cid = str(part.get("Content-ID", "")).strip("<> ")
            if cid and part.get_content_maintype() == "image":
                data = base64.b64encode(cast(bytes, part.get_payload(decode=True))).decode()
                html = html.replace(f"cid:{cid}", f"data:{part.get_content_type()};base64,{data}")
        return html

    @property
    def remarks(self) -> list[str]:
        """What a careful receiver would hold against this mail."""
        found = [f"no {name} header" for name in EXPECTED_HEADERS if not self.parsed.get(name)]
        if self.html and not self.text:
            found.append("no text part beside the HTML")
        if len(self.html.encode("utf-8", "replace")) > GMAIL_CLIPS_AT_BYTES:
            found.append("Gmail clips HTML above 102 KB")
        if any(len(line) > 998 for line in self.raw.split(b"\r\n")):
            found.append("a line is longer than 998 bytes")
        return found

    def snapshot(self) -> Json:
        return {
            "number": self.number,
            "received_at": self.received_at,
            "mail_from": self.mail_from,
            "recipients": self.recipients,
            "received_by": dict(self.received_by),
            "copies": self.copies,
            "altered_copies": self.altered_copies,
            "subject": self.header("Subject"),
            "message_id": self.header("Message-ID"),
            "date": self.header("Date"),
            "in_reply_to": self.header("In-Reply-To"),
            "references": self.header("References"),
            "headers": [list(pair) for pair in self.headers],
            "text": self.text,
            "html": self.html,
            "attachments": self.attachments,
            "remarks": self.remarks,
            "bytes": len(self.raw),
        }


class Mailbox:
    def __init__(self, history: int) -> None:
        self._history = history
        self.reset()

    def reset(self) -> None:
        self.mails: OrderedDict[int, Mail] = OrderedDict()
        self.refused: deque[Json] = deque(maxlen=self._history)
        self.received = 0  # every copy counts
        self._by_message_id: dict[bytes, Mail] = {}
        self._numbered = 0

    def deliver(self, mail_from: str, recipients: list[str], raw: bytes) -> Mail:
        mail = self._known(raw) or self._added(mail_from, raw)
        mail.altered_copies += mail.raw != raw
        mail.received_by.update(recipients)
        self.received += len(recipients)
        return mail

    def refuse(self, at: str, reply: str, **details: object) -> None:
        self.refused.append({"received_at": now_text(), "at": at, "reply": reply, **details})

    def _known(self, raw: bytes) -> Mail | None:
        message_id = _message_id(raw)
        return self._by_message_id.get(message_id) if message_id else None

    def _added(self, mail_from: str, raw: bytes) -> Mail:
        self._numbered += 1
        mail = self.mails[self._numbered] = Mail(self._numbered, mail_from, raw)
        if message_id := _message_id(raw):
            self._by_message_id[message_id] = mail
        if len(self.mails) > self._history:
            _, oldest = self.mails.popitem(last=False)
            self._by_message_id.pop(_message_id(oldest.raw) or b"", None)
        return mail

    def counts(self) -> Json:
        return {"mails": len(self.mails), "received": self.received, "refused": len(self.refused)}

    def snapshot(self) -> list[Json]:
        return [mail.snapshot() for mail in self.mails.values()]


def _message_id(raw: bytes) -> bytes | None:
    found = MESSAGE_ID.search(raw.partition(b"\r\n\r\n")[0])
    return found.group(1) if found else None
