"""Headers of a mail as RFC 5322 and RFC 2047 want them: lines of at most 76, encoded words of at most 75.

Plain where it can be, so that rules and programs find what they look for.
"""

from __future__ import annotations

import base64
from email.utils import formataddr
from functools import lru_cache

from bridge.core.network.mailboxes import Mailbox
from bridge.rendering.text import one_line

MAX_LINE = 76
MAX_WORD = 75
_FOLD = "\r\n "


def words(field: str, text: str) -> str:
    """Encoded when it is not ASCII, looks like an encoded word itself, or has a word that fills a line."""
    plain = text.isascii() and "=?" not in text
    if plain and max(map(len, text.split(" ")), default=0) < MAX_LINE - len(field) - 2:
        return folded(field, text)
    return _encoded(field, text)


@lru_cache(maxsize=1024)
def mailbox(field: str, box: Mailbox) -> str:
    """SMTPUTF8 (RFC 6532) for an address that is not ASCII before its @: such a header cannot be encoded."""
    name, address = one_line(box.name), f"<{box.address}>"
    if not name:
        return _octets(box.address)
    shown = formataddr((name, "x@x")).removesuffix(" <x@x>") if name.isascii() else ""
    if not shown or "=?" in name or len(field) + 2 + len(shown) > MAX_LINE:
        shown = _encoded(field, name)
    last = shown.rpartition("\r\n")[2] if "\r\n" in shown else f"{field}: {shown}"
    together = len(last) + 1 + len(address.encode()) <= MAX_LINE
    return _octets(f"{shown}{' ' if together else _FOLD}{address}")


def folded(field: str, value: str) -> str:
    """At its blanks, once more than a line; what is folded already, or has no blanks, stays as it is."""
    if len(field) + 2 + len(value) <= MAX_LINE or "\r\n" in value:
        return value
    lines, room = [""], MAX_LINE - len(field) - 2
    for word in value.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = MAX_LINE - 1
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return _FOLD.join(lines)


def _encoded(field: str, text: str) -> str:
    """Each word holds whole characters, and none is longer than it may be; the standard library's are by one or two."""
    pieces, room = [b""], _room(MAX_LINE - len(field) - 2)
    for letter in map(str.encode, text):
        if len(pieces[-1]) + len(letter) > room:
            pieces.append(b"")
            room = _room(MAX_WORD)
        pieces[-1] += letter
    return _FOLD.join(f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in pieces)


def _room(characters: int) -> int:
    """Octets that fit into an encoded word of so many characters."""
    return (min(characters, MAX_WORD) - len("=?utf-8?b??=")) // 4 * 3


def _octets(header: str) -> str:
    """For the mail's writer, which takes surrogates for octets."""
    return header if header.isascii() else header.encode().decode("ascii", "surrogateescape")
