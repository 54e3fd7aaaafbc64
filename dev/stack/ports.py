"""The ports: their defaults, the variables that change them, and which process uses a taken one."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields

from bridge.processes.port_holders import holder_of
from dev.stack.errors import StackError


@dataclass(frozen=True)
class Ports:
    """Each can be changed by a variable: UP_BRIDGE_PORT, UP_SANDBOX_PORT, UP_SMTP_PORT and so on."""

    sandbox: int = 9911
    smtp: int = 2525
    alertmanager: int = 9093
    prometheus: int = 9090
    bridge: int = 9119
    api_0: int = 8100
    api_1: int = 8101
    api_2: int = 8102

    @property
    def replicas(self) -> tuple[int, ...]:
        """Of the toxicity API."""
        return self.api_0, self.api_1, self.api_2


NAMES = tuple(field.name for field in fields(Ports))


def variable(name: str) -> str:
    return f"UP_{name.upper()}_PORT"


def from_environment(environment: Mapping[str, str]) -> Ports:
    """Reports every fault at once."""
    defaults, chosen, faults = Ports(), {}, []
    for name in NAMES:
        text = environment.get(variable(name)) or str(getattr(defaults, name))
        if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
            chosen[name] = int(text)
        else:
            faults.append(f"{variable(name)}={text!r} is not a port: write a number from 1 to 65535.")
    faults += _twice(chosen)
    if faults:
        raise StackError("\n".join(faults))
    return Ports(**chosen)


def _twice(chosen: Mapping[str, int]) -> list[str]:
    faults = []
    for port in sorted(set(chosen.values())):
        users = [name for name, other in chosen.items() if other == port]
        if len(users) > 1:
            faults.append(f"Port {port} is meant for {' and '.join(users)}: change {variable(users[-1])}.")
    return faults


def require_free(ports: Ports) -> None:
    """Reports all ports that are taken, by which process, and how to change them."""
    taken = [name for name in NAMES if not is_free(getattr(ports, name))]
    if taken:
        raise StackError("\n".join(_taken(name, getattr(ports, name)) for name in taken))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # lingering connections must not block the address
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _taken(name: str, port: int) -> str:
    other = port + 10000 if port < 50000 else port - 10000
    return (
        f"Port {port}, wanted for {name}, is taken by {_owner(port)}.\n"
        f"  Stop that, or take another port:  {variable(name)}={other} make up"
    )


def _owner(port: int) -> str:
    holder = holder_of("127.0.0.1", port)
    if holder is None:
        return "a process of another user"
    return f"pid {holder.pid} ({holder.command})"
