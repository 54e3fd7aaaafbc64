"""Warnings about the addresses that are called: too much or too little in them, proxies, authorities.

Invariant: as in checks.py, data may have any shape; the value of a variable is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bridge.config.checks import mapping, sequence
from bridge.config.document import Document
from bridge.config.faults import Fault, Path
from bridge.core.network.proxies import unusable_proxies


@dataclass(frozen=True, slots=True)
class Misfit:
    """What surprises in an address, and the address that was meant."""

    message: str
    right: str


_PROMETHEUS_PATH = re.compile(r"(?P<base>.*?)(?P<rest>/api/v1(/.*)?|/(graph|metrics)/*)")
_ALERTMANAGER_PATH = re.compile(r"(?P<base>.*?)(?P<rest>/api/v[12](/.*)?|/-/.*)")
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PING_END = re.compile(r".*/(?P<end>fail|start|log)/*")


def find_vendor_warnings(document: Document, environ: Mapping[str, str]) -> Iterator[Fault]:
    data = mapping(document.data)
    yield from _addresses(document, data)
    yield from _pings(document, data)
    for text in unusable_proxies(environ):
        message, _, hint = text.partition("; ")
        yield Fault(1, "", message, hint)
    for name in _AUTHORITIES:
        if environ.get(name) and not FilePath(environ[name]).exists():
            message = f"{name} names a file or folder of certificates that is not there"
            yield Fault(1, "", message, "until it is, only the authorities of the system are believed")


def _addresses(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    for path, url, look in _places(data):
        yield from address_warnings(document, path, url, look)


def address_warnings(
    document: Document, path: Path, url: object, look: Callable[[SplitResult], Misfit | None]
) -> Iterator[Fault]:
    """What surprises in the URL at this path, if it is one, by what its vendor takes."""
    parts = _parts(url)
    misfit = look(parts) or _more_than_a_path(parts) if parts else None
    if misfit is not None:
        hint = "correct the variable" if path in document.raw else f"write {misfit.right}"
        yield document.place(path, misfit.message, hint)


def _places(data: dict[str, Any]) -> Iterator[tuple[Path, Any, Callable[[SplitResult], Misfit | None]]]:
    for index, source in enumerate(map(mapping, sequence(data.get("sources")))):
        if source.get("type", "alertmanager") == "alertmanager":
            yield ("sources", index, "url"), source.get("url"), _alertmanager
            for number, url in enumerate(sequence(source.get("urls"))):
                yield ("sources", index, "urls", number), url, _alertmanager
    server = mapping(mapping(data.get("context")).get("prometheus"))
    yield ("context", "prometheus", "url"), server.get("url"), _prometheus


def _parts(url: object) -> SplitResult | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts if parts and parts.hostname else None
    except ValueError:
        return None


def at_path(parts: SplitResult, path: str) -> str:
    return f"{parts.scheme}://{parts.netloc}{path}"


def _more_than_a_path(parts: SplitResult) -> Misfit | None:
    if not parts.query and not parts.fragment:
        return None
    sign = "?" if parts.query else "#"
    return Misfit(f"has a {sign} in it, after which the bridge's own path would be lost", at_path(parts, parts.path))


def _prometheus(parts: SplitResult) -> Misfit | None:
    found = _PROMETHEUS_PATH.fullmatch(parts.path)
    message = "ends in {}, and the bridge adds /api/v1/query itself"
    return Misfit(message.format(found["rest"]), at_path(parts, found["base"])) if found else None


def _alertmanager(parts: SplitResult) -> Misfit | None:
    found = _ALERTMANAGER_PATH.fullmatch(parts.path)
    message = "ends in {}, and the bridge adds /api/v2 itself"
    return Misfit(message.format(found["rest"]), at_path(parts, found["base"])) if found else None


def _pings(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    """The address itself is a secret."""
    url = mapping(data.get("ping")).get("url")
    found = _PING_END.fullmatch(url.partition("?")[0]) if isinstance(url, str) else None
    if found is not None:
        message = f"ends in /{found['end']}, which does not mean that all is well"
        yield document.place(("ping", "url"), message, "leave that out; the bridge adds /fail itself (tell_failures)")
