"""Ports: chosen by variables, and a taken one names its owner and the way out."""

import os
import socket
from collections.abc import Iterator

import pytest

from dev.stack import ports
from dev.stack.errors import StackError


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_variable_changes_one_port_and_leaves_the_others() -> None:
    assert ports.from_environment({"UP_PROMETHEUS_PORT": "9190"}) == ports.Ports(prometheus=9190)


def test_an_empty_variable_means_the_default() -> None:
    assert ports.from_environment({"UP_BRIDGE_PORT": ""}) == ports.Ports()


def test_all_faults_are_said_at_once() -> None:
    environment = {"UP_SMTP_PORT": "mail", "UP_SANDBOX_PORT": "70000", "UP_BRIDGE_PORT": "9090"}
    with pytest.raises(StackError) as caught:
        ports.from_environment(environment)
    text = str(caught.value)
    assert "UP_SMTP_PORT='mail' is not a port" in text
    assert "UP_SANDBOX_PORT='70000' is not a port" in text
    assert "Port 9090 is meant for prometheus and bridge: change UP_BRIDGE_PORT." in text


@pytest.mark.parametrize("text", ["0", "65536", "-1", "9119 ", "٣", "1e3"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(StackError):
        ports.from_environment({"UP_BRIDGE_PORT": text})


def test_a_taken_port_names_the_process_and_the_variable(listening: int) -> None:
    with pytest.raises(StackError) as caught:
        ports.require_free(ports.Ports(alertmanager=listening))
    text = str(caught.value)
    assert f"Port {listening}, wanted for alertmanager, is taken by" in text
    assert f"pid {os.getpid()} (" in text
    assert "UP_ALERTMANAGER_PORT=" in text


def test_a_listener_on_all_addresses_counts_too() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert not ports.is_free(server.getsockname()[1])


def test_a_port_is_free_again_after_its_listener_has_gone(listening: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            other.accept()[0].close()
    assert ports.is_free(port)
