"""Parses mail addresses in routes.yaml, with or without a display name, for both check and use.

RFC 5322 section 3.4 requires quotes around a name with commas, brackets or dots. They may be omitted here: everything
before the last <...> is the name. So `Doe, John <j@example.org>` is one mailbox, never two.

Invariant: a text is a mailbox with exactly the address that a reader sees in it, or an error.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache

from bridge.core.network.hosts import ascii_host

MAX_LOCAL, MAX_DOMAIN = 64, 253  #: octets, RFC 5321 section 4.5.3.1
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTED = re.compile(r'"(?P<inside>(?:[^"\\]|\\.)*)"')
_ATOM = r"[^\s\"(),:;<>@\[\\\]\x00-\x1f\x7f.]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*|\"([^\"\\]|\\[\x20-\x7e])*\"")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LITERAL = re.compile(r"\[(?:IPv6:(?P<six>[0-9A-Fa-f:.]+)|(?P<four>[0-9.]+))\]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    name: str  #: the display name, without quotes; may be empty
    local: str  #: before the @, in NFC; not ASCII only where the server speaks SMTPUTF8
    domain: str  #: in DNS form

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"


@lru_cache(maxsize=1024)
def parse_mailbox(text: str) -> Mailbox:
    """Raises ValueError, whose text says what is wrong and, after "; ", what to write instead."""
    if _CONTROL.search(text):
        raise ValueError("a mail address must not contain line breaks or control characters")
    named = _NAMED.fullmatch(text.strip())
    if named is None:
        return _mailbox("", text, text.strip())
    name = _name(named["name"].strip())
    if "@" in name and re.search("[,;]", name) and not named["name"].strip().startswith('"'):
        raise ValueError(f"{_shown(text)} contains two mail addresses; write each as its own entry")
    return _mailbox(name, text, named["address"].strip())


def _mailbox(name: str, text: str, address: str) -> Mailbox:
    local, _, domain = address.rpartition("@")
    local = unicodedata.normalize("NFC", local)
    if not _LOCAL.fullmatch(local) or not local.isprintable() or len(local.encode()) > MAX_LOCAL:
        raise ValueError(_no_address(text))
    try:
        return Mailbox(name, local, _domain(domain))
    except ValueError:
        raise ValueError(_no_address(text)) from None


def _no_address(text: str) -> str:
    if text.count("@") > 1 and re.search("[,;]", text):
        return f"{_shown(text)} is not one mail address but perhaps two; write each as its own entry"
    return f"{_shown(text)} is not a mail address; write for example ml@example.org"


def _shown(text: str) -> str:
    """ "; " begins the advice."""
    return repr(text).replace("; ", ";")


def _domain(text: str) -> str:
    literal = _LITERAL.fullmatch(text)
    if literal is not None:
        ipaddress.IPv6Address(literal["six"]) if literal["six"] else ipaddress.IPv4Address(literal["four"])
        return text
    domain = ascii_host(text)
    if len(domain) > MAX_DOMAIN or not all(map(_LABEL.fullmatch, domain.split("."))):
        raise ValueError(text)
    return domain


def _name(text: str) -> str:
    """Without enclosing quotes, and with encoded words (RFC 2047) decoded."""
    quoted = _QUOTED.fullmatch(text)
    if not quoted and text.count('"') % 2:
        raise ValueError("a name in a mail address has an unmatched double quote")
    name = re.sub(r"\\(.)", r"\1", quoted["inside"]) if quoted else text
    if "=?" in name and not quoted:
        try:
            name = str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, ValueError):
            return name
    if _CONTROL.search(name):
        raise ValueError("a mail address must not contain line breaks or control characters")
    return name
