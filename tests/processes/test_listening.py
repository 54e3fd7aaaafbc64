"""Real sockets: the process on a port is named, errors are explained, an earlier bridge is waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bridge.core.network.addresses import Address, parse_listen
from bridge.processes import listening
from bridge.processes.listening import listen_on
from bridge.processes.port_holders import Holder, holder_of

SERVER = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); time.sleep(600)"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(address: Address, seconds: float = 0.0) -> list[str]:
    sockets = listen_on(address, seconds)
    try:
        return [each.getsockname()[0] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def refusal(address: Address, seconds: float = 0.0) -> str:
    with pytest.raises(OSError, match=f"cannot listen on {address.host}") as refused:
        listen_on(address, seconds)
    return str(refused.value)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_it_listens_on_an_address(port: int) -> None:
    assert listens(Address("127.0.0.1", port)) == ["127.0.0.1"]


def test_it_listens_on_each_address_of_a_name(port: int) -> None:
    expected = {"127.0.0.1", *(["::1"] if has_ipv6() and _hosts_know_both() else [])}
    assert set(listens(Address("localhost", port))) == expected


def _hosts_know_both() -> bool:
    return "::1" in {each[4][0] for each in socket.getaddrinfo("localhost", 0)}


def test_a_foreign_address_of_a_name_is_ignored_if_another_is_local(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, 1, 6, "", (host, port)) for host in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    assert listens(Address("bridge", port)) == ["127.0.0.1"]


def test_a_loopback_name_that_resolves_to_another_address_is_refused(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name counted as loopback when the check for a login was made."""
    answer = [(socket.AF_INET, 1, 6, "", ("10.1.2.3", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    assert "the name resolves to 10.1.2.3 here" in refusal(Address("bridge.localhost", port))


@pytest.mark.parametrize(
    ("host", "explanation"),
    [
        ("192.0.2.1", "not an address of this machine"),  # RFC 5737: for documentation only
        ("a" * 64 + ".example", "not a valid host name"),
        ("no..name", "not a valid host name"),
    ],
)
def test_an_address_of_no_interface_is_explained(port: int, host: str, explanation: str) -> None:
    assert explanation in refusal(Address(host, port))


def test_an_unknown_name_is_explained(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "Name or service not known; choose another address" in refusal(Address("nobody.example.org", port))


def test_a_privileged_port_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listening, "_bound", denied)
    assert "ports below 1024 are root's" in refusal(Address("127.0.0.1", 80))


def test_another_process_on_the_port_is_named_at_once(port: int) -> None:
    with Server(port) as process:
        explanation = refusal(Address("127.0.0.1", port), seconds=600)
    assert f"in use by pid {process.pid} (" in explanation


def test_a_hidden_process_on_the_port_is_explained_with_a_command(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "holder_of", lambda *_: None)
    with socket.create_server(("127.0.0.1", port)):
        assert f"`ss -ltnp 'sport = :{port}'` as root names it" in refusal(Address("127.0.0.1", port))


def test_it_waits_for_an_earlier_process_of_the_bridge(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Holder, "is_bridge", True)
    with Server(port) as process:
        threading.Timer(1.0, process.kill).start()
        assert listens(Address("127.0.0.1", port), seconds=100) == ["127.0.0.1"]


class Server:
    """Another process that listens."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-c", SERVER.format(port=port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> subprocess.Popen[bytes]:
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "::", "both"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    six = ":" in request.param or request.param == "both"
    if six and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    host = "::" if request.param == "both" else request.param
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=request.param == "both") as listening_socket:
        yield request.param, listening_socket.getsockname()[1]


def test_the_process_on_a_port_is_found_at_any_of_its_addresses(listener: tuple[str, int]) -> None:
    where, port = listener
    for host in (where, "0.0.0.0", "::", "a-name") if where != "both" else ("127.0.0.1", "::1", "0.0.0.0", "::"):
        found = holder_of(host, port)
        assert found is not None and found.pid == os.getpid()


def test_a_listener_at_another_address_of_the_port_is_not_named() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        assert holder_of("127.0.0.1", other.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("words", "command", "is_bridge"),
    [
        (("/opt/x/bin/python", "-m", "bridge", "web", "--config", "a"), "/opt/x/bin/python -m bridge web", True),
        (("/usr/bin/python3", "/opt/x/bin/bridge", "serve", "--database", "secret"),
         "/usr/bin/python3 /opt/x/bin/bridge serve", True),
        (("/usr/sbin/mysqld", "-psecret", "--x"), "/usr/sbin/mysqld", False),
        (("nginx: master process nginx -g daemon off;",), "nginx: master process nginx -g daemon off;", False),
        (("a\x1b[31mb\n", "--secret"), "a?[31mb?", False),
        ((), "", False),
    ],
)  # fmt: skip
def test_a_command_is_shown_without_its_options(words: tuple[str, ...], command: str, is_bridge: bool) -> None:
    assert (Holder(1, words).command, Holder(1, words).is_bridge) == (command, is_bridge)


def test_it_listens_on_every_way_to_write_this_machine(port: int) -> None:
    for text in ("127.0.0.1:{}", "localhost:{}", ":{}", *(["[::1]:{}", "[::]:{}"] if has_ipv6() else [])):
        assert listens(parse_listen(text.format(port)))
