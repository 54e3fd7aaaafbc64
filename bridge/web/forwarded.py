"""Parses Forwarded (RFC 7239) and X-Forwarded-For, -Host and -Proto. Pure.

Each proxy appends to the right, so the right end comes from the nearest one, and the left end may be the client's
invention. An entry is trusted if the entry to its right is a trusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from werkzeug.datastructures import Headers

MOST = 50  #: entries; no real chain is longer
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'\s*({_TOKEN})=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*([;,]|$)')
#: An address with or without its port: 192.0.2.1, 192.0.2.1:80, [2001:db8::1]:80, 2001:db8::1
_NODE = re.compile(r"\[([0-9A-Fa-f:.%\w]+)\](?::[\w.-]+)?|([0-9.]+)(?::\d{1,5})?|([0-9A-Fa-f:.]+)")

IsProxy = Callable[[str], bool]
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Hops:
    """What the trusted proxies of a request report."""

    client: str = ""  #: its address; empty when unknown, or when the headers contradict each other
    host: str = ""  #: the host that the client asked for, if a proxy reports it
    scheme: str = ""  #: http or https, if a proxy reports it
    hosts: tuple[str, ...] = ()  #: every host that any of these headers names


@dataclass(frozen=True, slots=True)
class _Reported:
    client: str | None  #: None if this kind of header names no client
    hosts: Sequence[str]
    schemes: Sequence[str]


def hops_of(headers: Headers, is_proxy: IsProxy) -> Hops:
    """For a connection of a trusted proxy. A proxy sets one kind of header and may pass the client's other kind on
    unchanged: if they name different clients, neither is trusted."""
    reported = [_x_forwarded(headers, is_proxy), _forwarded(headers, is_proxy)]
    clients = {each.client for each in reported if each.client is not None}
    hosts = [host for each in reported for host in each.hosts]
    schemes = [scheme for each in reported for scheme in each.schemes if scheme in ("http", "https")]
    return Hops(
        client="".join(clients) if len(clients) == 1 else "",
        host=hosts[0] if hosts else "",
        scheme=schemes[0] if schemes else "",
        hosts=tuple(hosts),
    )


def _x_forwarded(headers: Headers, is_proxy: IsProxy) -> _Reported:
    names = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
    addresses, hosts, schemes = (_listed(headers, name) for name in names)
    client, hops = _walk([_node(entry) for entry in addresses], is_proxy)
    named = client if "X-Forwarded-For" in headers else None
    return _Reported(named, _from_hop(hosts, hops), [scheme.lower() for scheme in _from_hop(schemes, hops)])


def _forwarded(headers: Headers, is_proxy: IsProxy) -> _Reported:
    if "Forwarded" not in headers:
        return _Reported(None, (), ())
    elements = _elements(",".join(headers.getlist("Forwarded")))
    if elements is None:
        return _Reported("", (), ())
    client, hops = _walk([_node(element.get("for", "")) for element in elements], is_proxy)
    trusted = _from_hop(elements, hops)
    hosts = [element["host"] for element in trusted if "host" in element]
    return _Reported(client, hosts, [element["proto"].lower() for element in trusted if "proto" in element])


def _walk(addresses: Sequence[str], is_proxy: IsProxy) -> tuple[str, int]:
    """The client, and the number of proxies before it: from the right, past every trusted proxy."""
    if not addresses or len(addresses) > MOST:
        return "", 1
    for hops, address in enumerate(reversed(addresses), start=1):
        if not address or not is_proxy(address):
            return address, hops
    return addresses[0], len(addresses)


def _from_hop(entries: Sequence[Entry], hops: int) -> Sequence[Entry]:
    """The trusted proxies' entries, the outermost first; a proxy that overwrites the header leaves only its own."""
    return entries[max(0, len(entries) - hops) :]


def _listed(headers: Headers, name: str) -> list[str]:
    return [entry.strip() for entry in ",".join(headers.getlist(name)).split(",") if entry.strip()]


def _node(text: str) -> str:
    """The address in it; empty for `unknown`, an obfuscated name, or an invalid one."""
    found = _NODE.fullmatch(text.strip().strip('"'))
    return next((group for group in found.groups() if group), "") if found else ""


def _elements(text: str) -> list[Mapping[str, str]] | None:
    """Each proxy's pairs; None when the header is invalid."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None or len(elements) > MOST:
            return None
        elements[-1][found[1].lower()] = _unquoted(found[2])
        if found[3] == ",":
            elements.append({})
        at = found.end()
    return list(elements)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
