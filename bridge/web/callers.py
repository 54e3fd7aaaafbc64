"""Where a request comes from: its client behind the proxies, the address it asked for, and whether it is this machine.

Invariant: only a trusted proxy's headers add to what is known; anybody else's can only make a request less local.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request
from werkzeug.datastructures import Headers

from bridge.config.settings import Settings
from bridge.config.values import Network
from bridge.web.forwarded import Hops, hops_of

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
#: What proxies add of their own accord. A browser's page from elsewhere can add them too, which only takes rights away.
SIGNS = re.compile(
    r"forwarded|x-forwarded.*|x-real-ip|via|x-client-ip|x-cluster-client-ip|x-original-forwarded-for|true-client-ip"
    r"|cf-connecting-ip|fastly-client-ip|x-envoy-external-address",
    re.IGNORECASE,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]@/,]+)(?::\d{1,5})?")
_PORT = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it can be known."""

    address: str  #: of the client; of the connection, where no trusted proxy tells it
    origin: str  #: what a browser on our own page would send: scheme://host[:port]
    remote: str  #: why it is not taken for this machine, in words; empty when it is

    @property
    def local(self) -> bool:
        return not self.remote


def caller_of(req: Request, settings: Settings) -> Caller:
    peer = address_of(req.remote_addr or "")
    headers, proxies = req.headers, settings.web.trusted_proxies
    trusted = peer is not None and _within(peer, proxies)
    told = hops_of(headers, lambda text: is_proxy(text, proxies)) if trusted else Hops()
    client = address_of(told.client)
    asked_for = told.host or headers.get("Host", "")
    remote = _why_remote(req, peer, client if trusted else peer, trusted, own_hosts(settings), told)
    address = client or peer
    return Caller(
        str(address) if address else req.remote_addr or "",
        f"{told.scheme or req.scheme}://{asked_for}".lower(),
        remote,
    )


def from_another_site(req: Request, settings: Settings) -> bool:
    """A browser sends it for a page that is not ours, which must not use its reader's rights."""
    if req.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return True
    origin = req.headers.get("Origin")
    if origin is None:
        return False
    ours = {_plain(caller_of(req, settings).origin)}
    if settings.external_url:
        parts = urlsplit(settings.external_url)
        ours.add(_plain(f"{parts.scheme}://{parts.netloc}"))
    return _plain(origin) not in ours


def address_of(text: str) -> IpAddress | None:
    """An IPv4 address inside an IPv6 one is the IPv4 address; a zone is left out."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def own_hosts(settings: Settings) -> frozenset[str]:
    host = urlsplit(settings.external_url).hostname if settings.external_url else None
    return frozenset({"localhost", *([host.lower()] if host else [])})


def _why_remote(
    req: Request,
    peer: IpAddress | None,
    client: IpAddress | None,
    trusted: bool,
    own: frozenset[str],
    told: Hops,
) -> str:
    if peer is None or not peer.is_loopback:
        return f"the connection comes from {req.remote_addr}"
    foreign = next((host for host in _hosts(req.headers, told) if not _is_own(host, own)), None)
    if foreign is not None:
        return f"it asks for the host {foreign!r:.100}, which is neither this machine's nor that of external_url"
    if not trusted:
        return _why_proxied(req)
    if client is None:
        return f"the trusted proxy at {peer} does not say clearly for whom it asks: let it set X-Forwarded-For"
    real = address_of(req.headers.get("X-Real-IP", str(client)).strip())
    return "" if client.is_loopback and real is not None and real.is_loopback else f"the client is {client}"


def _why_proxied(req: Request) -> str:
    """From a loopback connection that is none of a trusted proxy's."""
    sign = next((name for name, _ in req.headers if SIGNS.fullmatch(name)), None)
    if sign is not None:
        return f"a proxy passes it on, as the header {sign} says; it is none of web.trusted_proxies"
    if req.environ.get("SERVER_PROTOCOL", "HTTP/1.1") == "HTTP/1.0":
        return "it is an HTTP/1.0 request, as proxies send them that have not been told to say for whom"
    return ""


def _hosts(headers: Headers, told: Hops) -> Iterator[str]:
    """Every host that the request names. All must be ours: a proxy may have left any of them as the client wrote it."""
    yield headers.get("Host", "")
    yield from told.hosts


def _is_own(host: str, own: frozenset[str]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").lower()
    address = address_of(name)
    return address.is_loopback if address is not None else name in own


def is_proxy(text: str, proxies: Sequence[Network]) -> bool:
    address = address_of(text)
    return address is not None and _within(address, proxies)


def _within(address: IpAddress, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _plain(origin: str) -> str:
    """Without the port that its scheme has anyway."""
    origin = origin.strip().lower()
    return origin.removesuffix(_PORT.get(origin.partition("://")[0], ""))
