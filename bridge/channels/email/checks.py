"""What is wrong or odd about email channels in routes.yaml: logins, encryption, recipients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import channels_of, faulty_below, sequence
from bridge.config.document import Document
from bridge.config.faults import Fault, Path
from bridge.config.values import is_loopback, parse_host_port
from bridge.core.network.mailboxes import Mailbox, parse_mailbox

#: RFC 2606: reserved names
_NOBODY = ("example", "example.com", "example.net", "example.org", "invalid", "test")


def faults(document: Document) -> None:
    for path, _, email in channels_of(document, "email"):
        has_password = "password" in email
        if email.get("username") and not has_password and not faulty_below(document, path, "password"):
            document.fault((*path, "username"), "a username needs a password or password_file")
        if has_password and not email.get("username"):
            document.fault((*path, "password"), "a password needs a username")
        host = _host(email.get("smarthost"))
        trusted = str(email.get("allow_plaintext", False)).lower() == "true"
        if email.get("tls") == "none" and not trusted and host and not is_loopback(host):
            hint = "use starttls or implicit, or set allow_plaintext: true if the network is trusted"
            document.fault((*path, "tls"), f"mail to {host} would travel unencrypted", hint)


def warnings(document: Document) -> Iterator[Fault]:
    for path, _, channel in channels_of(document, "email"):
        seen: dict[str, int] = {}
        for index, box in enumerate(map(_mailbox, sequence(channel.get("to")))):
            here = (*path, "to", index)
            first = seen.setdefault(box.address.lower(), index) if box else index
            if first != index:
                yield document.place(here, f"the same address as to[{first}]: it gets every mail twice", "keep one")
            yield from _letters(document, here, box)
        yield from _letters(document, (*path, "from"), _mailbox(channel.get("from")))


def advise(notes: Notes) -> None:
    for path, _, channel in channels_of(notes.document, "email"):
        first: dict[str, Path] = {}
        for here, text in texts((*path, "to"), channel.get("to")):
            box = _mailbox(text)
            address = box.address if box else text
            if first.setdefault(address.casefold(), here) != here:
                notes.warn(here, f"{address} is there already", "one mail is enough: remove one of the two")
            elif _leads_nowhere(address.casefold()) and _is_real(channel.get("smarthost")):
                notes.warn(here, f"mail to {address} reaches no one", "write the team's own address")


def _letters(document: Document, path: Path, box: Mailbox | None) -> Iterator[Fault]:
    if box is not None and not box.local.isascii():
        message = "has letters beyond ASCII before the @: only mail servers with SMTPUTF8 take it, all the way"
        yield document.place(path, message, "write an address without them, if there is one")


def _mailbox(text: object) -> Mailbox | None:
    try:
        return parse_mailbox(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _host(smarthost: object) -> str | None:
    try:
        return parse_host_port(str(smarthost)).host
    except ValueError:
        return None


def _leads_nowhere(address: str) -> bool:
    host = address.rpartition("@")[2]
    return any(host == name or host.endswith(f".{name}") for name in _NOBODY)


def _is_real(smarthost: Any) -> bool:
    """A stand-in for tests runs on this machine, or has such a name itself."""
    host = _host(smarthost)
    return host is not None and not is_loopback(host) and not _leads_nowhere(host)
