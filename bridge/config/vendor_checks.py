"""Warnings about where messages go: addresses of vendors with too much or too little in them, mail addresses, proxies.

Invariant: as in checks.py, data of any shape is borne; what a variable held is not shown.
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
from bridge.core.network.mailboxes import Mailbox, parse_mailbox
from bridge.core.network.proxies import unusable_proxies


@dataclass(frozen=True, slots=True)
class _Misfit:
    """What surprises in an address, and the address that was meant."""

    message: str
    right: str


_PAGERDUTY_PATH = re.compile(r"/v2(/change)?(/enqueue)?/*|/generic/.*")
_SLACK_METHOD = re.compile(r"(?P<base>.*?)/(?P<method>[a-z]+(\.[A-Za-z]+)+)/*")
_PROMETHEUS_PATH = re.compile(r"(?P<base>.*?)(?P<rest>/api/v1(/.*)?|/(graph|metrics)/*)")
_ALERTMANAGER_PATH = re.compile(r"(?P<base>.*?)(?P<rest>/api/v[12](/.*)?|/-/.*)")
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PING_END = re.compile(r".*/(?P<end>fail|start|log)/*")


def find_vendor_warnings(document: Document, environ: Mapping[str, str]) -> Iterator[Fault]:
    data = mapping(document.data)
    yield from _addresses(document, data)
    yield from _pings(document, data)
    yield from _mailboxes(document, data)
    for told in unusable_proxies(environ):
        message, _, hint = told.partition("; ")
        yield Fault(1, "", message, hint)
    for name in _AUTHORITIES:
        if environ.get(name) and not FilePath(environ[name]).exists():
            message = f"{name} names a file or folder of certificates that is not there"
            yield Fault(1, "", message, "until it is, only the authorities of the system are believed")


def _addresses(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    for path, url, look in _places(data):
        parts = _parts(url)
        misfit = look(parts) or _more_than_a_path(parts) if parts else None
        if misfit is not None:
            hint = "correct the variable" if path in document.raw else f"write {misfit.right}"
            yield document.place(path, misfit.message, hint)


def _places(data: dict[str, Any]) -> Iterator[tuple[Path, Any, Callable[[SplitResult], _Misfit | None]]]:
    looks = {"pagerduty": _pagerduty, "slack": _slack}
    for name, channel in mapping(data.get("channels")).items():
        look = looks.get(str(mapping(channel).get("type")))
        if look is not None:
            yield ("channels", name, "base_url"), channel.get("base_url"), look
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


def _at(parts: SplitResult, path: str) -> str:
    return f"{parts.scheme}://{parts.netloc}{path}"


def _more_than_a_path(parts: SplitResult) -> _Misfit | None:
    if not parts.query and not parts.fragment:
        return None
    sign = "?" if parts.query else "#"
    return _Misfit(f"has a {sign} in it, after which the bridge's own path would be lost", _at(parts, parts.path))


def _pagerduty(parts: SplitResult) -> _Misfit | None:
    host = str(parts.hostname)
    if host.endswith("pagerduty.com") and not host.startswith("events."):
        right = f"https://events.{'eu.' if '.eu.' in host else ''}pagerduty.com"
        return _Misfit(f"{host} takes no events", right)
    found = _PAGERDUTY_PATH.fullmatch(parts.path) or re.fullmatch(r"(.*)/v2(/change)?/enqueue/*", parts.path)
    if found is None:
        return None
    base = parts.path.partition("/v2")[0] if "/v2" in parts.path else ""
    return _Misfit(f"ends in {parts.path[len(base) :]}, and the bridge adds /v2/enqueue itself", _at(parts, base))


def _slack(parts: SplitResult) -> _Misfit | None:
    host = str(parts.hostname)
    if host == "hooks.slack.com":
        message = "is an incoming webhook, which can neither edit a message nor reply in its thread"
        return _Misfit(message, "https://slack.com/api/, and a bot token (xoxb-...) as token")
    method = _SLACK_METHOD.fullmatch(parts.path)
    if method is not None:
        right = _at(parts, f"{method['base']}/")
        return _Misfit(f"ends in /{method['method']}, a method that the bridge adds itself", right)
    if host.endswith("slack.com") and parts.path in ("", "/"):
        return _Misfit("has no /api/ in it, where Slack's methods are", _at(parts, "/api/"))
    return None


def _prometheus(parts: SplitResult) -> _Misfit | None:
    found = _PROMETHEUS_PATH.fullmatch(parts.path)
    message = "ends in {}, and the bridge adds /api/v1/query itself"
    return _Misfit(message.format(found["rest"]), _at(parts, found["base"])) if found else None


def _alertmanager(parts: SplitResult) -> _Misfit | None:
    found = _ALERTMANAGER_PATH.fullmatch(parts.path)
    message = "ends in {}, and the bridge adds /api/v2 itself"
    return _Misfit(message.format(found["rest"]), _at(parts, found["base"])) if found else None


def _pings(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    """The address itself is a secret."""
    url = mapping(data.get("ping")).get("url")
    found = _PING_END.fullmatch(url.partition("?")[0]) if isinstance(url, str) else None
    if found is not None:
        message = f"ends in /{found['end']}, which does not mean that all is well"
        yield document.place(("ping", "url"), message, "leave that out; the bridge adds /fail itself (tell_failures)")


def _mailboxes(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    for name, channel in mapping(data.get("channels")).items():
        if mapping(channel).get("type") != "email":
            continue
        seen: dict[str, int] = {}
        for index, box in enumerate(map(_mailbox, sequence(channel.get("to")))):
            path: Path = ("channels", name, "to", index)
            first = seen.setdefault(box.address.lower(), index) if box else index
            if first != index:
                yield document.place(path, f"the same address as to[{first}]: it gets every mail twice", "keep one")
            yield from _letters(document, path, box)
        yield from _letters(document, ("channels", name, "from"), _mailbox(channel.get("from")))


def _letters(document: Document, path: Path, box: Mailbox | None) -> Iterator[Fault]:
    if box is not None and not box.local.isascii():
        message = "has letters beyond ASCII before the @: only mail servers with SMTPUTF8 take it, all the way"
        yield document.place(path, message, "write an address without them, if there is one")


def _mailbox(text: object) -> Mailbox | None:
    try:
        return parse_mailbox(text) if isinstance(text, str) else None
    except ValueError:
        return None
