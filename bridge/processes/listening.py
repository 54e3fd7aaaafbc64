"""Creates listening sockets, with an explanation of every error; a restart waits for its predecessor."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from typing import Any

from bridge.core.network.addresses import Address, is_loopback
from bridge.observability import logs
from bridge.processes.port_holders import Holder, holder_of

log = logs.get("bridge")
#: Longer than the web process of a killed supervisor takes to end (bridge.processes.lifeline).
WAIT_SECONDS = 20.0
_BACKLOG = 1024
_CHOOSE = "choose another address with --listen or BRIDGE_LISTEN"
#: Transient errors: an earlier process ends, an address comes up.
_PASSING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)


def listen_on(address: Address, wait_seconds: float = WAIT_SECONDS) -> list[socket.socket]:
    """One listening socket for each address of the host. Raises OSError that says what to do.

    Retries while an earlier process of the bridge still uses the address.
    """
    until, logged = time.monotonic() + wait_seconds, False
    while True:
        try:
            return _listening(address)
        except OSError as fault:
            holder = holder_of(address.host, address.port) if fault.errno == errno.EADDRINUSE else None
            if time.monotonic() >= until or not _may_pass(fault, holder):
                raise OSError(_words(address, fault, holder)) from None
            if not logged:
                logged, words = True, _words(address, fault, holder)
                log.warning("listen_waits", fault=words, at_most_seconds=wait_seconds)
        time.sleep(0.1)


def _may_pass(fault: OSError, holder: Holder | None) -> bool:
    return fault.errno in _PASSING and (holder is None or holder.is_bridge)


def _listening(address: Address) -> list[socket.socket]:
    """A name may have addresses of an unsupported family (::1 without IPv6): one that works is enough."""
    sockets: list[socket.socket] = []
    faults: list[OSError] = []
    for family, place in _places(address):
        try:
            sockets.append(_bound(family, place))
        except OSError as fault:
            faults.append(fault)
    lasting = [fault for fault in faults if fault.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)]
    if lasting or not sockets:
        for made in sockets:
            made.close()
        raise (lasting or faults)[0]
    return sockets


def _places(address: Address) -> Iterator[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise OSError(None, "this is not a valid host name") from None
    places = {place: family for family, _, _, _, place in found}
    for place, family in places.items():
        if address.loopback and not is_loopback(str(place[0])):
            raise OSError(
                None, f"the name resolves to {place[0]} here, which other machines can reach; write 127.0.0.1"
            )
        yield family, place


def _bound(family: socket.AddressFamily, place: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # lingering connections must not block the address
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _words(address: Address, fault: OSError, holder: Holder | None) -> str:
    if fault.errno == errno.EADDRINUSE:
        why = f"the address is in use by {_named(address, holder)}; stop that, or {_CHOOSE}"
    elif fault.errno == errno.EADDRNOTAVAIL:
        why = f"it is not an address of this machine; {_CHOOSE}"
    elif fault.errno in (errno.EACCES, errno.EPERM):
        why = f"this user may not (ports below 1024 are root's); {_CHOOSE}"
    else:
        why = f"{fault.strerror or fault}; {_CHOOSE}"
    return f"cannot listen on {address}: {why}"


def _named(address: Address, holder: Holder | None) -> str:
    if holder is None:
        return f"a process of another user (`ss -ltnp 'sport = :{address.port}'` as root names it)"
    return f"pid {holder.pid} ({holder.command or 'no command'})"
