"""Which proxy from the environment a URL uses; one rule for every vendor.

As curl and Python's own libraries read it (https://curl.se/docs/manpage.html, "ENVIRONMENT"): HTTPS_PROXY is for https,
HTTP_PROXY for http, ALL_PROXY for schemes without their own; lower-case names win. NO_PROXY lists, separated by commas
or blanks, what is connected directly: `*`, a host with its subdomains (with or without a leading dot or `*.`), an
address, or a network (`10.0.0.0/8`); each but a network may have a port.

Invariant: a user, a password, or the value of a variable is never in an error or a repr.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.core.network.hosts import ascii_host

NAMES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
_PORTS = {"http": 80, "https": 443}
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>\d{1,5})")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnusableProxy(ValueError):
    """A proxy of the environment cannot be used; the text names the variable, never its value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    url: str  #: without user and password
    authorization: str = field(default="", repr=False)  #: the value of Proxy-Authorization; empty: none


def proxies_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that proxy_for reads, read once: in os.environ each look-up is slow. Empty: no proxy."""
    named = {name: environ.get(name, environ.get(name.upper(), "")) for name in NAMES}
    return named if any(named[name] for name in NAMES[:3]) else {}


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """None: connect directly. Raises UnusableProxy."""
    named = tuple(environ.get(name, environ.get(name.upper(), "")) for name in NAMES)
    if not any(named[:3]):
        return None
    parts = urlsplit(url)
    return _proxy_for(parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), named)


def unusable_proxies(environ: Mapping[str, str]) -> list[str]:
    """The errors in the environment's proxies."""
    found = []
    for name in NAMES[:3]:
        try:
            _proxy(name.upper(), environ.get(name, environ.get(name.upper(), "")).strip())
        except UnusableProxy as fault:
            found.append(str(fault))
    return found


@lru_cache(maxsize=256)
def _proxy_for(scheme: str, host: str, port: int, named: tuple[str, ...]) -> Proxy | None:
    https, http, every, direct = (value.strip() for value in named)
    name, own = ("HTTPS_PROXY", https) if scheme == "https" else ("HTTP_PROXY", http)
    if is_direct(host, port, direct):
        return None
    return _proxy(name, own) if own else _proxy("ALL_PROXY", every)


def is_direct(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host."""
    host = _plain(host)
    address = _address(host)
    return any(_names(entry, host, address, port) for entry in no_proxy.replace(",", " ").split())


def _names(entry: str, host: str, address: Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _holds(entry, address)
    with_port = _PORT.fullmatch(entry)
    if with_port is not None and int(with_port["port"]) != port:
        return False
    name = _plain((with_port["host"] if with_port else entry).removeprefix("*").lstrip("."))
    if address is not None:
        return _address(name) == address
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _holds(network: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _plain(host: str) -> str:
    """In lower case and DNS form, without brackets and the root's dot."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return ascii_host(host)
    except ValueError:
        return host


def _proxy(name: str, value: str) -> Proxy | None:
    """name: of the variable, for a fault."""
    if not value:
        return None
    parts = _parts(name, value if "://" in value else f"http://{value}")
    if parts.scheme not in _PORTS:
        scheme = parts.scheme if re.fullmatch(r"[a-z0-9+.-]{1,20}", parts.scheme) else "another kind of"
        raise UnusableProxy(f"{name} names a {scheme} proxy; the bridge can use http:// and https:// proxies only")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return Proxy(f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else ""), _authorization(parts))


def _parts(name: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        if parts.hostname and (parts.port is None or parts.port > 0):
            return parts
    except ValueError:
        pass
    raise UnusableProxy(
        f"{name} is not a proxy address; write http://host:port (in a password, / # ? and @ as %2F %23 %3F and %40)"
    ) from None


def _authorization(parts: SplitResult) -> str:
    """RFC 7617, in UTF-8."""
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode('utf-8', 'surrogateescape')).decode()}"
