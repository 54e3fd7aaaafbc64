"""What is wrong or odd about webhook channels in routes.yaml. Nothing of a secret's value is ever shown."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from bridge.config.advice.notes import Notes
from bridge.config.checks import channels_of, faulty_below, mapping
from bridge.config.document import Document
from bridge.config.faults import Fault
from bridge.config.values import is_loopback

SHORTEST_SECRET = 16  #: characters; a shorter one can be guessed from one signed request


def faults(document: Document) -> None:
    for path, _, channel in channels_of(document, "webhook"):
        if "basic_auth" in channel and ("token" in channel or "token_file" in channel):
            document.fault((*path, "basic_auth"), "there is a token too", "keep one of the two")
        if "previous_secret" in channel and "secret" not in channel and not faulty_below(document, path, "secret"):
            hint = "write the new one as secret: both sign until you remove previous_secret"
            document.fault((*path, "previous_secret"), "needs secret", hint)


def warnings(document: Document) -> Iterator[Fault]:
    for path, _, channel in channels_of(document, "webhook"):
        parts, own = _parts(channel.get("url")), _parts(mapping(document.data).get("external_url"))
        if parts is None:
            continue
        if parts.scheme == "http" and not is_loopback(str(parts.hostname)):
            message = f"what is posted to {parts.hostname} travels unencrypted: labels, annotations and any token"
            yield document.place((*path, "url"), message, "write https://")
        if own is not None and own.netloc == parts.netloc and parts.path.startswith(f"{own.path.rstrip('/')}/webhook/"):
            hint = "write the address of another receiver"
            yield document.place((*path, "url"), "posts the bridge's incidents to the bridge itself", hint)


def advise(notes: Notes) -> None:
    for path, name, channel in channels_of(notes.document, "webhook"):
        secret = channel.get("secret")
        if "secret" not in channel and not faulty_below(notes.document, path, "secret"):
            hint = "write secret: ${NAME_OF_A_VARIABLE} or secret_file: a/path, and verify it there"
            notes.warn(path, f"{name} signs nothing, so its receiver cannot tell the bridge from others", hint)
        elif isinstance(secret, str) and len(secret) < SHORTEST_SECRET:
            hint = "make one with: openssl rand -hex 32"
            notes.warn((*path, "secret"), f"is shorter than {SHORTEST_SECRET} characters", hint)


def _parts(url: object) -> SplitResult | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts if parts is not None and parts.hostname else None
    except ValueError:
        return None
