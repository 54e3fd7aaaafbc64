"""Where a request comes from: its client behind the proxies, the host it asked for, and whether it is local.

Invariant: only a trusted proxy's headers can add trust; any other client's can only make a request less local.
"""

from __future__ import annotations

import functools
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

LONGEST = 100  #: characters of an address with its zone
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Headers that proxies add by default. Another site's page can make a browser add them too, which only removes rights.
SIGNS = re.compile(
    r"forwarded|x-forwarded.*|x-real-ip|via|x-client-ip|x-cluster-client-ip|x-original-forwarded-for|true-client-ip"
    r"|cf-connecting-ip|fastly-client-ip|x-envoy-external-address",
    re.IGNORECASE,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]@/,]+)(?::\d{1,5})?")
_PORT = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of a request, as far as it is known."""

    address: str  #: of the client; of the connection, unless a trusted proxy names the client
    origin: str  #: the Origin of the bridge's own pages: scheme://host[:port]
    remote: str  #: why it is not treated as local; empty when it is

    @property
    def local(self) -> bool:
        return not self.remote


def caller_of(req: Request, settings: Settings) -> Caller:
    peer = address_of(req.remote_addr or "")
    headers, proxies = req.headers, settings.web.trusted_proxies
    trusted = peer is not None and _within(peer, proxies)
    hops = hops_of(headers, lambda text: is_proxy(text, proxies)) if trusted else Hops()
    client = address_of(hops.client)
    asked_for = hops.host or headers.get("Host", "")
    remote = _why_remote(req, peer, client if trusted else peer, trusted, own_hosts(settings), hops)
    address = client or peer
    return Caller(
        str(address) if address else req.remote_addr or "",
        f"{hops.scheme or req.scheme}://{asked_for}".lower(),
        remote,
    )


def from_another_site(req: Request, settings: Settings) -> bool:
    """Whether a browser sends it for another site's page, which must not use its user's rights."""
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
    """The address, IPv4-mapped IPv6 as IPv4, and without a zone."""
    return _address(text) if len(text) <= LONGEST else None


@functools.lru_cache(4096)  # every request asks for the same few
def _address(text: str) -> IpAddress | None:
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
    hops: Hops,
) -> str:
    if peer is None or not peer.is_loopback:
        return f"the connection comes from {req.remote_addr}"
    foreign = next((host for host in _hosts(req.headers, hops) if not _is_own(host, own)), None)
    if foreign is not None:
        return f"it asks for the host {foreign!r:.100}, which is neither this machine's nor external_url's"
    if not trusted:
        return _why_proxied(req)
    if client is None:
        return f"the trusted proxy at {peer} does not name one client: let it set X-Forwarded-For"
    real = address_of(req.headers.get("X-Real-IP", str(client)).strip())
    return "" if client.is_loopback and real is not None and real.is_loopback else f"the client is {client}"


def _why_proxied(req: Request) -> str:
    """Why a loopback connection that is not a trusted proxy's may come through a proxy."""
    sign = next((name for name, _ in req.headers if SIGNS.fullmatch(name)), None)
    if sign is not None:
        return f"the header {sign} says that a proxy forwards it, and the proxy is not in web.trusted_proxies"
    if req.environ.get("SERVER_PROTOCOL", "HTTP/1.1") == "HTTP/1.0":
        return "it is an HTTP/1.0 request, as sent by proxies that are not configured to name the client"
    return ""


def _hosts(headers: Headers, hops: Hops) -> Iterator[str]:
    """Every host that the request names. All must be the bridge's: a proxy may pass any of them on unchecked."""
    yield headers.get("Host", "")
    yield from hops.hosts


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
    """Without its scheme's default port."""
    origin = origin.strip().lower()
    return origin.removesuffix(_PORT.get(origin.partition("://")[0], ""))
