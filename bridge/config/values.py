"""The small languages inside routes.yaml: durations, sizes, rates, addresses. Plain text in, typed value out.

Invariant: a ValueError says what was seen and shows a right one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from bridge.core.network.addresses import is_loopback as is_loopback
from bridge.core.network.mailboxes import parse_mailbox

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[ywdhms])")
_SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_MENTION = re.compile(r"<(!here|!channel|!everyone|@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+)(\|[^<>|\n]*)?>")
_PASSWORD_HASH = re.compile(r"(scrypt|pbkdf2)(:[a-z0-9]+)*\$[^$\s]+\$[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in so long a time."""

    count: int
    per: timedelta

    @property
    def per_second(self) -> float:
        return self.count / self.per.total_seconds()

    def __str__(self) -> str:
        return f"{self.count}/{ {1: 's', 60: 'm', 3600: 'h'}[int(self.per.total_seconds())] }"


def parse_duration(text: object) -> timedelta:
    """As Prometheus writes them: 90d, 1h30m, 10m, 1.5s, 250ms."""
    text = str(text).strip()
    parts = _PART.findall(text)
    if text == "0":
        return timedelta(0)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 30:
        raise ValueError(f"{text!r} is no duration; write a number with a unit, such as 1.5s, 10m, 1h30m or 90d")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def format_duration(value: timedelta) -> str:
    """As parse_duration reads it, in as few units as it takes: 1.5s, 1h30m, 90d."""
    left, text = round(value.total_seconds() * 1000), ""
    if left % 1000 and left < 60_000:
        return f"{left / 1000:g}s" if left >= 1000 else f"{left}ms"
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_UNITS[unit] * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0"


def parse_size(text: object) -> int:
    """Bytes: 8MiB, 500kB, 1048576."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)\s*([A-Za-z]*)", str(text).strip())
    if not found or found[2] not in _SIZES:
        raise ValueError(f"{text!r} is no size; write for example 8MiB, 500kB or a number of bytes")
    return int(float(found[1]) * _SIZES[found[2]])


def parse_rate(text: object) -> Rate | None:
    """None is unlimited."""
    if text == "unlimited":
        return None
    found = re.fullmatch(r"([1-9]\d{0,6})\s*/\s*([smh])", str(text).strip())
    if not found:
        raise ValueError(f"{text!r} is no rate; write for example 1/s, 120/m, 1000/h or unlimited")
    return Rate(int(found[1]), timedelta(seconds=_UNITS[found[2]]))


def check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("this is no URL; write one that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("a URL must not carry a password, it would show up in logs; use basic_auth")
    return text


def check_base_url(text: str) -> str:
    """Of pages: a path is put behind it."""
    check_url(text)
    if "?" in text or "#" in text:
        raise ValueError("a path is put behind this address, so there must be no ? or # in it; leave them out")
    return text


def check_secret_url(text: SecretStr) -> SecretStr:
    check_url(text.get_secret_value())
    return text


def check_interval(value: timedelta) -> timedelta:
    if value < timedelta(milliseconds=100):
        raise ValueError("more than ten times a second is too often; 1m is enough for most")
    return value


def check_turns(value: int) -> int:
    if value != 0 and value < 2:
        raise ValueError(f"{value} is too few: what ends once does not flap; write 2 or more, or 0 for never")
    return value


def check_address(text: str) -> str:
    """name@host, or Name <name@host>: by what reads it when it is used."""
    parse_mailbox(text)
    return text


class HostPort(NamedTuple):
    host: str
    port: int


def parse_host_port(text: str) -> HostPort:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/@]+)):(\d{1,5})", text)
    if not found or not 0 < int(found[3]) < 65536:
        raise ValueError(f"{text!r} is no host:port; write for example smtp.example.org:587")
    return HostPort(found[1] or found[2], int(found[3]))


def check_mention(text: str) -> str:
    if not all(_MENTION.fullmatch(word) for word in text.split()) or not text.strip():
        raise ValueError(
            f"{text!r} would not notify anybody in Slack; write <!here>, <!channel>, <@U012ABCDEF> "
            "or <!subteam^S012ABCDEF>"
        )
    return text


def check_password_hash(text: str) -> SecretStr:
    if not _PASSWORD_HASH.fullmatch(text):
        raise ValueError("this is no password hash; `bridge hash-password` makes one")
    return SecretStr(text)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: object) -> Network:
    """An address, or a range of them: 127.0.0.1, 10.0.0.0/8, fd00::/8."""
    text = str(text).strip()
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            right = ipaddress.ip_network(text, strict=False)
            raise ValueError(f"{text!r} is an address and not a range; write {right}, or the address alone") from None
        raise ValueError(f"{text!r} is no address; write for example 127.0.0.1, 10.0.0.0/8 or fd00::/8") from None
    if not network.prefixlen:
        raise ValueError(f"{text!r} trusts everybody, who could then claim any address; write your proxies' addresses")
    return network
