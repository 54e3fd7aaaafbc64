"""Which process listens on a TCP address, from Linux's /proc. Standard library only; changes nothing."""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

_LISTENING = "0A"  # TCP_LISTEN of include/net/tcp_states.h
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_SHOWN = 120  # characters of a command
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Holder:
    """A process; `words` are its arguments, which may contain a secret."""

    pid: int
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command without its options, which may contain another program's password."""
        kept = self.words[:4] if self.words[1:2] == ("-m",) else _before_options(self.words)
        return re.sub(r"[^\x20-\x7e]", "?", " ".join(kept))[:_SHOWN]

    @property
    def is_bridge(self) -> bool:
        """By its name: `python -m bridge web`, `/opt/incident-bridge/bin/bridge web`."""
        return "bridge" in (PurePath(word).name for word in self.words[:3])


def holder_of(host: str, port: int) -> Holder | None:
    """The process that listens on `host:port`; None if there is none, or if it is another user's."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(_ip(host), port)}
    if not sockets:
        return None
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((Holder(pid, _words(pid)) for pid in pids if sockets & _open_files(pid)), None)


def _inodes(wanted: Ip | None, port: int) -> Iterator[str]:
    for table in _TABLES:
        for line in _lines(table):
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTENING and int(number, 16) == port and _collide(wanted, _decoded(address)):
                yield fields[9]


def _collide(one: Ip | None, other: Ip) -> bool:
    """Whether the addresses conflict; None, for a name, may be any address."""
    return one is None or one == other or one.is_unspecified or other.is_unspecified


def _decoded(text: str) -> Ip:
    """The kernel prints an address as numbers of 32 bits in the machine's own byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return getattr(address, "ipv4_mapped", None) or address


def _ip(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _before_options(words: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        if word.startswith("-"):
            return
        yield word


def _words(pid: int) -> tuple[str, ...]:
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    except OSError:
        return ()


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for entry in list(
            os.scandir(f"/proc/{pid}/fd")
        ):  # a list, so that the iterator is closed even if a link vanishes
            found.add(os.readlink(entry.path))
    except OSError:
        pass  # another user's process, or it ended
    return found


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text().splitlines()[1:]
    except OSError:
        return []
