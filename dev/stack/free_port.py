"""A port for a program that gets its address before it listens, or that restarts on the same one.

Invariant: a port is given once on this machine until the process that asked for it ends.
The kernel gives the ports of its own range to every connection that goes out, so one that was free a moment ago may be
a client's now. Outside that range only listeners count, and those that choose ports here see each other's reservations.
"""

import random
import socket
import sys
from pathlib import Path

from dev.stack import ports
from dev.stack.errors import StackError

LOWEST, HIGHEST = 10_240, 65_535
_KERNELS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 1000


def free_port() -> int:
    """On loopback. Raises StackError when none is found."""
    choice = _outside(*_kernels_range())
    for _ in range(_TRIES):
        port = random.SystemRandom().choice(choice)
        if _reserved(port) and ports.is_free(port):
            return port
    raise StackError(f"No free port was found between {choice[0]} and {choice[-1]} in {_TRIES} tries.")


def _kernels_range() -> tuple[int, int]:
    """Linux' default if it cannot be read."""
    try:
        first, last = _KERNELS_RANGE.read_text(encoding="ascii").split()
    except OSError:
        return 32_768, 60_999
    return int(first), int(last)


def _outside(first: int, last: int) -> range:
    """The larger part, below or above; all of it when the kernel takes everything."""
    below, above = range(LOWEST, first), range(last + 1, HIGHEST + 1)
    return max(below, above, key=len) or range(LOWEST, HIGHEST + 1)


def _reserved(port: int) -> bool:
    """By a name of Linux's abstract sockets, which are as far-reaching as ports and vanish with the process."""
    if sys.platform != "linux":
        return True
    with socket.socket(socket.AF_UNIX) as name:
        try:
            name.bind(f"\0incident-bridge port {port}")
        except OSError:
            return False
        name.detach()  # open as long as this process, and not inherited
    return True
