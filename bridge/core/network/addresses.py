"""Listen addresses, and what counts as loopback. Pure: no name is looked up.

Invariant: an address that other machines may reach is never treated as loopback.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

EVERY_HOST = "0.0.0.0"
EXAMPLE = "127.0.0.1:9119"
_WRITTEN = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]+)", re.ASCII)
_NO_HOST = re.compile(r"[\s/@\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; `host` is a name or an IP address, without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return is_loopback(self.host)


def parse_listen(text: str) -> Address:
    """HOST:PORT, [IPV6]:PORT, or :PORT for every IPv4 address. Raises ValueError with what to write instead."""
    text = text.strip()
    found = _WRITTEN.fullmatch(text)
    refused = f"{text[:100]!r} is not an address to listen on"
    if found is None or _NO_HOST.search(found["host"] or ""):
        raise ValueError(f"{refused}: {_advice(text)}")
    port = int(found["port"]) if len(found["port"]) <= 5 else 0
    if not 0 < port < 65536:
        raise ValueError(f"{refused}: a port is a number from 1 to 65535, as in {EXAMPLE}")
    if found["six"] is not None and _ip(found["six"]) is None:
        raise ValueError(f"{refused}: between brackets is an IPv6 address, as in [::1]:9119")
    host = found["six"] if found["six"] is not None else found["host"]
    return Address(EVERY_HOST if host in ("", "*") else host, port)


def is_loopback(host: str) -> bool:
    """For a host with or without brackets; a name counts if RFC 6761 reserves it for loopback."""
    bare = host.strip("[]").casefold().removesuffix(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    address = _ip(bare)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and bool((mapped or address).is_loopback)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _advice(text: str) -> str:
    if "://" in text:
        return f"leave {text.partition('://')[0]}:// out, and write HOST:PORT, as in {EXAMPLE}"
    if text.startswith(("/", ".", "unix:")):
        return f"the bridge listens on TCP, so write HOST:PORT, as in {EXAMPLE}"
    if text.isascii() and text.isdigit():
        return f"the host is missing; write 127.0.0.1:{text} for this machine only, or :{text} for every address"
    if text.count(":") > 1 and "[" not in text:
        return "write an IPv6 address in brackets before its port, as in [::1]:9119"
    return f"write HOST:PORT, as in {EXAMPLE}"
